// Which copies of chunks are needed: one bit for every entry of an index.
#pragma once

#include <memory>
#include <stop_token>
#include <vector>

#include "vault/chunk_reader.h"
#include "vault/index.h"

namespace holdfast {

// One thread at a time. 1 bit a chunk.
class LiveSet {
 public:
  explicit LiveSet(std::shared_ptr<const Index> index, const DoomSet* avoid = nullptr);

  const Index& index() const { return *index_; }
  // Marks one copy of the chunk, preferably one that `avoid` does not have. False when it was
  // marked before. Unknown ids are collected in missing().
  bool add(const Ref& ref);
  bool is_live(std::uint32_t segment, std::uint64_t chunk) const {
    return bits_[segment][static_cast<std::size_t>(chunk)];
  }
  // True when any copy of `id` is marked.
  bool is_live(const ChunkId& id) const;
  std::uint64_t count() const { return count_; }
  const std::vector<Ref>& missing() const { return missing_; }

 private:
  void mark_same_place(std::uint32_t segment, std::uint64_t chunk);

  std::shared_ptr<const Index> index_;
  const DoomSet* avoid_;
  bool packs_are_shared_ = false;  // two segments name one pack, as an interrupted prune leaves it
  std::vector<std::vector<bool>> bits_;
  std::vector<Ref> missing_;
  std::uint64_t count_ = 0;
};

// Adds everything that `reach` leads to. Pages that were added before are not read again. Throws
// Error(kCorrupt) when a page cannot be read.
void add_reachable(ChunkReader& reader, const Ref& reach, LiveSet& live, std::stop_token stop);

}  // namespace holdfast
