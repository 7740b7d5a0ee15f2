#include "cli/recoverable_archive.h"

#include <map>

namespace holdfast {
namespace {

std::string key_of(const ArchiveName& name) {
  if (!name.source.empty()) return name.archive_class + "/" + name.source;
  return name.archive_class + "/backup-" + format_compact(name.time);
}

// Only a source of the very name: what else an archive may be of nobody can tell without the
// configuration, and one too many is better than one too few.
std::string superseding(const RecoverableArchive& archive,
                        const std::vector<RecoverableSource>& sources) {
  for (const RecoverableSource& source : sources) {
    if (source.key() != archive.key() || !source.best) continue;
    if (source.recovery_point() >= archive.newest().name.time)
      return source.best->summary.name.id();
  }
  return {};
}

}  // namespace

std::string RecoverableArchive::key() const { return key_of(newest().name); }

std::vector<RecoverableArchive> find_recoverable_archives(
    const std::vector<StoredArchive>& archives, const RecoveryFilter& filter,
    const std::vector<RecoverableSource>& sources) {
  std::map<std::string, RecoverableArchive> found;
  for (const StoredArchive& archive : archives) {
    const ArchiveName& name = archive.name;
    if (!filter.takes(name.archive_class, name.source, name.time)) continue;
    found[key_of(name)].archives.push_back(archive);
  }
  std::vector<RecoverableArchive> all;
  for (auto& [key, archive] : found) {
    archive.superseded_by = superseding(archive, sources);
    all.push_back(std::move(archive));
  }
  return all;
}

}  // namespace holdfast
