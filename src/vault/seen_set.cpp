#include "vault/seen_set.h"

namespace holdfast {
namespace {

std::size_t shard_of(const ChunkId& id) { return id.bytes[23] & 63; }

// The all-zero id, which no content has in practice (2^-192), stands for a free slot.
const ChunkId kFree{};

}  // namespace

std::size_t SeenSet::probe(const std::vector<ChunkId>& slots, const ChunkId& id) {
  const std::size_t count = slots.size();
  std::size_t at = ChunkIdHash{}(id) % count;
  while (slots[at] != kFree && slots[at] != id) at = at + 1 == count ? 0 : at + 1;
  return at;
}

void SeenSet::grow(Shard& shard) {
  // A factor of 1.5 keeps the memory near 34 bytes an id at the fill that triggers it.
  std::vector<ChunkId> old(shard.slots.empty() ? 64 : shard.slots.size() + shard.slots.size() / 2);
  old.swap(shard.slots);
  for (const ChunkId& id : old) {
    if (id != kFree) shard.slots[probe(shard.slots, id)] = id;
  }
}

bool SeenSet::insert(const ChunkId& id) {
  Shard& shard = shards_[shard_of(id)];
  MutexLock lock(shard.mutex);
  if (shard.used * 10 >= shard.slots.size() * 9) grow(shard);
  const std::size_t at = probe(shard.slots, id);
  if (shard.slots[at] == id) return false;
  shard.slots[at] = id;
  ++shard.used;
  return true;
}

bool SeenSet::contains(const ChunkId& id) const {
  const Shard& shard = shards_[shard_of(id)];
  MutexLock lock(shard.mutex);
  return !shard.slots.empty() && shard.slots[probe(shard.slots, id)] == id;
}

std::size_t SeenSet::size() const {
  std::size_t total = 0;
  for (const Shard& shard : shards_) {
    MutexLock lock(shard.mutex);
    total += shard.used;
  }
  return total;
}

}  // namespace holdfast
