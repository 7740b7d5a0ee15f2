// Removing backups from a vault: the object of each. The data goes with the next prune.
#pragma once

#include <string>
#include <vector>

#include "cli/context.h"
#include "store/object_store.h"
#include "vault/backup_object.h"

namespace holdfast {

struct LockedBackup {
  BackupName name;
  Timestamp until{};
};

// What can be removed now, and what a lock holds; both in the order given.
struct RemovalPlan {
  std::vector<BackupName> free;
  std::vector<LockedBackup> locked;
};
// Asks the store for the lock of each; changes nothing.
RemovalPlan plan_removal(Context& context, ObjectStore& store,
                         const std::vector<BackupName>& backups);

// "2 backups are locked, the first until 2025-11-10T12:00:00Z, the last until ...".
// There must be one.
std::string locked_text(const std::vector<LockedBackup>& locked);

// Removes the objects of `backups` in the order given and notes each in
// backup/logs/retention-YYYYMMDD.log. Throws Error(kCancelled) at a stop; what was removed by then
// stays removed.
void remove_backups(Context& context, ObjectStore& store, const std::vector<BackupName>& backups);

}  // namespace holdfast
