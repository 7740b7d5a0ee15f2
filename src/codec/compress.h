// zstd (RFC 8878), one frame at a time.
#pragma once

#include "base/bytes.h"

namespace holdfast {

// Fast enough for the disk to be the limit, and smaller than chunk by chunk at level 3.
inline constexpr int kDefaultCompression = 1;

// The compressed form of `plain`, in a buffer of the calling thread that its next call overwrites.
// Always one frame that states its content size, even where that is larger than `plain`.
// Thread-safe.
ByteView compress(ByteView plain, int level);

// Decompresses into exactly `out.size()` bytes; throws Error(kCorrupt) on anything else.
void decompress_into(ByteView compressed, MutableBytes out);

// Decompresses data of unknown size, refusing more than `limit` bytes.
Bytes decompress(ByteView compressed, std::size_t limit);

}  // namespace holdfast
