#include "protect/binlog_upload.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/human.h"

namespace holdfast {
namespace {

class ChunkFacts : public LogFileFacts {
 public:
  ChunkFacts(const BinlogChunkFacts& known, std::shared_ptr<BinlogFollower> follower,
             BinlogUpload::OnDurable on_durable)
      : reader_(known, std::move(follower)), on_durable_(std::move(on_durable)) {}

  void feed(ByteView bytes) override { reader_.feed(bytes); }
  std::string json() override { return binlog_facts_to_json(reader_.facts()).dump(); }
  void durable() override { on_durable_(reader_.facts()); }

 private:
  BinlogChunkReader reader_;
  const BinlogUpload::OnDurable on_durable_;
};

}  // namespace

BinlogUpload::BinlogUpload(LogUploader& uploader, const BinlogPlace& place, BinlogWriter writer,
                           OnDurable on_durable, std::function<void(const std::string&)> notify)
    : uploader_(uploader),
      place_(place),
      writer_(std::move(writer)),
      on_durable_(std::move(on_durable)),
      notify_(std::move(notify)),
      file_(place.start.file),
      offset_(place.start.offset),
      beginning_(place.beginning),
      follower_(std::make_shared<BinlogFollower>(place.state)),
      skip_until_(place.chunk_begin) {}

void BinlogUpload::file(const std::string& file, std::uint64_t offset) {
  if (file == file_ && offset == offset_) return;
  const auto last = parse_binlog_name(file_);
  const auto next = parse_binlog_name(file);
  if (!last || !next || next->base != last->base || next->number != last->number + 1 ||
      offset != kBinlogMagic.size()) {
    throw Error(Code::kConflict,
                fmt::format("the server went from {} at byte {} to {} at byte {}", file_, offset_,
                            printable(file), offset),
                "somebody changed log_bin or removed files: stream again; --skip-gap begins a new "
                "log");
  }
  finish_file();
  start_file(file);
}

void BinlogUpload::start_file(const std::string& file) {
  place_ = {};
  file_ = file;
  offset_ = kBinlogMagic.size();
  skip_until_ = 0;
  follower_ = std::make_shared<BinlogFollower>();
}

void BinlogUpload::finish_file() {
  if (!open_) return;
  const std::uint64_t size = offset_ - chunk_begin_;
  if (size < stored_) {
    notify_(
        fmt::format("the server lost the last {} bytes of {} in a crash; the vault had them, and "
                    "now has what the server has",
                    stored_ - size, file_));
  }
  end_chunk();
}

void BinlogUpload::event(const BinlogEvent& event, std::uint64_t offset,
                         const std::stop_token& stop) {
  if (offset != offset_) {
    throw Error(Code::kUnavailable,
                fmt::format("the stream jumped from byte {} of {} to {}", offset_, file_, offset));
  }
  if (event.type == BinlogType::kMysqlAnonymous) {
    throw Error(Code::kInvalid,
                file_ + " has transactions without GTIDs, of before gtid_mode was ON",
                "set gtid_mode = ON again, FLUSH BINARY LOGS, take a new backup, then stream with "
                "--skip-gap: recovery cannot go over these transactions");
  }
  if (offset_ == kBinlogMagic.size()) {
    beginning_ = {event.time, event.server};
    offset_ = 0;
    add(as_bytes(kBinlogMagic), stop);
  }
  add(event.whole, stop);
}

void BinlogUpload::add(ByteView bytes, const std::stop_token& stop) {
  while (!bytes.empty()) {
    const bool skipped = offset_ < skip_until_;
    if (!skipped && !open_) begin_chunk(stop);
    const std::uint64_t end = skipped ? skip_until_ : chunk_begin_ + kBinlogChunk;
    const ByteView part =
        bytes.first(static_cast<std::size_t>(std::min<std::uint64_t>(bytes.size(), end - offset_)));
    // The uploading thread goes on with the follower once the chunk has begun.
    if (skipped) {
      follower_->feed(part, {});
    } else {
      uploader_.add(part);
    }
    offset_ += part.size();
    bytes = bytes.subspan(part.size());
    if (!skipped && offset_ == end) end_chunk();
  }
}

void BinlogUpload::begin_chunk(const std::stop_token& stop) {
  BinlogChunkFacts known;
  known.file = file_;
  known.begin = chunk_begin_ = offset_;
  known.engine = writer_.engine;
  known.system = writer_.system;
  known.created = beginning_.created;
  known.server = beginning_.server;
  stored_ = std::exchange(place_.stored, 0);
  LogUploadFile chunk;
  chunk.name = binlog_chunk_name(file_, static_cast<std::uint32_t>(offset_ / kBinlogChunk));
  chunk.position = uploader_.added();
  chunk.stored = stored_;
  chunk.facts = std::make_unique<ChunkFacts>(known, follower_, on_durable_);
  uploader_.begin(std::move(chunk), stop);
  open_ = true;
}

void BinlogUpload::end_chunk() {
  uploader_.complete();
  open_ = false;
}

}  // namespace holdfast
