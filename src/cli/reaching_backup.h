// Which backup leads to a moment that another one does not lead to.
#pragma once

#include <functional>

#include "base/error.h"
#include "cli/context.h"
#include "protect/database_restore.h"

namespace holdfast {

// `refusal` is why the backup of `job` does not lead to the target of `database`. The same, with
// the id and the time of the newest backup of its source that does, and the command to type, first
// in its hint; unchanged when there is none. `try_backup` throws what a restore of a backup would.
Error with_reaching_backup(Context& context, const Vault& vault, const RestoreJob& job,
                           const DatabaseRestore& database, const Error& refusal,
                           const std::function<void(const RestoreJob&)>& try_backup);

}  // namespace holdfast
