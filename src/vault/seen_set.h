// A set of chunk ids for many threads: open addressing, about 34 bytes an id.
#pragma once

#include <array>
#include <vector>

#include "os/mutex.h"
#include "vault/ids.h"

namespace holdfast {

// Split into shards by the last byte of the id, so that threads seldom meet. Never shrinks.
class SeenSet {
 public:
  // True when `id` was not in the set. Thread-safe.
  bool insert(const ChunkId& id);
  bool contains(const ChunkId& id) const;
  std::size_t size() const;

 private:
  static constexpr std::size_t kShards = 64;
  struct Shard {
    mutable Mutex mutex;
    std::vector<ChunkId> slots GUARDED_BY(mutex);  // the all-zero id marks a free slot
    std::size_t used GUARDED_BY(mutex) = 0;
  };
  static std::size_t probe(const std::vector<ChunkId>& slots, const ChunkId& id);
  static void grow(Shard& shard) REQUIRES(shard.mutex);

  std::array<Shard, kShards> shards_;
};

}  // namespace holdfast
