// The answer of MariaDB to log_use().
#pragma once

#include "protect/log_use.h"

namespace holdfast {

// All files are chunks of binary logs.
bool looks_like_mariadb(const LogFiles& log);

// Recoveries begin with the file in which the oldest backup was made that this history of the log
// leads on from; which one that is, the log says itself. Throws as plan_binlog() does.
FileUses mariadb_log_use(const Vault& vault, const LogFiles& log,
                         const std::vector<BackupSummary>& backups);

}  // namespace holdfast
