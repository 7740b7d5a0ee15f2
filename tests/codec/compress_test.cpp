#include "codec/compress.h"

#include <gtest/gtest.h>

#include "codec/random_data.h"
#include "store/expect_error.h"

namespace holdfast {
namespace {

Bytes text_like(std::size_t size) {
  Bytes bytes = lcg_bytes(size, 5);
  for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>('a' + byte % 7);
  return bytes;
}

TEST(Compress, RoundTripsAtEveryLevelAndSize) {
  for (const int level : {1, 3, 9, 19}) {
    for (const std::size_t size : {0u, 1u, 2u, 100u, 4096u, 300'000u}) {
      for (const Bytes& plain : {text_like(size), lcg_bytes(size, size), Bytes(size, 0)}) {
        const Bytes packed = to_bytes(compress(plain, level));
        Bytes out(size, 0xee);
        decompress_into(packed, out);
        ASSERT_EQ(out, plain) << level << " " << size;
        ASSERT_EQ(decompress(packed, size), plain);
      }
    }
  }
}

TEST(Compress, ShrinksWhatRepeats) { EXPECT_LT(compress(Bytes(1u << 20, 'x'), 1).size(), 1000u); }

TEST(Compress, WindowSpansAWholeFrame) {
  // Random data twice, 2 MiB apart: only a window of more than that finds the second copy.
  Bytes plain = lcg_bytes(2u << 20, 1);
  append(plain, Bytes(plain));
  EXPECT_LT(compress(plain, 1).size(), (2u << 20) + 100'000u);
}

TEST(Compress, TruncatedDataIsRefused) {
  const Bytes plain = text_like(1000);
  const Bytes packed = to_bytes(compress(plain, 1));
  for (std::size_t size = 0; size < packed.size(); ++size) {
    const ByteView cut = ByteView(packed).first(size);
    Bytes out(plain.size());
    expect_error(Code::kCorrupt, [&] { decompress_into(cut, out); });
    expect_error(Code::kCorrupt, [&] { decompress(cut, 1u << 20); });
  }
}

TEST(Compress, WrongSizeIsRefused) {
  const Bytes packed = to_bytes(compress(text_like(1000), 1));
  for (const std::size_t size : {0u, 999u, 1001u, 5000u}) {
    Bytes out(size);
    expect_error(Code::kCorrupt, [&] { decompress_into(packed, out); });
  }
  EXPECT_EQ(decompress(packed, 1000).size(), 1000u);
  expect_error(Code::kCorrupt, [&] { decompress(packed, 999); });
}

TEST(Compress, AlteredDataNeverGrowsBeyondItsLimit) {
  const Bytes packed = to_bytes(compress(text_like(1000), 1));
  for (std::size_t i = 0; i < packed.size(); ++i) {
    for (int bit = 0; bit < 8; ++bit) {
      Bytes bad = packed;
      bad[i] ^= static_cast<std::uint8_t>(1 << bit);
      try {
        ASSERT_LE(decompress(bad, 2000).size(), 2000u);
      } catch (const Error& error) {
        ASSERT_EQ(error.code(), Code::kCorrupt);
      }
    }
  }
}

TEST(Compress, GarbageIsRefused) {
  for (std::size_t size = 0; size < 200; ++size) {
    expect_error(Code::kCorrupt, [&] { decompress(lcg_bytes(size, size), 1u << 20); });
  }
}

}  // namespace
}  // namespace holdfast
