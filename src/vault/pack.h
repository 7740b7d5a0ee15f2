// Packs: sealed frames in one object, with a sealed table of contents at its end.
#pragma once

#include <memory>
#include <vector>

#include "store/object_store.h"
#include "vault/frame.h"

namespace holdfast {

enum class PackClass : std::uint8_t { kData = 0, kMeta = 1 };

struct ChunkEntry {
  ChunkId id;
  std::uint32_t length = 0;
};

struct FrameEntry {
  FrameHeader header;
  std::uint32_t session = 0;  // index into PackContents::sessions
  std::uint32_t offset = 0;   // of the sealed frame in the pack
  std::uint32_t sealed_length = 0;
  std::vector<ChunkEntry> chunks;  // in the order in which they lie in the raw frame
};

struct PackContents {
  PackName name{};
  PackClass pack_class = PackClass::kData;
  std::uint64_t size = 0;
  std::vector<SessionBlock> sessions;
  std::vector<FrameEntry> frames;
};

// "data/ab/abcdef...".
std::string pack_key(PackClass pack_class, const PackName& name);
// The inverse; nothing when `key` is no pack.
std::optional<std::pair<PackClass, PackName>> parse_pack_key(std::string_view key);

// Writes one pack as a stream; memory holds its table of contents only. One thread at a time.
class PackWriter {
 public:
  PackWriter(ObjectStore& store, PackClass pack_class, const KeyRing& ring);

  // Appends a sealed frame of the session `block`.
  void append(const SessionBlock& block, const FrameHeader& header, ByteView sealed,
              std::vector<ChunkEntry> chunks);
  std::uint64_t size() const { return contents_.size; }
  bool empty() const { return contents_.frames.empty(); }
  // Writes the trailer and commits. The writer is spent.
  PackContents finish();

 private:
  void write(ByteView data);
  std::uint32_t session_index(const SessionBlock& block);

  const KeyRing& ring_;
  std::unique_ptr<StagedObject> object_;
  Sha256 hash_;
  PackContents contents_;
};

// How many packs are worth sending to this store at once: a disk is busy with one; a distant store
// answers late, and its connections are slower than the processors that fill packs.
std::size_t packs_at_once(const ObjectStore& store);

// Reads the table of contents of a pack of `size` bytes. Throws Error(kCorrupt).
PackContents read_pack_contents(ObjectStore& store, const std::string& key, std::uint64_t size,
                                const KeyRing& ring);

// The decrypted trailer of a pack whose frames end at `frames_end`; for tests and fuzzers too.
void parse_trailer(ByteView body, std::uint64_t frames_end, PackContents& contents);

}  // namespace holdfast
