// What can be recovered from the archives of a store, which may have a vault too.
#pragma once

#include <string>
#include <vector>

#include "cli/recoverable.h"
#include "protect/archive_name.h"

namespace holdfast {

struct RecoverableArchive {
  std::vector<StoredArchive> archives;  // of one class and source, oldest first, at least one
  // The vault's backup of that source, when it is not older: that is what comes back then.
  std::string superseded_by;

  const StoredArchive& newest() const { return archives.back(); }
  const std::string& archive_class() const { return newest().name.archive_class; }
  // "CLASS/SOURCE"; of an archive that names no source "CLASS/backup-20251110-120000".
  std::string key() const;
};

// In the order of classes and names. `sources` is what the vault has.
std::vector<RecoverableArchive> find_recoverable_archives(
    const std::vector<StoredArchive>& archives, const RecoveryFilter& filter,
    const std::vector<RecoverableSource>& sources);

}  // namespace holdfast
