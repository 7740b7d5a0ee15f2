// Where every chunk of the vault lies: all index segments together.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "vault/doom.h"
#include "vault/segment.h"

namespace holdfast {

// One copy of a chunk.
struct ChunkPlace {
  std::uint32_t segment = 0;  // of the Index that gave it
  ChunkLocation chunk;
};

// Immutable after loading and thread-safe. Memory: nothing per chunk but mapped files; without a
// cache directory the bodies are held in memory.
class Index {
 public:
  // Reads the list of segments, fetches those that `cache_directory` lacks, maps them all and
  // forgets the cached ones that are gone. A damaged segment is left out and named in problems().
  static std::shared_ptr<const Index> load(ObjectStore& store, const KeyRing& ring,
                                           const std::string& cache_directory);
  // For tests and simulations.
  static std::shared_ptr<const Index> of(std::vector<Segment> segments);

  const std::vector<Segment>& segments() const { return segments_; }
  const std::vector<std::string>& problems() const { return problems_; }
  std::uint64_t chunks() const;  // entries, duplicates included

  // Every copy, the newest segment's first.
  std::vector<ChunkPlace> find(const ChunkId& id) const;
  // True when there is a copy outside of what is doomed.
  bool contains(const ChunkId& id, const DoomSet& doom) const;

 private:
  std::vector<Segment> segments_;
  std::vector<std::string> problems_;
};

// Removes the cached segments: when what they say turns out wrong, the store's are read again.
void forget_cached_index(const std::string& cache_directory);

// Merges small segments into one that covers them when there are more than `limit`, and removes the
// covered ones where the store allows it and no lock holds them. Keeps single segments below about
// 4 million chunks.
void compact_index(ObjectStore& store, const KeyRing& ring, const Index& index, std::size_t limit);

// Removes those of `segments` that no lock holds, as far as the store lets us: readers skip covered
// ones.
void remove_free_segments(ObjectStore& store, const std::vector<SegmentName>& segments);

// Packs that locked segments name, and until when.
using PackHolds = std::map<PackName, Timestamp>;
enum class LockedSegments { kLeave, kTry };

// Writes the segments that name a pack of `gone` again without these packs and removes the old
// ones: after it, no segment in the store names them but those that a lock holds. The result is the
// packs that those name: who finds one there would rely on it, so it must stay too. Reads all
// segments, those that others cover included. With kTry locked ones are removed where the store
// lets us.
PackHolds drop_from_index(ObjectStore& store, const KeyRing& ring, const std::set<PackName>& gone,
                          LockedSegments locked = LockedSegments::kLeave);

}  // namespace holdfast
