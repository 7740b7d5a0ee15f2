// The binary log as a LogUploader takes it: files cut into chunks.
#pragma once

#include <functional>
#include <memory>
#include <stop_token>
#include <string>

#include "protect/binlog_place.h"
#include "protect/log_uploader.h"

namespace holdfast {

// Whose log it is: goes into the facts.
struct BinlogWriter {
  MariadbEngine engine = MariadbEngine::kMariadb;
  std::string system;  // its identity, may be empty
};

// Takes what stream_binlog() gives, from one connection to its end. One thread.
class BinlogUpload {
 public:
  // Called with what is in the vault, by the uploading thread.
  using OnDurable = std::function<void(const BinlogChunkFacts& facts)>;
  // What has been added to the uploader before must be durable.
  BinlogUpload(LogUploader& uploader, const BinlogPlace& place, BinlogWriter writer,
               OnDurable on_durable, std::function<void(const std::string&)> notify);

  // As those of BinlogHandler. Throws kConflict when files do not follow one another, kInvalid for
  // a transaction without GTID, kCancelled.
  void file(const std::string& file, std::uint64_t offset);
  void event(const BinlogEvent& event, std::uint64_t offset, const std::stop_token& stop);

  const std::string& current_file() const { return file_; }
  std::uint64_t offset() const { return offset_; }

 private:
  void start_file(const std::string& file);
  void finish_file();
  void add(ByteView bytes, const std::stop_token& stop);
  void begin_chunk(const std::stop_token& stop);
  void end_chunk();

  LogUploader& uploader_;
  BinlogPlace place_;  // of the chunk that goes on, until it has been begun
  const BinlogWriter writer_;
  const OnDurable on_durable_;
  const std::function<void(const std::string&)> notify_;

  std::string file_;
  std::uint64_t offset_ = 0;  // behind what came
  BinlogBeginning beginning_;
  std::shared_ptr<BinlogFollower> follower_;
  std::uint64_t skip_until_ = 0;  // what comes before is in chunks that are stored
  bool open_ = false;             // a chunk has been begun
  std::uint64_t chunk_begin_ = 0;
  std::uint32_t stored_ = 0;  // of it, before
};

}  // namespace holdfast
