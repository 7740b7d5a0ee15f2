// Removing backups from a vault: the object of each. The data goes with the next prune.
#pragma once

#include <vector>

#include "cli/context.h"
#include "store/object_store.h"
#include "vault/backup_object.h"

namespace holdfast {

// Removes the objects of `backups` in the order given and notes each in
// backup/logs/retention-YYYYMMDD.log. Throws Error(kCancelled) at a stop; what was removed by then
// stays removed.
void remove_backups(Context& context, ObjectStore& store, const std::vector<BackupName>& backups);

}  // namespace holdfast
