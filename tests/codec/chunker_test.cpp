#include "codec/chunker.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <optional>
#include <set>

#include "codec/hash.h"
#include "codec/random_data.h"
#include "store/expect_error.h"

namespace holdfast {
namespace {

constexpr ChunkSizes kSmall{64, 256, 1024};

// docs/FORMAT.md, "Chunks", word by word and byte by byte.
std::size_t naive_cut(const Key& key, const ChunkSizes& sizes, ByteView data) {
  static std::optional<Key> table_key;
  static std::array<std::uint64_t, 256> table;
  if (table_key != key) {
    for (unsigned i = 0; i < 256; ++i) {
      const std::uint8_t index = static_cast<std::uint8_t>(i);
      const Digest digest = Hmac(key)(as_bytes("gear"), ByteView(&index, 1));
      table[i] = 0;
      for (int b = 7; b >= 0; --b) table[i] = table[i] << 8 | digest[static_cast<std::size_t>(b)];
    }
    table_key = key;
  }
  const int b = std::countr_zero(sizes.average);
  std::uint64_t hash = 0;
  for (std::size_t length = 1; length <= data.size(); ++length) {
    if (length == sizes.maximum) return length;
    if (length <= sizes.minimum) continue;
    hash = (hash << 1) + table[data[length - 1]];
    // The byte at offset `length - 1` is judged by where it stands.
    const int bits = length - 1 < sizes.average ? b + 2 : b - 2;
    if (hash >> (64 - bits) == 0) return length;
  }
  return data.size();
}

std::vector<std::size_t> lengths(const Chunker& chunker, ByteView data) {
  std::vector<std::size_t> found;
  while (!data.empty()) {
    const std::size_t size = chunker.cut(data);
    if (size == 0 || size > data.size()) {
      ADD_FAILURE() << "cut of " << size << " in " << data.size();
      break;
    }
    found.push_back(size);
    data = data.subspan(size);
  }
  return found;
}

TEST(Chunker, EqualsTheNaiveReference) {
  const Key key = lcg_array<32>(42);
  const Chunker chunker(key, kSmall);
  Lcg lcg(1);
  for (int round = 0; round < 4000; ++round) {
    Bytes data = lcg_bytes(lcg.below(2600), lcg.next());
    // Few values make other hashes than many do.
    if (round % 3 == 1)
      for (std::uint8_t& byte : data) byte &= 3;
    ASSERT_EQ(chunker.cut(data), naive_cut(key, kSmall, data)) << round << " " << data.size();
  }
}

TEST(Chunker, EqualsTheNaiveReferenceAtEverySize) {
  const Key key = lcg_array<32>(43);
  const Chunker chunker(key, kSmall);
  for (std::uint64_t seed = 0; seed < 6; ++seed) {
    const Bytes data = lcg_bytes(kSmall.maximum + 8, seed);
    for (std::size_t size = 0; size <= data.size(); ++size) {
      const ByteView view = ByteView(data).first(size);
      ASSERT_EQ(chunker.cut(view), naive_cut(key, kSmall, view)) << seed << " " << size;
    }
  }
}

TEST(Chunker, EqualsTheNaiveReferenceWithOtherSizes) {
  const Key key = lcg_array<32>(44);
  for (const ChunkSizes& sizes :
       {ChunkSizes{65, 128, 129}, ChunkSizes{66, 512, 2047}, ChunkSizes{67, 1024, 1030},
        ChunkSizes{1000, 1024, 4096}, ChunkSizes{2047, 4096, 16384}}) {
    const Chunker chunker(key, sizes);
    for (std::uint64_t seed = 0; seed < 100; ++seed) {
      const Bytes data = lcg_bytes(sizes.maximum + 100, seed);
      ASSERT_EQ(chunker.cut(data), naive_cut(key, sizes, data)) << sizes.average << " " << seed;
    }
  }
}

TEST(Chunker, EqualsTheNaiveReferenceWithTheDefaultSizes) {
  const Key key = lcg_array<32>(45);
  const ChunkSizes sizes;
  const Chunker chunker(key, sizes);
  const Bytes data = lcg_bytes(6u << 20, 9);
  std::size_t at = 0;
  for (const std::size_t length : lengths(chunker, data)) {
    ASSERT_EQ(length, naive_cut(key, sizes, ByteView(data).subspan(at))) << at;
    at += length;
  }
}

// Fixed for ever: another answer means that no old chunk is found again.
TEST(Chunker, KnownAnswers) {
  const Chunker chunker(lcg_array<32>(1), kSmall);
  const std::vector<std::size_t> expected{263, 304, 262, 261, 338, 316, 97,  257, 140, 207,
                                          291, 221, 312, 278, 288, 268, 375, 194, 288, 40};
  EXPECT_EQ(lengths(chunker, lcg_bytes(5000, 2)), expected);
}

TEST(Chunker, BoundsAreHonoured) {
  const Chunker chunker(lcg_array<32>(2), kSmall);
  const auto found = lengths(chunker, lcg_bytes(2'000'000, 3));
  for (std::size_t i = 0; i + 1 < found.size(); ++i) {
    ASSERT_GT(found[i], kSmall.minimum);
    ASSERT_LE(found[i], kSmall.maximum);
  }
  // Normalised cutting keeps the mean close to the average.
  EXPECT_GT(found.size(), 2'000'000u / 512);
  EXPECT_LT(found.size(), 2'000'000u / 128);
}

TEST(Chunker, SmallDataIsOneChunk) {
  const Chunker chunker(lcg_array<32>(2), kSmall);
  EXPECT_EQ(chunker.cut({}), 0u);
  for (std::size_t size = 1; size <= kSmall.minimum; ++size) {
    EXPECT_EQ(chunker.cut(Bytes(size, 7)), size);
  }
}

TEST(Chunker, ConstantDataIsCutToo) {
  const Chunker chunker(lcg_array<32>(2), kSmall);
  for (unsigned value = 0; value < 256; ++value) {
    const Bytes data(5000, static_cast<std::uint8_t>(value));
    for (const std::size_t length : lengths(chunker, data)) ASSERT_LE(length, kSmall.maximum);
  }
}

std::multiset<Digest> pieces(const Chunker& chunker, ByteView data) {
  std::multiset<Digest> found;
  std::size_t at = 0;
  for (const std::size_t length : lengths(chunker, data)) {
    found.insert(sha256(data.subspan(at, length)));
    at += length;
  }
  return found;
}

TEST(Chunker, InsertedBytesChangeFewChunks) {
  const Chunker chunker(lcg_array<32>(3), kSmall);
  const Bytes data = lcg_bytes(200'000, 4);
  const auto before = pieces(chunker, data);
  for (const std::size_t at : {0u, 1u, 1000u, 100'000u, 199'999u}) {
    for (const std::size_t count : {1u, 7u, 500u}) {
      Bytes changed = data;
      const Bytes more = lcg_bytes(count, at + count);
      changed.insert(changed.begin() + static_cast<std::ptrdiff_t>(at), more.begin(), more.end());
      std::vector<Digest> fresh;
      const auto after = pieces(chunker, changed);
      std::set_difference(after.begin(), after.end(), before.begin(), before.end(),
                          std::back_inserter(fresh));
      EXPECT_LE(fresh.size(), 20u) << at << " " << count << " of " << before.size();
    }
  }
}

TEST(Chunker, KeysCutDifferently) {
  const Bytes data = lcg_bytes(100'000, 5);
  const auto a = lengths(Chunker(lcg_array<32>(1), kSmall), data);
  const auto b = lengths(Chunker(lcg_array<32>(2), kSmall), data);
  EXPECT_NE(a, b);
}

TEST(Chunker, ImpossibleSizesAreRefused) {
  const Key key{};
  for (const ChunkSizes& sizes :
       {ChunkSizes{63, 256, 1024}, ChunkSizes{256, 256, 1024}, ChunkSizes{64, 300, 1024},
        ChunkSizes{64, 256, 256}, ChunkSizes{64, 256, 4u << 20}, ChunkSizes{0, 0, 0}}) {
    expect_error(Code::kInvalid, [&] { Chunker chunker(key, sizes); });
  }
  EXPECT_NO_THROW(Chunker(key, ChunkSizes{64, 256, (4u << 20) - 1}));
}

}  // namespace
}  // namespace holdfast
