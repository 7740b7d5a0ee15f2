#include "vault/index.h"

#include <algorithm>
#include <filesystem>
#include <unordered_set>

#include "base/error.h"
#include "store/at_once.h"
#include "store/locks.h"

namespace holdfast {
namespace {

constexpr std::uint64_t kLargeSegment = 4'000'000;

using NameSet = std::unordered_set<SegmentName, DigestHash>;

std::vector<SegmentName> list_segments(ObjectStore& store) {
  std::vector<ObjectInfo> infos = list_objects(store, "index/");
  std::stable_sort(infos.begin(), infos.end(), [](const ObjectInfo& a, const ObjectInfo& b) {
    return a.modified > b.modified;
  });
  std::vector<SegmentName> names;
  for (const ObjectInfo& info : infos) {
    const auto name = parse_segment_key(info.key);
    if (name) names.push_back(*name);
  }
  return names;
}

// A cached body was checked and synced before it got its name, so that what has the name is whole.
std::optional<Segment> from_cache(const SegmentName& name, const std::string& path) {
  try {
    return Segment::from_file(name, path);
  } catch (const Error&) {
    return std::nullopt;
  }
}

Segment fetch(ObjectStore& store, const KeyRing& ring, const SegmentName& name,
              const std::string& cache_path) {
  Segment segment = Segment::from_memory(name, read_segment(store, ring, name));
  segment.check();
  if (cache_path.empty()) return segment;
  try {
    write_file_atomic(cache_path, segment.body(), 0600);
    return Segment::from_file(name, cache_path);
  } catch (const Error&) {
    return segment;  // a cache that cannot be written costs memory, not correctness
  }
}

void forget_others(const std::string& directory, const NameSet& present) {
  std::error_code ignored;
  for (const auto& file : std::filesystem::directory_iterator(directory, ignored)) {
    const auto name = parse_segment_key("index/" + file.path().filename().string());
    if (name && !present.contains(*name)) std::filesystem::remove(file.path(), ignored);
  }
}

void add_covered(const Segment& segment, NameSet& covered) {
  for (std::uint32_t i = 0; i < segment.covers(); ++i) covered.insert(segment.covered(i));
}

void drop_covered(std::vector<Segment>& segments, const NameSet& covered) {
  std::erase_if(segments, [&](const Segment& s) { return covered.contains(s.name()); });
}

}  // namespace

std::shared_ptr<const Index> Index::load(ObjectStore& store, const KeyRing& ring,
                                         const std::string& cache_directory) {
  std::string directory = cache_directory.empty() ? "" : cache_directory + "/index";
  try {
    if (!directory.empty()) make_directories(directory, 0700);
  } catch (const Error&) {
    directory.clear();
  }
  constexpr int kAttempts = 5;
  for (int attempt = 1;; ++attempt) {
    auto index = std::make_shared<Index>();
    const std::vector<SegmentName> names = list_segments(store);
    NameSet covered;
    bool vanished = false;
    for (const SegmentName& name : names) {  // the newest first: covered ones mostly come later
      if (covered.contains(name)) continue;
      const std::string path = directory.empty() ? "" : directory + "/" + to_hex(name);
      try {
        auto cached = path.empty() ? std::nullopt : from_cache(name, path);
        index->segments_.push_back(cached ? std::move(*cached) : fetch(store, ring, name, path));
        add_covered(index->segments_.back(), covered);
      } catch (const Error& error) {
        if (error.code() == Code::kNotFound) {
          vanished = true;  // merged or pruned meanwhile: list again
        } else if (error.code() == Code::kCorrupt) {
          index->problems_.push_back(segment_key(name) + ": " + error.message());
        } else {
          throw;
        }
      }
    }
    if (vanished && attempt < kAttempts) continue;
    if (vanished)
      throw Error(Code::kUnavailable, "the index kept changing while it was read",
                  "run it again when the prune or merge at work has ended");
    if (!directory.empty()) forget_others(directory, NameSet(names.begin(), names.end()));
    drop_covered(index->segments_, covered);
    return index;
  }
}

std::shared_ptr<const Index> Index::of(std::vector<Segment> segments) {
  auto index = std::make_shared<Index>();
  index->segments_ = std::move(segments);
  return index;
}

std::uint64_t Index::chunks() const {
  std::uint64_t count = 0;
  for (const Segment& segment : segments_) count += segment.chunks();
  return count;
}

std::vector<ChunkPlace> Index::find(const ChunkId& id) const {
  std::vector<ChunkPlace> places;
  for (std::uint32_t s = 0; s < segments_.size(); ++s) {
    const Segment& segment = segments_[s];
    for (std::uint64_t i = segment.lower_bound(id); i < segment.chunks(); ++i) {
      const ChunkLocation chunk = segment.chunk(i);
      if (chunk.id != id) break;
      places.push_back({s, chunk});
    }
  }
  return places;
}

bool Index::contains(const ChunkId& id, const DoomSet& doom) const {
  if (!doom.empty() && doom.has(id)) return false;
  for (const Segment& segment : segments_) {
    for (std::uint64_t i = segment.lower_bound(id); i < segment.chunks(); ++i) {
      const ChunkLocation chunk = segment.chunk(i);
      if (chunk.id != id) break;
      if (doom.empty() || !doom.has(segment.pack(segment.frame(chunk.frame).pack).name, id)) {
        return true;
      }
    }
  }
  return false;
}

void forget_cached_index(const std::string& cache_directory) {
  std::error_code ignored;
  if (!cache_directory.empty()) std::filesystem::remove_all(cache_directory + "/index", ignored);
}

void compact_index(ObjectStore& store, const KeyRing& ring, const Index& index, std::size_t limit) {
  std::vector<const Segment*> small;
  for (const Segment& segment : index.segments()) {
    if (segment.chunks() < kLargeSegment / 2) small.push_back(&segment);
  }
  if (small.size() <= limit) return;
  std::sort(small.begin(), small.end(),
            [](const Segment* a, const Segment* b) { return a->chunks() < b->chunks(); });
  SegmentBuilder builder;
  std::vector<SegmentName> merged;
  for (const Segment* segment : small) {
    if (builder.chunks() + segment->chunks() > kLargeSegment) break;
    builder.add(*segment, true);
    merged.push_back(segment->name());
  }
  if (merged.size() < 2) return;
  write_segment(store, ring, builder.build());
  if (store.traits().can_remove) remove_free_segments(store, merged);
}

void remove_free_segments(ObjectStore& store, const std::vector<SegmentName>& segments) {
  std::vector<std::string> keys;
  for (const SegmentName& name : segments) keys.push_back(segment_key(name));
  const Locks locks = find_locks(store, keys);
  try {
    const auto remove = [&](std::size_t i) {
      if (!locks.contains(keys[i])) store.remove(keys[i]);
    };
    at_once(store, keys.size(), remove, {});
  } catch (const Error& error) {
    // A writer's key of a bucket may not remove; the next prune does.
    if (error.code() != Code::kDenied) throw;
  }
}

namespace {

// Removes the segment, or says until when that is not possible.
std::optional<Timestamp> take_away(ObjectStore& store, const std::string& key,
                                   LockedSegments locked) {
  const auto until = store.locked_until(key);
  if (until && locked == LockedSegments::kLeave) return until;
  try {
    store.remove(key);
  } catch (const Error& error) {
    if (!until || error.code() != Code::kDenied) throw;
    return until;
  }
  return std::nullopt;
}

void hold(PackHolds& holds, const std::vector<PackName>& packs, Timestamp until) {
  for (const PackName& pack : packs) {
    Timestamp& latest = holds.try_emplace(pack, until).first->second;
    latest = std::max(latest, until);
  }
}

// One pass; false when a writer merged its segments meanwhile, so that there is more to look at.
bool drop_once(ObjectStore& store, const KeyRing& ring, const std::set<PackName>& gone,
               LockedSegments locked, PackHolds& holds) {
  bool complete = true;
  std::vector<std::pair<SegmentName, std::vector<PackName>>> obsolete;  // and what of it is gone
  // What stays need not be written once more: a locked segment is met again by every prune.
  std::set<PackName> named;
  SegmentBuilder builder;
  const auto flush = [&] {
    if (!builder.empty()) write_segment(store, ring, builder.build());
    builder = SegmentBuilder();
  };
  for (const SegmentName& name : list_segments(store)) {  // the newest first
    Bytes body;
    try {
      body = read_segment(store, ring, name);
    } catch (const Error& error) {
      if (error.code() != Code::kNotFound) throw;
      complete = false;
      continue;
    }
    const Segment segment = Segment::from_memory(name, std::move(body));
    std::vector<PackName> kept;
    std::vector<PackName> dropped;
    for (std::uint32_t p = 0; p < segment.packs(); ++p) {
      const PackName pack = segment.pack(p).name;
      (gone.contains(pack) ? dropped : kept).push_back(pack);
    }
    if (!dropped.empty()) {
      builder.add(segment, false, [&](const SegmentPack& pack) {
        return !gone.contains(pack.name) && !named.contains(pack.name);
      });
      obsolete.emplace_back(name, std::move(dropped));
      if (builder.chunks() >= kLargeSegment / 2) flush();
    }
    named.insert(kept.begin(), kept.end());
  }
  flush();
  for (const auto& [name, dropped] : obsolete) {
    if (const auto until = take_away(store, segment_key(name), locked))
      hold(holds, dropped, *until);
  }
  return complete;
}

}  // namespace

PackHolds drop_from_index(ObjectStore& store, const KeyRing& ring, const std::set<PackName>& gone,
                          LockedSegments locked) {
  PackHolds holds;
  if (gone.empty()) return holds;
  constexpr int kAttempts = 20;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    holds.clear();
    if (drop_once(store, ring, gone, locked, holds)) return holds;
  }
  throw Error(Code::kUnavailable, "the index kept changing while packs were taken out of it",
              "run it again when fewer backups are at work");
}

}  // namespace holdfast
