#include "source/mariadb/binlog_file.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"

namespace holdfast {
namespace {

[[noreturn]] void fail(std::uint64_t offset, const std::string& reason) {
  throw Error(Code::kCorrupt,
              fmt::format("the binary log is damaged at byte {}: {}", offset, reason));
}

}  // namespace

BinlogFileReader::BinlogFileReader(Handler handler, std::uint64_t offset, bool checksums)
    : handler_(std::move(handler)), offset_(offset) {
  if (offset_ <= kBinlogMagic.size()) return;  // the format comes
  format_.emplace();
  format_->checksums = checksums;
}

std::size_t BinlogFileReader::wanted() const {
  if (offset_ == 0) return kBinlogMagic.size();
  return buffer_.size() < kBinlogHeader ? kBinlogHeader : binlog_event_size(buffer_);
}

void BinlogFileReader::feed(ByteView bytes) {
  for (;;) {
    const std::size_t want = wanted();
    if (buffer_.size() == want) {
      offset_ == 0 ? take_magic() : take_event();
      buffer_.clear();
      continue;
    }
    if (bytes.empty()) return;
    const ByteView more = bytes.first(std::min(want - buffer_.size(), bytes.size()));
    append(buffer_, more);
    bytes = bytes.subspan(more.size());
  }
}

void BinlogFileReader::take_magic() {
  if (as_text(buffer_) != kBinlogMagic) fail(0, "it is no binary log");
  offset_ = kBinlogMagic.size();
}

void BinlogFileReader::take_event() {
  BinlogEvent event;
  try {
    event = format_ ? parse_binlog_event(buffer_, format_->checksums) : parse_format_event(buffer_);
    if (!format_) format_ = read_format(event);
  } catch (Error& error) {
    throw error.add_context(fmt::format("at byte {}", offset_));
  }
  if (closed_) fail(offset_, "it goes on after its end");
  const std::uint64_t end = offset_ + buffer_.size();
  if (event.next != static_cast<std::uint32_t>(end)) fail(offset_, "a piece of it is missing");
  // A server that sends an encrypted file sends it in the clear, and marks this event for that.
  const bool sent = (event.flags & kBinlogIgnorable) != 0;
  if (event.type == BinlogType::kStartEncryption && !sent) {
    throw Error(Code::kUnsupported, "the binary log is encrypted, so it cannot be checked",
                "stream it from the server, which decrypts it");
  }
  closed_ = event.type == BinlogType::kRotate || event.type == BinlogType::kStop;
  handler_(event, offset_);
  offset_ = end;
}

void BinlogFileReader::finish() const {
  if (!buffer_.empty()) fail(offset_, "it stops in the middle of an event");
  if (!format_) fail(offset_, "it is empty");
}

}  // namespace holdfast
