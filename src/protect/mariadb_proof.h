// The part of a restore test that is MariaDB's, and MySQL's.
#pragma once

#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "protect/database_restore.h"
#include "protect/dump_recovery.h"
#include "protect/mariadb_restore.h"
#include "protect/proof_steps.h"
#include "settings/settings.h"
#include "source/mariadb/proof.h"

namespace holdfast {

// In order: restore (physical backups) or make_directory (logical ones), start, load (logical),
// check. The data directory is SCRATCH/data. Both go on to the end of the log of the vault when
// they can. One thread.
class MariadbProof {
 public:
  // Throws kUnsupported when this host has no server that fits the backup, kDenied when its user
  // cannot reach `scratch`.
  MariadbProof(const Vault& vault, const BackupName& backup, const DatabaseFacts& facts,
               const MariadbSettings& settings, const std::string& scratch, ProofSteps& steps,
               std::stop_token stop);

  // To the end of the log of the vault, when it has one: `files` names SCRATCH/data.
  RestoreResult restore(const RestoreJob& files, RestoreProgress& progress, Warnings& warnings);
  RestoreResult make_directory();
  std::string start();
  std::string load(RestoreResult& restored) const;
  // Position, assertions, tables, and, once the server is down, page checksums.
  void check(const std::vector<Assertion>& assertions, Timestamp now);

 private:
  MariadbSandbox& server() const { return recovery_ ? recovery_->server() : *sandbox_; }
  std::string check_position() const;
  std::string replay() const;
  void check_backup_position() const;
  std::string check_assertion(const Assertion& assertion, Timestamp now) const;
  MariadbFindings check_pages();
  std::uint64_t load_file(const std::string& path) const;

  const Vault& vault_;
  const BackupName& backup_;
  const DatabaseFacts& facts_;
  const MariadbSettings& settings_;
  const MariadbEngine engine_;
  std::string scratch_;
  std::string data_;
  ProofSteps& steps_;
  std::stop_token stop_;
  MariadbScope scope_;
  MariadbRestored restored_;
  std::unique_ptr<DumpRecovery> recovery_;   // of a dump of MySQL
  std::unique_ptr<MariadbSandbox> sandbox_;  // of all others
};

}  // namespace holdfast
