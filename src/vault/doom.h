// Chunks that writers must treat as absent: about to be pruned, or found damaged. docs/FORMAT.md,
// "Doom".
#pragma once

#include <string>
#include <unordered_set>
#include <vector>

#include "store/object_store.h"
#include "vault/ids.h"
#include "vault/keyring.h"

namespace holdfast {

enum class DoomReason : std::uint8_t { kPrune = 0, kDamaged = 1 };

// kPrune: the packs and the chunks are about to go. kDamaged: the copies of the chunks that lie in
// the packs cannot be read (no chunks listed: none of the packs' chunks can).
struct Doom {
  DoomReason reason = DoomReason::kPrune;
  std::vector<PackName> packs;
  std::vector<ChunkId> chunks;
};

struct StoredDoom {
  std::string key;
  Timestamp modified{};  // by the store's clock
  Doom doom;
};

// Returns the key.
std::string write_doom(ObjectStore& store, const KeyRing& ring, const Doom& doom);
// The same under a name of the caller's; one that is there already stays.
void write_doom_as(ObjectStore& store, const KeyRing& ring, std::string_view name,
                   const Doom& doom);
// An object that vanishes while reading was swept: it is left out.
std::vector<StoredDoom> read_dooms(ObjectStore& store, const KeyRing& ring);
// One object's bytes; `name` is the last part of its key. Throws Error(kCorrupt).
Doom parse_doom(ByteView object, const KeyRing& ring, std::string_view name);

// All that is doomed, for look-ups.
class DoomSet {
 public:
  DoomSet() = default;
  explicit DoomSet(const std::vector<StoredDoom>& dooms);
  bool empty() const { return packs_.empty() && chunks_.empty() && damaged_.empty(); }
  // The chunk is about to go, wherever it lies.
  bool has(const ChunkId& chunk) const { return chunks_.contains(chunk); }
  // The copy of the chunk in this pack is about to go, or damaged.
  bool has(const PackName& pack, const ChunkId& chunk) const;
  // The copy of the chunk in this pack, which is not lost as a whole, is damaged.
  bool is_damaged(const PackName& pack, const ChunkId& chunk) const;

 private:
  std::unordered_set<PackName, DigestHash> packs_;
  std::unordered_set<ChunkId, ChunkIdHash> chunks_;
  std::unordered_set<std::string> damaged_;  // pack name, then chunk id
};

}  // namespace holdfast
