// The WAL of a server as a LogUploader takes it: cut into segments.
#pragma once

#include "protect/log_uploader.h"
#include "source/postgres/wal_file.h"

namespace holdfast {

// One thread at a time, but for durable() and stats().
class WalUpload {
 public:
  WalUpload(const Vault& vault, const LogUploadOptions& options, std::uint32_t segment_size,
            std::function<void(const Error&)> on_error, std::function<void()> on_progress)
      : segment_size_(segment_size),
        uploader_(vault, options, std::move(on_error), std::move(on_progress)) {}

  // Starts at the beginning of a segment, after the start and after a change of timeline. `stored`
  // tells how many of its first bytes are durable already.
  void begin(std::uint32_t timeline, Lsn start, std::uint32_t stored, std::stop_token stop);
  // The next bytes. Waits while too much is waiting; Error(kCancelled) when `stop` comes.
  void add(ByteView data, const std::stop_token& stop);
  Lsn durable() const { return uploader_.durable(); }
  void drain(std::stop_token stop) { uploader_.drain(std::move(stop)); }
  LogUploadStats stats() const { return uploader_.stats(); }

 private:
  const std::uint32_t segment_size_;
  std::uint32_t timeline_ = 0;
  Lsn end_ = 0;  // of what was added
  bool open_ = false;
  LogUploader uploader_;
};

}  // namespace holdfast
