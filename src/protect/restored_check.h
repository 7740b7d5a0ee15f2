// Whether a restore has left what it should, asked before anything is started on it. No content is
// read a second time: every chunk was compared with its id when it was written.
#pragma once

#include <stop_token>
#include <string>

#include "protect/database_restore.h"
#include "protect/mariadb_restore.h"

namespace holdfast {

// All of them: what was found, in a few words; throws kCorrupt with what is wrong.

// Each file is there, in the size that the backup has.
std::string check_restored_files(const Vault& vault, const RestoreJob& job, std::stop_token stop);

// Also that no server runs there yet, and that one would recover as `job` and `scope` say.
std::string check_restored_postgres(const Vault& vault, const DatabaseRestore& job,
                                    const RecoveryScope& scope, std::stop_token stop);

// The files were prepared, or the log was replayed to its end and its server has ended, no server
// runs there yet, and InnoDB's own pages fit their checksums (when innochecksum is here). Tables
// are not compared with the backup: the log may have changed them.
std::string check_restored_mariadb(const MariadbRestore& job, std::stop_token stop);

}  // namespace holdfast
