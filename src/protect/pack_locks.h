// Which packs locks keep in the store.
#pragma once

#include <stop_token>
#include <vector>

#include "vault/index.h"

namespace holdfast {

// Those of `packs` that cannot go yet, and until when: a pack is held by its own lock and by that
// of every segment that names it, since whoever reads the segment relies on the pack. A request for
// each pack and each such segment, where the store knows locks.
PackHolds find_pack_holds(ObjectStore& store, const Index& index,
                          const std::vector<SegmentPack>& packs, std::stop_token stop);

}  // namespace holdfast
