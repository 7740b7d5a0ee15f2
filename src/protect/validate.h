// Proof that backups can be restored: structure, or every byte.
#pragma once

#include <atomic>
#include <functional>
#include <stop_token>
#include <string>
#include <vector>

#include "protect/log_check.h"
#include "protect/needed_pack.h"
#include "protect/warnings.h"
#include "vault/vault.h"

namespace holdfast {

struct ValidateJob {
  std::vector<BackupName> backups;  // to be validated
  bool whole_vault = false;         // also what belongs to no backup: packs, index, keys
  unsigned read_percent = 0;        // of the packs to read and open, 0..100; 100: every byte
  bool logs = true;                 // look at the databases' logs, too
  // What of the log was given up on purpose; unset: nothing.
  std::function<LogPolicy(const std::string& source)> log_policy = {};
  bool record = true;  // note the result in the vault: "verified when", quarantine
  unsigned threads = 0;
  // Called once with the packs that are to be read; may take some away, and may wait until the
  // others can be read. May be unset.
  std::function<void(std::vector<NeededPack>& packs)> before_reading = {};
};

struct ValidateProgress {
  std::atomic<std::uint64_t> total_bytes{0};
  std::atomic<std::uint64_t> bytes{0};
  std::atomic<std::uint64_t> backups{0};
};

// One thing that is wrong.
struct Finding {
  std::string object;  // key of the object, "" when it is about the vault as a whole
  std::string problem;
};

struct DamagedBackup {
  BackupName backup;
  std::uint64_t missing_chunks = 0;
  std::vector<std::string> files;  // the first affected paths, when the key can read names
  std::uint64_t affected_files = 0;
};

struct ValidateResult {
  std::vector<Finding> findings;
  std::vector<std::string> foreign;  // objects among packs and index that are not ours; no damage
  std::vector<DamagedBackup> damaged;
  std::uint64_t backups = 0;
  std::uint64_t packs = 0;
  std::uint64_t packs_read = 0;
  std::uint64_t bytes_read = 0;
  std::uint64_t chunks = 0;       // reachable, each counted once
  std::uint64_t bad_chunks = 0;   // no good copy left
  std::uint64_t log_objects = 0;  // of databases' logs
  std::uint64_t log_objects_read = 0;
  std::vector<std::string> notes;     // no damage, but to be known, a line each
  std::vector<std::string> warnings;  // no damage, but to be seen to
  bool content_checked = false;       // frames were opened, not only hashed (needs a restorer key)
  Duration duration{};
  bool sound() const { return findings.empty() && damaged.empty(); }
};

// Checks that every chunk that the backups reach has a place in a pack that exists with the right
// size; with read_percent also that the bytes are what was written. A ring that cannot read content
// checks packs by their hash. Damage is noted as doom (reason damaged), so that the next backup
// that has the bytes heals it. Of the log of databases the same is asked, and whether it leads on
// from the backups without a gap. Only an object with a name of ours can be damaged.
ValidateResult validate(const Vault& vault, const ValidateJob& job, ValidateProgress& progress,
                        std::stop_token stop);

}  // namespace holdfast
