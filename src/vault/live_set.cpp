#include "vault/live_set.h"

#include "base/error.h"
#include "vault/tree.h"

namespace holdfast {

LiveSet::LiveSet(std::shared_ptr<const Index> index, const DoomSet* avoid)
    : index_(std::move(index)), avoid_(avoid) {
  for (const Segment& segment : index_->segments()) {
    bits_.emplace_back(static_cast<std::size_t>(segment.chunks()), false);
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
