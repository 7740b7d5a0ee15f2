// Files of the binary log, read as they come.
#pragma once

#include <functional>
#include <optional>

#include "source/mariadb/binlog_event.h"

namespace holdfast {

// Takes a file apart, from its first byte on. Throws Error(kCorrupt) for anything that a server
// does not write: no magic, a checksum or a position that does not fit, an event of impossible
// length; kUnsupported for an encrypted log.
class BinlogFileReader {
 public:
  // `offset` is that of the event in the file.
  using Handler = std::function<void(const BinlogEvent& event, std::uint64_t offset)>;
  explicit BinlogFileReader(Handler handler) : handler_(std::move(handler)) {}
  // Goes on at `offset`, where an event begins, of a file with or without checksums.
  BinlogFileReader(Handler handler, std::uint64_t offset, bool checksums);

  void feed(ByteView bytes);
  // To be called at the end of what there is. Throws kCorrupt in the middle of an event.
  void finish() const;

  // The file is complete: the server has gone on to the next one, or has stopped.
  bool closed() const { return closed_; }
  std::uint64_t offset() const { return offset_; }  // behind the last whole event
  const std::optional<BinlogFormat>& format() const { return format_; }

 private:
  std::size_t wanted() const;
  void take_magic();
  void take_event();

  Handler handler_;
  Bytes buffer_;  // what is not a whole event yet
  std::uint64_t offset_ = 0;
  std::optional<BinlogFormat> format_;
  bool closed_ = false;
};

}  // namespace holdfast
