// Restoring a physical backup of a database so that a server starts on it.
#pragma once

#include <map>
#include <optional>
#include <stop_token>
#include <string>

#include "protect/restore.h"
#include "source/postgres/restore.h"

namespace holdfast {

struct DatabaseRestore {
  RestoreJob files;
  // Where tablespaces go: DIRECTORY/OID; empty: their old places, which must be empty then.
  std::string tablespace_directory;
  PgRecovery recovery;
};

// What the backup is of, when it is one of a database.
std::optional<DatabaseFacts> database_of(const Vault& vault, const BackupName& backup);

// Restores the files of all tablespaces, then completes the directory. Until it has ended no server
// starts on it. Run again after an interruption it goes on. Throws kConflict when the place of a
// tablespace is taken, before anything is written, and kCorrupt when files are damaged.
RestoreResult run_postgres_restore(const Vault& vault, const DatabaseRestore& job,
                                   RestoreProgress& progress, Warnings& warnings,
                                   std::stop_token stop);

}  // namespace holdfast
