#include "source/postgres/backup_manifest.h"

#include <algorithm>

#include "base/error.h"
#include "base/human.h"
#include "source/postgres/manifest_parser.h"

namespace holdfast {

namespace {

// Where the last line begins; it says the checksum of what is before it.
std::size_t last_line(std::string_view text) {
  if (text.ends_with('\n')) {
    const std::size_t end = text.substr(0, text.size() - 1).rfind('\n');
    if (end != std::string_view::npos) return end + 1;
  }
  throw Error(Code::kCorrupt, "the backup manifest is not complete",
              "it must end with a line that has its checksum");
}

void sort_files(std::vector<ManifestFile>& files) {
  std::sort(files.begin(), files.end(),
            [](const ManifestFile& a, const ManifestFile& b) { return a.path < b.path; });
  const auto twice = std::adjacent_find(
      files.begin(), files.end(), [](const auto& a, const auto& b) { return a.path == b.path; });
  if (twice == files.end()) return;
  throw Error(Code::kCorrupt, "the backup manifest names " + printable(twice->path) + " twice");
}

}  // namespace

Digest manifest_checksum(std::string_view text) {
  return sha256(as_bytes(text.substr(0, last_line(text))));
}

BackupManifest parse_backup_manifest(std::string_view text) {
  const Digest expected = manifest_checksum(text);
  ParsedManifest parsed = parse_manifest_text(text);
  if (parsed.checksum != to_bytes(expected)) {
    throw Error(Code::kCorrupt, "the backup manifest's own checksum does not match",
                "it was damaged or edited after the backup");
  }
  sort_files(parsed.manifest.files);
  return std::move(parsed.manifest);
}

const ManifestFile* find_file(const BackupManifest& manifest, std::string_view path) {
  const auto found =
      std::lower_bound(manifest.files.begin(), manifest.files.end(), path,
                       [](const ManifestFile& file, std::string_view p) { return file.path < p; });
  return found != manifest.files.end() && found->path == path ? &*found : nullptr;
}

}  // namespace holdfast
