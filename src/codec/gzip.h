// gzip (RFC 1952) as streams.
#pragma once

#include <deque>
#include <future>
#include <memory>

#include "codec/byte_stream.h"

namespace holdfast {

inline constexpr int kDefaultGzipLevel = 6;

// One gzip member, compressed in blocks of 512 KiB by up to `threads` threads (0: one for each
// processor). The result does not depend on their number.
class GzipWriter final : public ByteStream {
 public:
  GzipWriter(int level, unsigned threads, ByteSink sink);
  void write(ByteView data) override;
  void finish() override;

 private:
  struct Block {
    Bytes compressed;
    std::uint32_t checksum = 0;
    std::size_t size = 0;  // before
  };
  static Block compress_block(const Bytes& window, const Bytes& data, int level, bool last);
  void begin_block(bool last);
  void end_block();

  const int level_;
  const std::size_t threads_;
  const ByteSink sink_;
  Bytes data_;
  Bytes window_;  // the end of what came before, to which the next block may refer
  std::deque<std::future<Block>> running_;
  bool begun_ = false;
  std::uint32_t checksum_ = 0;
  std::uint32_t size_ = 0;  // modulo 2^32, as the format wants it
};

// Any number of members, one after the other. Throws Error(kCorrupt).
class GzipReader final : public ByteStream {
 public:
  explicit GzipReader(ByteSink sink);
  ~GzipReader() override;
  void write(ByteView data) override;
  void finish() override;

 private:
  class State;
  const ByteSink sink_;
  std::unique_ptr<State> state_;
  Bytes out_;
  bool in_member_ = false;
  bool any_ = false;
};

}  // namespace holdfast
