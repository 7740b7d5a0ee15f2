// The stream format of mariadb-backup (mbstream, xbstream): pieces of files, side by side.
#pragma once

#include <zlib.h>

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>

#include "base/bytes.h"

namespace holdfast {

// Who receives the files. Paths are relative, without "." and "..".
struct MbstreamHandler {
  // More of a file, whose content before that has been given. At least once for each file.
  std::function<void(const std::string& path, ByteView content)> content;
  std::function<void(const std::string& path)> end;
};

// Takes a stream apart as it comes. Throws Error(kCorrupt) for anything that mariadb-backup does
// not write, and for a checksum that does not fit: what was given before is worthless then.
class MbstreamReader {
 public:
  explicit MbstreamReader(MbstreamHandler handler) : handler_(std::move(handler)) {}

  void feed(ByteView bytes);
  // To be called at the end of the stream: all files must have ended.
  void finish() const;

 private:
  std::size_t head_size() const;
  bool collect_head(ByteView& bytes);
  void begin_chunk();
  void begin_payload(const std::string& path);
  void end_payload() const;
  void end_file(const std::string& path);
  [[noreturn]] void fail(const std::string& reason) const;

  MbstreamHandler handler_;
  std::uint64_t position_ = 0;                 // in the stream
  Bytes head_;                                 // of the chunk
  std::map<std::string, std::uint64_t> open_;  // files and what they have so far
  std::set<std::string> ended_;

  // Of the payload that is coming.
  std::string path_;
  std::uint64_t left_ = 0;
  uLong expected_ = 0;
  uLong checksum_ = 0;
};

}  // namespace holdfast
