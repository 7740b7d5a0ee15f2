// zstd (RFC 8878), one frame at a time.
#pragma once

#include "base/bytes.h"

namespace holdfast {

// Replaces `out` by the compressed form and returns true; false when that would save less than one
// part in 64 (then `out` is unspecified). Thread-safe; keeps a working set per thread.
bool compress(ByteView plain, int level, Bytes& out);

// Decompresses into exactly `out.size()` bytes; throws Error(kCorrupt) on anything else.
void decompress_into(ByteView compressed, MutableBytes out);

// Decompresses data of unknown size, refusing more than `limit` bytes.
Bytes decompress(ByteView compressed, std::size_t limit);

}  // namespace holdfast
