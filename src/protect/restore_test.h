// The proof of a backup: restore it, start it, question it, and note the result in the vault.
#pragma once

#include <functional>
#include <stop_token>
#include <string>
#include <vector>

#include "protect/database_restore.h"
#include "settings/settings.h"

namespace holdfast {

struct RestoreTestJob {
  BackupName backup;
  SourceSettings source;  // servers, tools and assertions; for files a default one will do
  std::string scratch;    // an empty directory of our own; the caller removes it
  unsigned threads = 0;
  bool record = true;  // note the result in the vault
};

// One thing that was looked at.
struct ProofStep {
  std::string name;  // "restore", "start", "position", "assertion 1", "tables", "checksums", ...
  bool passed = true;
  std::string detail;  // what was found
  Duration duration{};
};

struct RestoreTestResult {
  std::vector<ProofStep> steps;
  RestoreResult restored;
  Duration until_ready{};  // from nothing to a server that answers, or to files in place
  Duration duration{};
  bool passed() const;
};

// Restores into job.scratch: files are read again and compared; a database is started on a private
// socket without archiving and checked (amcheck or CHECK TABLE, page checksums, the source's
// assertions, its position against the one of the backup), a logical one loaded into an empty
// server. `progress`
// hears of each step when it has ended. Throws for what keeps the test from being made; what the
// test finds is in the result.
RestoreTestResult run_restore_test(const Vault& vault, const RestoreTestJob& job,
                                   RestoreProgress& restoring,
                                   const std::function<void(const ProofStep&)>& progress,
                                   Warnings& warnings, std::stop_token stop);

}  // namespace holdfast
