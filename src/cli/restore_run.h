// One restore with its progress and log, for every command that brings something back.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "cli/context.h"
#include "cli/output.h"
#include "cli/thaw.h"
#include "protect/database_restore.h"
#include "protect/mariadb_restore.h"
#include "protect/restore.h"

namespace holdfast {

// What was to be done with a whole server; neither is set for anything else.
struct MariadbWork {
  MariadbRestore job;
  MariadbScope scope;
};
struct ServerWork {
  DatabaseRestore postgres;
  std::optional<RecoveryScope> scope;
  std::optional<MariadbWork> mariadb;
};

struct Restored {
  RestoreResult result;
  ServerWork work;
  std::vector<std::string> repositories;  // made of the bundles of a config backup
  std::vector<std::string> warnings;      // the first ones
  std::uint64_t warning_count = 0;
  ThawPlan thaw;          // what had to come from an archive first
  std::string gtid;       // of MariaDB: the state that was brought back; empty: not known
  bool replayed = false;  // ... with the log
  std::string log_file;   // empty: none
};

// Throws what restore_backup() would throw before it changes anything: a moment that cannot be
// reached, something in the way, no room. A server that runs on the target is no reason when
// somebody `stops_it` before.
void check_restore(Context& context, const Vault& vault, const RestoreJob& job,
                   const DatabaseRestore& database, bool stops_it);

// Looks at what `restored` has left in its place, before anything is started there; what was found.
// Throws kCorrupt with what is wrong.
std::string check_restored(Context& context, const Vault& vault, const RestoreJob& job,
                           const Restored& restored);

// A physical backup of a database, whole, becomes a directory that a server starts on, as
// `database` says (its `files` are not looked at); and a dump of MySQL when it says so.
// Asks for what is archived and waits for it before anything is written. Throws what run_restore
// and bring_from_archive throw; the warnings until then have been printed.
Restored restore_backup(Context& context, const Vault& vault, const RestoreJob& job,
                        const ThawOptions& thaw = {}, const DatabaseRestore& database = {});

// "never", "if-changed", "always".
Overwrite parse_overwrite(const std::string& text);
// "auto", "keep", "off".
Archiving parse_archiving(const std::string& text);

std::string restored_text(const RestoreJob& job, const Restored& restored);
Json restored_json(const RestoreJob& job, const Restored& restored);
// What is to be said when files could not be brought back whole.
std::optional<Error> damage_in(const Restored& restored);
// 0, that of the damage, or that of warnings.
int code_of(const Restored& restored);

}  // namespace holdfast
