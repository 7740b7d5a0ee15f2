// Bytes pushed through one transformation after the other: compressing, sealing, and back.
#pragma once

#include <functional>

#include "base/bytes.h"

namespace holdfast {

// Takes what a stream gives; the view is valid during the call only.
using ByteSink = std::function<void(ByteView)>;

// One transformation on the way to a sink. One thread at a time. What write() and finish() throw,
// the sink's errors included, ends the stream: it is only to be destroyed then.
class ByteStream {
 public:
  ByteStream() = default;
  ByteStream(const ByteStream&) = delete;
  ByteStream& operator=(const ByteStream&) = delete;
  virtual ~ByteStream() = default;

  virtual void write(ByteView data) = 0;
  // Gives the rest to the sink, once. A stream that was not finished is not whole; one that reads
  // throws Error(kCorrupt) here when its input ended too early.
  virtual void finish() = 0;
};

}  // namespace holdfast
