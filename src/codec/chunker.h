// Content-defined chunks: `gear-1` of docs/FORMAT.md (FastCDC: Xia et al., USENIX ATC 2016).
#pragma once

#include <array>
#include <cstdint>

#include "base/bytes.h"
#include "codec/aead.h"

namespace holdfast {

struct ChunkSizes {
  std::uint32_t minimum = 128u << 10;
  std::uint32_t average = 256u << 10;  // a power of two
  std::uint32_t maximum = 1u << 20;
  bool operator==(const ChunkSizes&) const = default;
};

// Where to cut depends on `key`, so that chunk lengths do not tell known files from others.
// Immutable and thread-safe.
class Chunker {
 public:
  Chunker(const Key& key, const ChunkSizes& sizes);

  const ChunkSizes& sizes() const { return sizes_; }

  // The length of the first chunk of `data`, which must hold at least `maximum` bytes or reach to
  // the end of the file. At most data.size(); 0 only for empty data.
  std::size_t cut(ByteView data) const;

 private:
  std::size_t scan(const std::uint8_t* bytes, std::size_t at, std::size_t end, std::uint64_t mask,
                   std::uint64_t& hash) const;

  std::array<std::uint64_t, 256> table_;
  ChunkSizes sizes_;
  std::uint64_t mask_early_;
  std::uint64_t mask_late_;
};

}  // namespace holdfast
