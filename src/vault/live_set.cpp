#include "vault/live_set.h"

#include <unordered_set>

#include "base/error.h"
#include "vault/tree.h"

namespace holdfast {

LiveSet::LiveSet(std::shared_ptr<const Index> index, const DoomSet* avoid)
    : index_(std::move(index)), avoid_(avoid) {
  std::unordered_set<PackName, DigestHash> packs;
  for (const Segment& segment : index_->segments()) {
    bits_.emplace_back(static_cast<std::size_t>(segment.chunks()), false);
    for (std::uint32_t i = 0; i < segment.packs(); ++i) {
      if (!packs.insert(segment.pack(i).name).second) packs_are_shared_ = true;
    }
  }
}

// Every entry that stands for this very copy.
void LiveSet::mark_same_place(std::uint32_t segment, std::uint64_t chunk) {
  const Segment& chosen = index_->segments()[segment];
  const ChunkLocation place = chosen.chunk(chunk);
  const FrameLocation frame = chosen.frame(place.frame);
  for (std::uint32_t s = 0; s < bits_.size(); ++s) {
    const Segment& other = index_->segments()[s];
    for (std::uint64_t i = other.lower_bound(place.id); i < other.chunks(); ++i) {
      const ChunkLocation same = other.chunk(i);
      if (same.id != place.id) break;
      const FrameLocation at = other.frame(same.frame);
      if (at.offset == frame.offset && same.offset == place.offset &&
          other.pack(at.pack).name == chosen.pack(frame.pack).name) {
        bits_[s][static_cast<std::size_t>(i)] = true;
      }
    }
  }
}

bool LiveSet::add(const Ref& ref) {
  struct Copy {
    std::uint32_t segment;
    std::uint64_t chunk;
  };
  std::optional<Copy> chosen;
  bool chosen_is_good = false;
  for (std::uint32_t s = 0; s < bits_.size() && !chosen_is_good; ++s) {
    const Segment& segment = index_->segments()[s];
    for (std::uint64_t i = segment.lower_bound(ref.id); i < segment.chunks(); ++i) {
      const ChunkLocation chunk = segment.chunk(i);
      if (chunk.id != ref.id) break;
      if (is_live(s, i)) return false;
      const bool good = avoid_ == nullptr || avoid_->empty() ||
                        !avoid_->has(segment.pack(segment.frame(chunk.frame).pack).name, ref.id);
      if (!chosen || (good && !chosen_is_good)) {
        chosen = Copy{s, i};
        chosen_is_good = good;
      }
    }
  }
  if (!chosen) {
    missing_.push_back(ref);
    return true;
  }
  bits_[chosen->segment][static_cast<std::size_t>(chosen->chunk)] = true;
  if (packs_are_shared_) mark_same_place(chosen->segment, chosen->chunk);
  ++count_;
  return true;
}

bool LiveSet::is_live(const ChunkId& id) const {
  for (std::uint32_t s = 0; s < bits_.size(); ++s) {
    const Segment& segment = index_->segments()[s];
    for (std::uint64_t i = segment.lower_bound(id); i < segment.chunks(); ++i) {
      if (segment.chunk(i).id != id) break;
      if (is_live(s, i)) return true;
    }
  }
  return false;
}

void add_reachable(ChunkReader& reader, const Ref& reach, LiveSet& live, std::stop_token stop) {
  bool fresh = false;
  for_each_reachable(
      reader, reach, [&](const Ref&) { return !fresh; },
      [&](const Ref& ref) {
        fresh = live.add(ref);
        if (stop.stop_requested()) throw Error(Code::kCancelled, "interrupted");
      });
}

}  // namespace holdfast
