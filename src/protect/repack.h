// Moving what is still needed out of packs that are mostly dead.
#pragma once

#include <memory>
#include <vector>

#include "vault/chunk_reader.h"
#include "vault/segment.h"

namespace holdfast {

// Writes new packs and remembers their index. One thread.
class Repacker {
 public:
  Repacker(const Vault& vault, FrameReader& frames, int level);

  // One copy of a chunk, in its frame.
  struct Copy {
    ChunkEntry chunk;
    bool keep = false;
  };

  // Moves the frame. Copies that are not to be kept are left behind when the key can open the
  // frame, or when none is kept; otherwise the frame moves as it is. With a key that can read,
  // every kept copy is compared with its id: when one is damaged nothing of the frame moves, and
  // the damaged ones are returned.
  std::vector<ChunkId> move(FrameKey key, const std::vector<Copy>& copies);
  // Ends the packs in the making. Returns the index of all that was written.
  SegmentBuilder finish();
  std::uint64_t bytes_written() const { return bytes_written_; }

 private:
  struct Making {
    Bytes raw;
    std::vector<ChunkEntry> chunks;
  };
  void move_whole(FrameKey key, ByteView sealed, const std::vector<Copy>& copies);
  void move_kept(ChunkKind kind, ByteView raw, const std::vector<Copy>& copies);
  std::vector<ChunkId> find_damaged(ByteView raw, const std::vector<Copy>& copies) const;
  void seal(ChunkKind kind);
  PackWriter& pack(PackClass pack_class);
  void end_pack(PackClass pack_class);

  const Vault& vault_;
  FrameReader& frames_;
  const int level_;
  Session session_;
  std::uint64_t next_frame_ = 0;
  Making making_[3];                      // by ChunkKind
  std::unique_ptr<PackWriter> packs_[2];  // by PackClass
  SegmentBuilder index_;
  std::uint64_t bytes_written_ = 0;
};

}  // namespace holdfast
