// Restoring a physical backup of a database so that a server starts on it.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "protect/log_recovery.h"
#include "protect/restore.h"
#include "source/mariadb/gtid.h"
#include "source/postgres/restore.h"

namespace holdfast {

// Whether a restored server archives its log as its source does. A copy beside its source would
// mix its own log into the source's.
enum class Archiving {
  kAuto,  // a standby, and what is restored to the source's own directory
  kKeep,
  kOff,
};

struct DatabaseRestore {
  RestoreJob files;
  // Where tablespaces go: DIRECTORY/OID; empty: their old places. What another cluster has there is
  // never touched, whatever `files` says of overwriting.
  std::string tablespace_directory;
  bool use_log = true;                   // go on with the log of the vault, if it has one
  std::optional<RecoveryTarget> target;  // none: to the end of the log
  std::optional<GtidPosition> gtid;      // MariaDB and MySQL: instead of a target ...
  bool gtid_inclusive = true;            // ... its last transaction too
  std::string timeline;                  // "latest" (the default), "current", a number
  std::string action = "promote";        // at the target: "promote", "pause", "shutdown"
  bool standby = false;                  // or a replica
  bool of_dump = false;                  // a server is wanted where a dump alone would be files
  std::string primary_conninfo;          // of a standby
  Archiving archiving = Archiving::kAuto;
  // MariaDB: hears the GTID of the state that will be restored before anything is written; throws
  // when that will not do.
  std::function<void(const std::string&)> accept_gtid;
};

// What a restore brings back, to be said before it begins and checked after it.
struct RecoveryScope {
  Timestamp consistent{};      // of the backup
  std::optional<LogPlan> log;  // none: the backup alone
  std::string missing;  // no log is used because this segment is missing, and there are later ones
  std::vector<LogName> histories;  // of the timelines that the log has, used or not
  Lsn end = 0;                     // replay must reach this, unless there is a target
  bool archiving = true;           // see DatabaseRestore
};

// "the log does not lead on from this backup: SEGMENT is missing".
std::string missing_log_text(const std::string& segment);

// Looks up how far `job` can get; throws kNotFound, with what can be reached, when its target is
// not. Changes nothing.
RecoveryScope recovery_scope(const Vault& vault, const DatabaseRestore& job, std::stop_token stop);

// What the backup is of, when it is one of a database.
std::optional<DatabaseFacts> database_of(const Vault& vault, const BackupName& backup);

// What the server is told to do when it starts on the restored files.
PgRecovery recovery_of(const DatabaseRestore& job, const RecoveryScope& scope);

// Throws what run_postgres_restore() would throw before it changes anything, but does not mind a
// server that runs on the target: it may be stopped until then. Changes nothing.
void check_postgres_restore(const Vault& vault, const DatabaseRestore& job,
                            const RecoveryScope& scope, std::stop_token stop);

// Restores the files of all tablespaces, then completes the directory. Until it has ended no server
// starts on it. The log is brought along, so that recovery needs neither the store nor a key. Run
// again after an interruption it goes on. Before anything is changed it throws kConflict: when a
// server runs on the target, when files that are there would be mixed with those of the backup,
// when the place of a tablespace is taken, or the target holds an unfinished restore of another
// backup; and kExhausted when a file system has not the room for all that goes there. Later
// kCorrupt when files are damaged. A log with a gap is a warning.
RestoreResult run_postgres_restore(const Vault& vault, const DatabaseRestore& job,
                                   const RecoveryScope& scope, RestoreProgress& progress,
                                   Warnings& warnings, std::stop_token stop);

}  // namespace holdfast
