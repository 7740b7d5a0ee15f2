// The part of a restore test that is PostgreSQL's.
#pragma once

#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "protect/database_restore.h"
#include "protect/proof_steps.h"
#include "settings/settings.h"
#include "source/postgres/sandbox.h"

namespace holdfast {

// In order: make_cluster (logical backups), start, load (logical), check. The cluster is in
// SCRATCH/data. One thread.
class PostgresProof {
 public:
  PostgresProof(const Vault& vault, const BackupName& backup, const DatabaseFacts& facts,
                const PostgresSettings& settings, const std::string& scratch, ProofSteps& steps,
                std::stop_token stop);

  void expect(const RecoveryScope& scope) { expected_ = scope; }  // how far replay must get

  RestoreResult make_cluster() const;  // an empty one of the backup's version
  std::string start();
  std::string load(RestoreResult& restored) const;
  // Integrity, position, assertions, and, once the server is down, page checksums.
  void check(const std::vector<Assertion>& assertions, Timestamp now);

 private:
  std::string check_position() const;
  std::string check_assertion(const Assertion& assertion, Timestamp now) const;
  std::uint64_t load_dump(const std::string& path) const;
  std::uint64_t load_directory(const std::string& path) const;

  const Vault& vault_;
  const BackupName& backup_;
  const DatabaseFacts& facts_;
  const PostgresSettings& settings_;
  std::string scratch_;
  std::string data_;
  ProofSteps& steps_;
  std::stop_token stop_;
  RecoveryScope expected_;
  std::unique_ptr<PgSandbox> sandbox_;
};

}  // namespace holdfast
