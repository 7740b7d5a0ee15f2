// Moving what is still needed out of packs that are mostly dead.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "vault/chunk_reader.h"
#include "vault/segment.h"

namespace holdfast {

// Writes new packs and remembers their index. One thread.
class Repacker {
 public:
  Repacker(const Vault& vault, FrameReader& frames, int level);

  // Moves the frame. Chunks that `keep` rejects are left behind when the key can open the frame, or
  // when none is kept; otherwise the frame moves as it is, unread.
  void move(FrameKey key, const std::vector<ChunkEntry>& chunks,
            const std::function<bool(const ChunkId&)>& keep);
  // Ends the packs in the making. Returns the index of all that was written.
  SegmentBuilder finish();
  std::uint64_t bytes_written() const { return bytes_written_; }

 private:
  struct Making {
    Bytes raw;
    std::vector<ChunkEntry> chunks;
  };
  void move_whole(FrameKey key, const std::vector<ChunkEntry>& chunks);
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
