// One run that adds to a vault: chunks go in, frames are sealed side by side, packs and index
// segments come out.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <exception>
#include <memory>
#include <thread>
#include <vector>

#include "os/mutex.h"
#include "vault/doom.h"
#include "vault/frame_buffer.h"
#include "vault/lease.h"
#include "vault/seen_set.h"
#include "vault/vault.h"

namespace holdfast {

struct WriteOptions {
  int level = 0;                     // zstd; 0: the default
  unsigned threads = 0;              // that seal; 0: one per processor
  std::string_view kind = "backup";  // what the lease says
};

struct WriteStats {
  std::uint64_t new_chunks = 0;
  std::uint64_t new_raw_bytes = 0;
  std::uint64_t stored_bytes = 0;  // packs as written
  std::uint64_t packs = 0;
};

// Crash-safe at every point: packs become durable before the segments that name them, those before
// finish() returns. A run that dies leaves packs that the next run finds again.
class WriteSession {
 public:
  WriteSession(const Vault& vault, const WriteOptions& options);
  ~WriteSession();
  WriteSession(const WriteSession&) = delete;
  WriteSession& operator=(const WriteSession&) = delete;

  const Vault& vault() const { return vault_; }
  const Session& session() const { return session_; }

  // True when the vault has the chunk, or this session is about to store it. Thread-safe.
  bool has(const ChunkId& id) const;
  // True for the one caller that must now store the chunk. Thread-safe.
  bool claim(const ChunkId& id);

  // A full frame: `raw` is the concatenation of `chunks`. Blocks while too many wait. Thread-safe.
  // Rethrows what went wrong in the background.
  void submit(ChunkKind kind, FrameBuffer raw, std::vector<ChunkEntry> chunks);
  // An empty buffer with memory for a frame and for what its last chunks exceed it by; keeps
  // allocations few.
  FrameBuffer take_buffer();

  // Stores everything that was submitted, and its index. Then the backup object may be written.
  // To be called once, after the last submit().
  void finish();
  // Throws Error(kConflict) when the lease was lost and something that this session relied on may
  // be gone. To be called right before the commit.
  void check_still_valid();

  // True once something failed for good; every later call throws it.
  bool failed() const;

  WriteStats stats() const;

 private:
  struct Frame;
  struct Lane;

  void seal_frames();
  void seal_one(Frame& frame);
  void append(PackClass pack_class, const FrameHeader& header, ByteView sealed,
              std::vector<ChunkEntry> chunks);
  void hand_over(std::unique_ptr<PackWriter> pack);
  void commit_packs();
  void commit(PackWriter& pack);
  void merge_segments() REQUIRES(segments_mutex_);
  void drain();
  void fail(std::exception_ptr error);
  void rethrow() REQUIRES(mutex_);
  void stop_threads();

  const Vault& vault_;
  const WriteOptions options_;
  const Session session_;
  Lease lease_;
  DoomSet doom_;
  bool prune_under_way_ = false;  // when the session began
  std::shared_ptr<const Index> index_;
  SeenSet seen_;
  std::atomic<std::uint64_t> next_frame_{0};
  std::unique_ptr<Lane> lanes_[2];  // by PackClass

  mutable Mutex mutex_;
  std::condition_variable_any changed_;
  std::deque<Frame> queue_ GUARDED_BY(mutex_);
  std::deque<std::unique_ptr<PackWriter>> full_packs_ GUARDED_BY(mutex_);
  std::vector<FrameBuffer> spare_ GUARDED_BY(mutex_);
  std::size_t busy_ GUARDED_BY(mutex_) = 0;
  bool closing_ GUARDED_BY(mutex_) = false;
  bool finished_ GUARDED_BY(mutex_) = false;
  std::exception_ptr error_ GUARDED_BY(mutex_);
  WriteStats stats_ GUARDED_BY(mutex_);

  Mutex segments_mutex_;
  SegmentBuilder pending_ GUARDED_BY(segments_mutex_);
  std::vector<SegmentName> small_ GUARDED_BY(segments_mutex_);

  std::size_t sealer_count_ = 0;
  std::vector<std::jthread> sealers_;
  std::vector<std::jthread> committers_;
};

// Collects the chunks of one thread into frames of one kind.
class ChunkWriter {
 public:
  static constexpr std::size_t kRoom = std::size_t{512} << 10;

  ChunkWriter(WriteSession& session, ChunkKind kind);

  // Stores `content` unless the vault has it.
  Ref add(ByteView content);
  // The same for many, with their ids computed together; appends their references to `refs`. All
  // lie in room(), in their order there, and go into one frame; or none does.
  void add(std::span<const ByteView> contents, std::vector<Ref>& refs);
  // At least kRoom bytes, of any content, to read into for the next add(): what is new then needs
  // no copy.
  MutableBytes room();
  // Hands over the frame in the making.
  void flush();

 private:
  Ref store(const ChunkId& id, ByteView content);
  bool is_full() const;

  WriteSession& session_;
  ChunkKind kind_;
  FrameBuffer raw_;
  std::vector<ChunkEntry> chunks_;
};

}  // namespace holdfast
