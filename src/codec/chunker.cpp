#include "codec/chunker.h"

#include <algorithm>
#include <bit>

#include "base/error.h"
#include "codec/hash.h"

namespace holdfast {
namespace {

std::uint64_t top_bits(int count) { return ~std::uint64_t{0} << (64 - count); }

}  // namespace

Chunker::Chunker(const Key& key, const ChunkSizes& sizes) : sizes_(sizes) {
  if (sizes.minimum < 64 || sizes.average <= sizes.minimum || sizes.maximum <= sizes.average ||
      sizes.maximum >= (4u << 20) || !std::has_single_bit(sizes.average)) {
    throw Error(Code::kInvalid, "the chunk sizes of the vault are out of bounds");
  }
  const int bits = std::countr_zero(sizes.average);
  mask_early_ = top_bits(bits + 2);
  mask_late_ = top_bits(bits - 2);
  const Hmac mac(key);
  for (std::size_t i = 0; i < table_.size(); ++i) {
    const auto index = static_cast<std::uint8_t>(i);
    const Digest digest = mac(as_bytes("gear"), ByteView(&index, 1));
    table_[i] = 0;
    for (std::size_t b = 0; b < 8; ++b) table_[i] |= std::uint64_t{digest[b]} << (8 * b);
  }
}

// The length up to the first cut in [at, end), or end + 1 when there is none. Four bytes a turn:
// the hash of the fourth does not wait for those of the others, and one branch looks at all of
// them.
std::size_t Chunker::scan(const std::uint8_t* bytes, std::size_t at, std::size_t end,
                          std::uint64_t mask, std::uint64_t& hash) const {
  std::uint64_t h = hash;
  for (; at + 4 <= end; at += 4) {
    const std::uint64_t t0 = table_[bytes[at]];
    const std::uint64_t t1 = table_[bytes[at + 1]];
    const std::uint64_t t2 = table_[bytes[at + 2]];
    const std::uint64_t t3 = table_[bytes[at + 3]];
    const std::uint64_t two = (t0 << 1) + t1;
    const std::uint64_t h0 = (h << 1) + t0;
    const std::uint64_t h1 = (h << 2) + two;
    const std::uint64_t h2 = (h << 3) + (two << 1) + t2;
    h = (h << 4) + (two << 2) + ((t2 << 1) + t3);
    if ((h0 & mask) == 0 || (h1 & mask) == 0 || (h2 & mask) == 0 || (h & mask) == 0) {
      if ((h0 & mask) == 0) return at + 1;
      if ((h1 & mask) == 0) return at + 2;
      if ((h2 & mask) == 0) return at + 3;
      return at + 4;
    }
  }
  for (; at < end; ++at) {
    h = (h << 1) + table_[bytes[at]];
    if ((h & mask) == 0) return at + 1;
  }
  hash = h;
  return end + 1;
}

std::size_t Chunker::cut(ByteView data) const {
  const std::size_t end = std::min<std::size_t>(data.size(), sizes_.maximum);
  if (end <= sizes_.minimum) return end;
  const std::size_t turn = std::min<std::size_t>(end, sizes_.average);
  std::uint64_t hash = 0;
  std::size_t found = scan(data.data(), sizes_.minimum, turn, mask_early_, hash);
  if (found <= turn) return found;
  found = scan(data.data(), turn, end, mask_late_, hash);
  return std::min(found, end);
}

}  // namespace holdfast
