#include "protect/prune_plan.h"

namespace holdfast {
namespace {

// Live and raw bytes of each frame of one segment.
struct FrameUse {
  std::uint64_t live_raw = 0;
  std::uint32_t live_chunks = 0;
};

std::vector<FrameUse> frame_use(const LiveSet& live, std::uint32_t s) {
  const Segment& segment = live.index().segments()[s];
  std::vector<FrameUse> use(segment.frames());
  for (std::uint64_t i = 0; i < segment.chunks(); ++i) {
    if (!live.is_live(s, i)) continue;
    const ChunkLocation chunk = segment.chunk(i);
    use[chunk.frame].live_raw += chunk.length;
    ++use[chunk.frame].live_chunks;
  }
  return use;
}

void count_frames(const Segment& segment, const std::vector<FrameUse>& frames, bool whole_frames,
                  std::vector<PackUse*>& packs) {
  for (std::uint32_t f = 0; f < segment.frames(); ++f) {
    const FrameLocation frame = segment.frame(f);
    if (packs[frame.pack] == nullptr) continue;
    PackUse& use = *packs[frame.pack];
    std::uint64_t live_bytes = frame.sealed_length;
    if (frames[f].live_chunks == 0) {
      live_bytes = 0;
    } else if (!whole_frames && frame.header.raw_length > 0) {
      live_bytes = live_bytes * frames[f].live_raw / frame.header.raw_length;
    }
    use.live_bytes += live_bytes;
    use.dead_bytes += frame.sealed_length - live_bytes;
    use.live_chunks += frames[f].live_chunks;
  }
}

// Damage that was healed elsewhere goes at once, however little it is.
bool is_wasteful(const PackUse& use, unsigned max_unused_percent) {
  return use.dead_damage ||
         use.dead_bytes * 100 > (use.live_bytes + use.dead_bytes) * max_unused_percent;
}

}  // namespace

std::map<PackName, PackUse> pack_use(const LiveSet& live, bool whole_frames,
                                     const DoomSet& doomed) {
  std::map<PackName, PackUse> all;
  std::set<PackName> counted;  // two segments may name one pack, after an interrupted merge
  for (std::uint32_t s = 0; s < live.index().segments().size(); ++s) {
    const Segment& segment = live.index().segments()[s];
    std::vector<PackUse*> packs;
    for (std::uint32_t p = 0; p < segment.packs(); ++p) {
      const SegmentPack pack = segment.pack(p);
      const bool fresh = counted.insert(pack.name).second;
      packs.push_back(fresh ? &all[pack.name] : nullptr);
      if (fresh) packs.back()->pack = pack;
    }
    const std::vector<FrameUse> frames = frame_use(live, s);
    count_frames(segment, frames, whole_frames, packs);
    for (std::uint64_t i = 0; i < segment.chunks(); ++i) {
      const ChunkLocation chunk = segment.chunk(i);
      PackUse* use = packs[segment.frame(chunk.frame).pack];
      if (use == nullptr) continue;
      const bool is_live = live.is_live(s, i);
      if (doomed.is_damaged(use->pack.name, chunk.id)) {
        (is_live ? use->live_damage : use->dead_damage) = true;
      }
      if (is_live || (whole_frames && frames[chunk.frame].live_chunks > 0)) continue;
      use->dead_chunks.push_back(chunk.id);
    }
  }
  return all;
}

PrunePlan plan_prune(const std::map<PackName, PackUse>& use,
                     const std::map<PackName, SegmentPack>& stored, unsigned max_unused_percent) {
  PrunePlan plan;
  for (const auto& [name, pack] : use) {
    if (!stored.contains(name)) continue;  // lost: for validate and repair to deal with
    plan.live_bytes += pack.live_bytes;
    plan.dead_bytes += pack.dead_bytes;
    if (pack.live_chunks == 0) {
      plan.dead_packs.push_back(name);
    } else if (!pack.live_damage && is_wasteful(pack, max_unused_percent)) {
      plan.wasteful_packs.push_back(name);
      plan.dead_chunks.insert(plan.dead_chunks.end(), pack.dead_chunks.begin(),
                              pack.dead_chunks.end());
    }
  }
  for (const auto& [name, pack] : stored) {
    if (use.contains(name)) continue;
    plan.orphans.push_back(name);
    plan.dead_bytes += pack.size;
  }
  return plan;
}

}  // namespace holdfast
