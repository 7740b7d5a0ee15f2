// A server made anew from a dump of MySQL, with the log behind it.
#pragma once

#include <memory>
#include <stop_token>
#include <string>

#include "protect/mariadb_restore.h"
#include "source/mariadb/sandbox.h"

namespace holdfast {

// In the facts of a backup (DatabaseFacts::settings): the databases that were chosen, as JSON.
inline constexpr const char* kChosenDatabases = "databases";

// What is done with one place, in this order: make, start, load, replay. The server's files are
// PLACE/data. Throws what the sandbox throws. One thread.
class DumpRecovery {
 public:
  // `progress` may be null.
  DumpRecovery(const Vault& vault, const BackupName& backup, const MariadbSettings& settings,
               const MariadbScope& scope, const std::string& place, RestoreProgress* progress,
               std::stop_token stop);

  void make();  // an empty server, and the log that it shall apply
  void start();
  RestoreResult load() const;  // the dumps
  // The log up to the end of the scope; without one it only learns the GTIDs of the backup. Returns
  // the state that the server has then; "" when it cannot be told.
  std::string replay() const;

  MariadbSandbox& server() { return *server_; }
  std::string data() const { return place_ + "/data"; }

 private:
  bool has_log() const { return scope_.log && scope_.end.last; }
  SandboxOptions options() const;
  std::uint64_t load_file(const std::string& path) const;

  const Vault& vault_;
  const BackupName& backup_;
  const MariadbSettings& settings_;
  const MariadbScope& scope_;
  const std::string place_;
  RestoreProgress* const progress_;
  std::stop_token stop_;
  std::uint64_t log_begin_ = 0;  // in the first of its files
  std::unique_ptr<MariadbSandbox> server_;
};

// As check_mariadb_restore() and run_mariadb_restore(), for a dump. Until it has ended the target
// holds no server, only a place aside. What is at the target goes only when the job says so
// (remove_others), or when it is an unfinished restore of the same backup. Events that the log has
// made or changed come back disabled, which is a warning.
void check_dump_restore(const Vault& vault, const MariadbRestore& job, const MariadbScope& scope,
                        const std::stop_token& stop);
MariadbRestored run_dump_restore(const Vault& vault, const MariadbRestore& job,
                                 const MariadbScope& scope, RestoreProgress& progress,
                                 Warnings& warnings, const std::stop_token& stop);

}  // namespace holdfast
