// Removing what no backup needs: mark, wait, check again, sweep. docs/FORMAT.md, "Prune".
#pragma once

#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "protect/warnings.h"
#include "vault/vault.h"

namespace holdfast {

struct PruneJob {
  Duration grace = std::chrono::hours{24};  // between mark and sweep, by the store's clock
  unsigned max_unused_percent = 5;          // packs with more dead bytes than this are rewritten
  bool dry_run = false;
  int level = 0;
};

struct PruneResult {
  std::uint64_t live_chunks = 0;
  std::uint64_t live_bytes = 0;  // sealed, estimated for partly dead frames
  std::uint64_t dead_bytes = 0;
  std::uint64_t marked_packs = 0;  // now on their way out
  std::uint64_t removed_packs = 0;
  std::uint64_t rewritten_packs = 0;
  // Were to be rewritten and turned out to be damaged: they stay, and the damage is recorded, so
  // that the next backup stores their chunks anew.
  std::uint64_t damaged_packs = 0;
  std::uint64_t freed_bytes = 0;  // what the store holds less than before
  // Not needed, but a lock of the pack or of a segment that names it holds: neither marked nor
  // removed. `lock_first_ends` is when a prune can free the first of them.
  std::uint64_t locked_packs = 0;
  std::uint64_t locked_bytes = 0;
  std::optional<Timestamp> lock_first_ends;
  std::optional<Timestamp> lock_last_ends;
  std::uint64_t waiting_bytes = 0;       // marked, and in their grace period or needed by a lease
  std::vector<std::string> waiting_for;  // why nothing more was swept
  Duration duration{};
};

// Takes the exclusive lease "prune" (kConflict when another prune runs). Backups and restores may
// go on meanwhile. Refuses to start, with kCorrupt, when the index or a backup object is damaged:
// what is not understood is not removed. Never tries to remove what a lock holds.
PruneResult prune(const Vault& vault, const PruneJob& job, std::stop_token stop);

}  // namespace holdfast
