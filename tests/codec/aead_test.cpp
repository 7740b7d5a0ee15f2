#include "codec/aead.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "codec/random_data.h"
#include "store/expect_error.h"

namespace holdfast {
namespace {

template <std::size_t Size>
std::array<std::uint8_t, Size> array_of(std::string_view hex) {
  const Bytes bytes = from_hex(hex);
  std::array<std::uint8_t, Size> out{};
  std::copy_n(bytes.begin(), std::min(bytes.size(), Size), out.begin());
  return out;
}

// The test cases of the GCM specification (McGrew and Viega) with 256-bit keys: 13, 14 and 16.
TEST(Aead, KnownAnswers) {
  EXPECT_EQ(to_hex(seal(Key{}, Nonce{}, {}, {})), "530f8afbc74536b9a963b4f1c4cb738b");
  EXPECT_EQ(to_hex(seal(Key{}, Nonce{}, {}, Bytes(16, 0))),
            "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919");
  const Key key = array_of<32>("feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308");
  const Nonce nonce = array_of<12>("cafebabefacedbaddecaf888");
  const Bytes plain = from_hex(
      "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
      "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39");
  const Bytes associated = from_hex("feedfacedeadbeeffeedfacedeadbeefabaddad2");
  const std::string sealed =
      "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
      "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662"
      "76fc6ece0f4e1768cddf8853bb2d551b";
  EXPECT_EQ(to_hex(seal(key, nonce, associated, plain)), sealed);
  EXPECT_EQ(open(key, nonce, associated, from_hex(sealed), "it"), plain);
}

TEST(Aead, SealAppends) {
  Bytes out{1, 2, 3};
  seal(Key{}, Nonce{}, {}, {}, out);
  EXPECT_EQ(to_hex(out), "010203530f8afbc74536b9a963b4f1c4cb738b");
}

TEST(Aead, EveryChangedByteIsRefused) {
  const Key key = lcg_array<32>(1);
  const Nonce nonce = counter_nonce(7);
  const Bytes associated = lcg_bytes(20, 2);
  const Bytes plain = lcg_bytes(50, 3);
  const Bytes sealed = seal(key, nonce, associated, plain);
  Bytes out(plain.size());
  const auto opens = [&](const Key& k, const Nonce& n, ByteView a, ByteView s) {
    return open_into(k, n, a, s, out);
  };
  ASSERT_TRUE(opens(key, nonce, associated, sealed));
  for (std::size_t i = 0; i < sealed.size(); ++i) {
    Bytes bad = sealed;
    bad[i] ^= 1;
    ASSERT_FALSE(opens(key, nonce, associated, bad)) << i;
  }
  for (std::size_t i = 0; i < associated.size(); ++i) {
    Bytes bad = associated;
    bad[i] ^= 0x80;
    ASSERT_FALSE(opens(key, nonce, bad, sealed)) << i;
  }
  for (std::size_t i = 0; i < key.size(); ++i) {
    Key bad = key;
    bad[i] ^= 1;
    ASSERT_FALSE(opens(bad, nonce, associated, sealed)) << i;
  }
  for (std::size_t i = 0; i < nonce.size(); ++i) {
    Nonce bad = nonce;
    bad[i] ^= 1;
    ASSERT_FALSE(opens(key, bad, associated, sealed)) << i;
  }
}

TEST(Aead, TruncationIsRefused) {
  const Bytes sealed = seal(Key{}, Nonce{}, {}, lcg_bytes(20, 1));
  for (std::size_t size = 0; size < sealed.size(); ++size) {
    const auto error =
        error_of([&] { open(Key{}, Nonce{}, {}, ByteView(sealed).first(size), "the thing"); });
    ASSERT_TRUE(error) << size;
    EXPECT_EQ(error->code(), Code::kCorrupt);
    EXPECT_NE(error->message().find("the thing"), std::string::npos);
  }
}

TEST(Aead, WrongOutputSizeIsRefused) {
  const Bytes sealed = seal(Key{}, Nonce{}, {}, Bytes(8, 1));
  Bytes small(7), large(9);
  EXPECT_FALSE(open_into(Key{}, Nonce{}, {}, sealed, small));
  EXPECT_FALSE(open_into(Key{}, Nonce{}, {}, sealed, large));
}

TEST(Aead, CounterNonceIsZeroThenLittleEndian) {
  EXPECT_EQ(to_hex(counter_nonce(0)), "000000000000000000000000");
  EXPECT_EQ(to_hex(counter_nonce(0x0102030405060708)), "000000000807060504030201");
  EXPECT_EQ(to_hex(counter_nonce(~std::uint64_t{0})), "00000000ffffffffffffffff");
}

}  // namespace
}  // namespace holdfast
