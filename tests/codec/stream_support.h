// Running streams over whole buffers, in pieces of awkward sizes.
#pragma once

#include <algorithm>

#include "base/bytes.h"
#include "codec/byte_stream.h"

namespace holdfast {

// Writes `data` in pieces of `piece` bytes and finishes.
inline void pump(ByteStream& stream, ByteView data, std::size_t piece = 10'007) {
  while (!data.empty()) {
    const std::size_t part = std::min(piece, data.size());
    stream.write(data.first(part));
    data = data.subspan(part);
  }
  stream.finish();
}

inline ByteSink into(Bytes& out) {
  return [&out](ByteView data) { append(out, data); };
}

}  // namespace holdfast
