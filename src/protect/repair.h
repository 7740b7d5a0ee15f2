// Making a damaged vault whole again as far as there are bytes to do it with.
#pragma once

#include <functional>
#include <stop_token>
#include <string>
#include <vector>

#include "protect/needed_pack.h"
#include "settings/settings.h"
#include "vault/vault.h"

namespace holdfast {

struct RepairJob {
  ObjectStore* other = nullptr;  // another copy of the same vault to take good objects from
  // What of the log was given up on purpose, and is not brought back; unset: nothing.
  std::function<LogPolicy(const std::string& source)> log_policy = {};
  // Called with the packs that are about to be read in this vault or the other copy: returns when
  // what is archived can be. What it takes out of `packs` is not read, which only a dry run may.
  std::function<void(ObjectStore& store, std::vector<NeededPack>& packs)> before_reading = {};
  bool dry_run = false;
};

struct RepairResult {
  std::vector<std::string> actions;     // what was done, a line each
  std::vector<std::string> unrepaired;  // what is still wrong, a line each
  std::uint64_t restored_objects = 0;   // from the other copy
  std::uint64_t reindexed_packs = 0;    // packs that no segment knew
  std::uint64_t removed_segments = 0;   // damaged ones, after all their packs were indexed again
  Duration duration{};
};

// Finds damaged and missing objects by reading everything; replaces them from `other`, and brings
// back the backups that `other` has and this vault lacks; writes index
// entries for packs that no good segment knows; brings back log that recoveries from the backups
// need; lifts the quarantine of chunks that are good again.
// Never removes a pack that could hold something.
RepairResult repair(const Vault& vault, const RepairJob& job, std::stop_token stop);

}  // namespace holdfast
