#include "protect/archive_find.h"

#include <fmt/format.h>

#include "base/error.h"
#include "base/human.h"

namespace holdfast {
namespace {

constexpr std::string_view kLatest = "latest";

Error no_archive(const std::vector<StoredArchive>& archives, std::string_view wanted) {
  std::vector<std::string> names;
  for (const StoredArchive& archive : archives) names.push_back(archive.name.file());
  const std::string near = nearest(wanted, names);
  return {Code::kNotFound, fmt::format("no backup or archive '{}'", printable(wanted)),
          near.empty() ? "see: holdfast list" : "did you mean " + near + "?"};
}

StoredArchive latest_archive(const std::vector<StoredArchive>& archives, std::string_view wanted) {
  const std::string_view source =
      wanted == kLatest ? std::string_view() : wanted.substr(kLatest.size() + 1);
  for (auto one = archives.rbegin(); one != archives.rend(); ++one) {
    if (wanted == kLatest || one->name.source == source) return *one;
  }
  throw no_archive(archives, wanted);
}

}  // namespace

bool names_archive(std::string_view wanted) { return format_of_name(wanted).has_value(); }

StoredArchive find_archive(const std::vector<StoredArchive>& archives, std::string_view wanted) {
  if (wanted == kLatest || wanted.starts_with(std::string(kLatest) + ":")) {
    return latest_archive(archives, wanted);
  }
  std::vector<const StoredArchive*> found;
  for (const StoredArchive& archive : archives) {
    const std::string file = archive.name.file();
    if (file == wanted || archive.name.key() == wanted) return archive;
    if (file.starts_with(wanted)) found.push_back(&archive);
  }
  if (found.empty() || wanted.empty()) throw no_archive(archives, wanted);
  if (found.size() > 1) {
    throw Error(Code::kInvalid,
                fmt::format("'{}' fits {}", printable(wanted), plural(found.size(), "archive")),
                fmt::format("write more of the name: {}, {}, ...", found[0]->name.file(),
                            found[1]->name.file()));
  }
  return *found.front();
}

const SourceSettings* source_of_archive(const Settings& settings, const ArchiveName& name) {
  const SourceSettings* best = nullptr;
  for (const SourceSettings& source : settings.sources) {
    if (source.backup_class != name.archive_class) continue;
    if (source.name == name.source) return &source;
    const bool part = source.backup_class == "database" && source.format != BackupFormat::kVault &&
                      name.source.starts_with(source.name + "-");
    if (part && (best == nullptr || best->name.size() < source.name.size())) best = &source;
  }
  return best;
}

RetentionPolicy retention_for_archive(const Settings& settings, const ArchiveName& name) {
  const SourceSettings* source = source_of_archive(settings, name);
  if (source == nullptr) return retention_for(settings, name.archive_class, name.source);
  if (source->archive.retention) return *source->archive.retention;
  return retention_for(settings, name.archive_class, source->name);
}

}  // namespace holdfast
