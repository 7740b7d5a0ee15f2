// zstd (RFC 8878) as streams of any length; codec/compress.h has the single frames of the vault.
#pragma once

#include <memory>

#include "codec/byte_stream.h"

namespace holdfast {

inline constexpr int kDefaultZstdLevel = 3;

// One frame with a checksum, compressed by `threads` threads (0: one for each processor).
class ZstdWriter final : public ByteStream {
 public:
  ZstdWriter(int level, unsigned threads, ByteSink sink);
  ~ZstdWriter() override;
  void write(ByteView data) override;
  void finish() override;

 private:
  class State;
  const ByteSink sink_;
  std::unique_ptr<State> state_;
  Bytes out_;
};

// Any number of frames, one after the other, with windows of up to 128 MiB. Throws Error(kCorrupt).
class ZstdReader final : public ByteStream {
 public:
  explicit ZstdReader(ByteSink sink);
  ~ZstdReader() override;
  void write(ByteView data) override;
  void finish() override;

 private:
  class State;
  const ByteSink sink_;
  std::unique_ptr<State> state_;
  Bytes out_;
  bool in_frame_ = false;
  bool any_ = false;
};

}  // namespace holdfast
