// Restoring a backup of MariaDB or MySQL so that a server starts on it, and the log behind it.
#pragma once

#include <map>
#include <optional>
#include <stop_token>
#include <string>

#include "protect/binlog_recovery.h"
#include "protect/restore.h"
#include "settings/settings.h"

namespace holdfast {

struct MariadbRestore {
  RestoreJob files;
  MariadbSettings server;              // of the source, for its tools and system user
  bool use_log = true;                 // go on with the log of the vault, if it has one
  std::optional<BinlogTarget> target;  // none: to the end of the log
  bool starts_server = false;          // whoever asks starts one on the directory: a replica
};

// What a restore brings back, to be said before it begins.
struct MariadbScope {
  MariadbEngine engine = MariadbEngine::kMariadb;
  Timestamp consistent{};         // of the backup
  std::string gtid;               // ... and where it is; empty: not known
  std::optional<BinlogPlan> log;  // none: the backup alone
  BinlogEnd end;                  // with a log
  // Of the server that the backup is of: DatabaseFacts::settings.
  std::map<std::string, std::string> settings;
  std::string version;
};

// Looks up how far `job` can get; throws kNotFound, with what can be reached, when its target is
// not. Changes nothing.
MariadbScope mariadb_scope(const Vault& vault, const MariadbRestore& job, std::stop_token stop);

struct MariadbRestored {
  RestoreResult result;
  std::string gtid;         // the state that the directory has; empty: not known
  bool replayed = false;    // with the log: then gtid_slave_pos is set
  bool keeps_gtid = false;  // of MySQL: the server knows it
};

// Throws what run_mariadb_restore() would throw before it changes anything, but does not mind a
// server that runs on the target: it may be stopped until then. Changes nothing.
void check_mariadb_restore(const Vault& vault, const MariadbRestore& job, const MariadbScope& scope,
                           std::stop_token stop);

// Of MySQL a new server is made there from the dump (protect/dump_recovery.h). Of MariaDB it
// restores the files, prepares them (source/mariadb/restore.h), and replays the log with a server
// of its own. Until it has ended no server starts on the directory: it lacks ibdata1, or a table of
// `mysql` while it is prepared, and it is marked (protect/server_restore.h). Run again after an
// interruption it begins anew with what is there. Before anything is changed it throws kConflict:
// when a server runs on the target, when files that are there would be mixed with those of the
// backup, or the target holds an unfinished restore of another backup; kExhausted when there is no
// room for the files and the replay, and kUnsupported when a program that is needed later is not
// here or is of another version. Later kCorrupt when files or the log are damaged, kInvalid when a
// statement of the log fails. A log with a gap is a warning.
MariadbRestored run_mariadb_restore(const Vault& vault, const MariadbRestore& job,
                                    const MariadbScope& scope, RestoreProgress& progress,
                                    Warnings& warnings, std::stop_token stop);

}  // namespace holdfast
