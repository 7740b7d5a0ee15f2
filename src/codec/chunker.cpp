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

std::size_t Chunker::cut(ByteView data) const {
  const std::size_t end = std::min<std::size_t>(data.size(), sizes_.maximum);
  if (end <= sizes_.minimum) return end;
  const std::size_t turn = std::min<std::size_t>(end, sizes_.average);
  const std::uint8_t* bytes = data.data();
  std::uint64_t hash = 0;
  std::size_t at = sizes_.minimum;
  for (; at < turn; ++at) {
    hash = (hash << 1) + table_[bytes[at]];
    if ((hash & mask_early_) == 0) return at + 1;
  }
  for (; at < end; ++at) {
    hash = (hash << 1) + table_[bytes[at]];
    if ((hash & mask_late_) == 0) return at + 1;
  }
  return end;
}

}  // namespace holdfast
