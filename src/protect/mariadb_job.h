// From the settings of a MariaDB server to what a backup job reads.
#pragma once

#include <stop_token>

#include "protect/backup.h"
#include "settings/settings.h"

namespace holdfast {

// Connects, and fills `job`: a physical backup as the files of a data directory before the log has
// been applied (source/mariadb/restore.h does that), a logical one as all.sql and users.sql.
// Throws what the server says, with what to do about it.
void add_mariadb(const Vault& vault, const MariadbSettings& settings, BackupJob& job,
                 Warnings& warnings, std::stop_token stop);

}  // namespace holdfast
