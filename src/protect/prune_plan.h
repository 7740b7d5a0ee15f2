// Deciding what a prune removes: plain data, no changes.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "vault/doom.h"
#include "vault/live_set.h"

namespace holdfast {

// How much of a pack is needed.
struct PackUse {
  SegmentPack pack;
  std::uint64_t live_bytes = 0;  // sealed; of partly live frames the raw share
  std::uint64_t dead_bytes = 0;
  std::uint64_t live_chunks = 0;
  std::vector<ChunkId> dead_chunks;
  bool dead_damage = false;  // copies that are not needed are known to be damaged
  bool live_damage = false;  // and needed ones: it can neither go nor be rewritten
};

// By pack name. `whole_frames`: count only frames that are dead as a whole, which is all that a key
// that cannot read content can drop. `doomed` knows what is damaged.
std::map<PackName, PackUse> pack_use(const LiveSet& live, bool whole_frames,
                                     const DoomSet& doomed = DoomSet());

struct PrunePlan {
  std::vector<PackName> dead_packs;      // nothing in them is needed
  std::vector<PackName> orphans;         // no segment names them
  std::vector<PackName> wasteful_packs;  // to be rewritten without their dead chunks
  std::vector<ChunkId> dead_chunks;      // of the wasteful packs
  std::uint64_t live_bytes = 0;
  std::uint64_t dead_bytes = 0;
};

PrunePlan plan_prune(const std::map<PackName, PackUse>& use,
                     const std::map<PackName, SegmentPack>& stored, unsigned max_unused_percent);

}  // namespace holdfast
