// The manifest of a base backup, under a right checksum and as it comes.
#include "fuzz.h"
#include "source/postgres/backup_manifest.h"

using namespace holdfast;

namespace {

void check(const std::string& text) {
  const BackupManifest manifest = parse_backup_manifest(text);
  for (const ManifestFile& file : manifest.files) {
    require(find_file(manifest, file.path) == &file, "a file is found by its path");
    require(("/" + file.path + "/").find("/../") == std::string::npos, "no path leads out");
    require(file.path.front() != '/', "paths are relative");
  }
  for (const ManifestWalRange& range : manifest.wal_ranges) {
    require(range.timeline > 0 && range.start <= range.end, "a piece of the log is one");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string text(as_text({data, size}));
  refuse_or_accept([&] { check(text); });
  refuse_or_accept([&] {
    text += "\n\"Manifest-Checksum\": \"";
    text += to_hex(manifest_checksum(text + "\"}\n")) + "\"}\n";
    check(text);
  });
  return 0;
}
