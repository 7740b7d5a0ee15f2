// Brings the WAL of a running server into the vault while it is being written.
#pragma once

#include <condition_variable>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "os/mutex.h"
#include "source/postgres/commit_index.h"
#include "source/postgres/wal_file.h"
#include "vault/log_name.h"
#include "vault/vault.h"

namespace holdfast {

struct LogUploadOptions {
  std::string source;
  std::string stream;  // the system identifier
  std::uint32_t segment_size = kWalSegmentSize;
  Duration interval = std::chrono::milliseconds{200};  // between two pieces
  int level = 0;
  // Copies of the vault in other regions that get everything as well: a position is durable when
  // all have it.
  std::vector<const Vault*> others;
};

struct LogUploadStats {
  std::uint64_t pieces = 0;
  std::uint64_t segments = 0;
  std::uint64_t bytes = 0;   // of objects, in each store
  std::uint64_t errors = 0;  // tries that failed
  Duration last_upload{};    // how long the last object took
};

// Takes the log in order; one thread adds, one of its own uploads. What is behind a piece that was
// stored is durable; whole segments replace their pieces. A failing store is tried again for ever,
// with growing pauses, and `on_error` hears of it: the server keeps what is not durable here.
class LogUploader {
 public:
  LogUploader(const Vault& vault, const LogUploadOptions& options,
              std::function<void(const Error&)> on_error, std::function<void()> on_progress);
  ~LogUploader();

  // Starts at the beginning of a segment, after the start and after a change of timeline; what was
  // added before is uploaded first. `stored` tells how many of its first bytes are durable already.
  void begin(std::uint32_t timeline, Lsn start, std::uint32_t stored);
  // The next bytes. Waits while too much is waiting; Error(kCancelled) when `stop` comes.
  void add(ByteView data, std::stop_token stop);
  // Everything before is in the vault.
  Lsn durable() const;
  // Waits until all that was added is durable, or `stop`.
  void drain(std::stop_token stop);
  LogUploadStats stats() const;

 private:
  struct Segment {
    WalSegment name;
    Bytes bytes;
    std::uint32_t stored = 0;             // durable as pieces
    bool last = false;                    // of its timeline: no more will come
    std::unique_ptr<SegmentFacts> facts;  // of the first `known` bytes; of the uploading thread
    std::size_t known = 0;
  };

  void run(std::stop_token stop);
  bool has_work() const REQUIRES(mutex_);
  bool await_work(std::stop_token stop);
  void upload_next();
  void upload_rest();
  void upload(const WalSegment& segment, std::uint32_t begin, ByteView content, bool whole,
              const std::string& facts);
  std::string facts_of(Segment& segment) const;
  void uploaded(const WalSegment& segment, std::uint32_t end, bool whole, std::size_t bytes,
                Duration took);

  const Vault& vault_;
  const LogUploadOptions options_;
  std::function<void(const Error&)> on_error_;
  std::function<void()> on_progress_;

  mutable Mutex mutex_;
  std::condition_variable_any changed_;
  std::deque<Segment> segments_ GUARDED_BY(mutex_);
  std::uint32_t timeline_ GUARDED_BY(mutex_) = 0;
  Lsn end_ GUARDED_BY(mutex_) = 0;  // of what was added
  Lsn durable_ GUARDED_BY(mutex_) = 0;
  LogUploadStats stats_ GUARDED_BY(mutex_);
  std::jthread thread_;
};

}  // namespace holdfast
