// Index segments: where chunks lie. The decrypted body is searched in place, mapped from the cache.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "os/file.h"
#include "vault/pack.h"

namespace holdfast {

using SegmentName = Digest;  // SHA-256 of the whole object

std::string segment_key(const SegmentName& name);
// The inverse; nothing when `key` is no segment.
std::optional<SegmentName> parse_segment_key(std::string_view key);

// A frame as a segment knows it.
struct FrameLocation {
  std::uint32_t pack = 0;  // index of the pack in the segment
  std::uint32_t session = 0;
  std::uint32_t offset = 0;
  std::uint32_t sealed_length = 0;
  FrameHeader header;
};

// A chunk as a segment knows it.
struct ChunkLocation {
  ChunkId id;
  std::uint32_t frame = 0;
  std::uint32_t offset = 0;  // in the raw frame
  std::uint32_t length = 0;
};

struct SegmentPack {
  PackName name{};
  std::uint64_t size = 0;
  PackClass pack_class = PackClass::kData;
};

// Read-only and thread-safe; 36 bytes a chunk, in a mapped file or in memory.
class Segment {
 public:
  // Both throw Error(kCorrupt) when the counts do not match the size. `check` tests every entry
  // and the order besides: for bodies that come from a store, not from our own cache.
  static Segment from_memory(const SegmentName& name, Bytes body);
  static Segment from_file(const SegmentName& name, const std::string& path);
  void check() const;

  const SegmentName& name() const { return name_; }
  ByteView body() const { return body_; }
  std::uint32_t packs() const { return packs_; }
  std::uint32_t frames() const { return frames_; }
  std::uint64_t chunks() const { return chunks_; }
  std::uint32_t sessions() const { return sessions_; }
  std::uint32_t covers() const { return covers_; }

  SegmentPack pack(std::uint32_t index) const;
  SessionBlock session(std::uint32_t index) const;
  FrameLocation frame(std::uint32_t index) const;
  ChunkLocation chunk(std::uint64_t index) const;
  SegmentName covered(std::uint32_t index) const;

  // The first chunk not less than `id`; chunks() when there is none. Interpolates: ids are uniform.
  std::uint64_t lower_bound(const ChunkId& id) const;

 private:
  void parse(ByteView body);

  SegmentName name_{};
  Bytes memory_;
  MappedFile file_;
  ByteView body_;
  std::uint32_t sessions_ = 0, packs_ = 0, frames_ = 0, covers_ = 0;
  std::uint64_t chunks_ = 0;
  std::size_t sessions_at_ = 0, packs_at_ = 0, frames_at_ = 0, chunks_at_ = 0, covers_at_ = 0;
};

// Collects packs and segments and writes the body of a segment that holds them all.
class SegmentBuilder {
 public:
  void add(const PackContents& pack);
  // Everything of another segment but the packs that `keep` rejects. With `cover`, the new segment
  // says that it covers the other one (only right when every pack is kept).
  void add(const Segment& segment, bool cover,
           const std::function<bool(const SegmentPack&)>& keep = {});
  void cover(const SegmentName& name) { covers_.push_back(name); }
  bool empty() const { return packs_.empty(); }
  std::uint64_t chunks() const { return chunks_.size(); }
  Bytes build();  // spends the builder

 private:
  std::uint32_t session_index(const SessionBlock& block);

  std::vector<SessionBlock> sessions_;
  std::vector<SegmentPack> packs_;
  std::vector<FrameLocation> frames_;
  std::vector<ChunkLocation> chunks_;
  std::vector<SegmentName> covers_;
};

// Seals a body and puts it into the store. Returns its name.
SegmentName write_segment(ObjectStore& store, const KeyRing& ring, ByteView body);
// Reads and opens a segment. Throws Error(kCorrupt), Error(kNotFound).
Bytes read_segment(ObjectStore& store, const KeyRing& ring, const SegmentName& name);

}  // namespace holdfast
