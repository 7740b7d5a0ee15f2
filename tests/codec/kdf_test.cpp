#include "codec/kdf.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "codec/random_data.h"
#include "store/expect_error.h"

namespace holdfast {
namespace {

Key key_of(std::string_view hex) {
  Key key;
  const Bytes bytes = from_hex(hex);
  std::copy_n(bytes.begin(), key.size(), key.begin());
  return key;
}

// Computed with the reference implementation (the argon2 program), one lane.
TEST(Argon2id, KnownAnswers) {
  EXPECT_EQ(to_hex(argon2id("correct horse", as_bytes("0123456789abcdef"), {3, 1u << 20})),
            "7879645409224416c7fb41bc02819d5d41b9cd146cf501794daf608db30fcd57");
  EXPECT_EQ(to_hex(argon2id("password", as_bytes("somesaltsomesalt"), {2, 64u << 20})),
            "fc33b78139231d34b71626bd6245c1d72efa190ad605c3d8166a72adcedfa2c2");
}

TEST(Argon2id, EveryInputMatters) {
  const Bytes salt(16, 1);
  const Argon2Cost cheap{1, 8192};
  std::set<Key> keys{argon2id("a", salt, cheap),         argon2id("b", salt, cheap),
                     argon2id("", salt, cheap),          argon2id({"a\0", 2}, salt, cheap),
                     argon2id("a", Bytes(16, 2), cheap), argon2id("a", salt, {2, 8192}),
                     argon2id("a", salt, {1, 16384})};
  EXPECT_EQ(keys.size(), 7u);
}

TEST(Argon2id, InsaneCostIsRefusedAtOnce) {
  const Bytes salt(16, 1);
  for (const Argon2Cost& cost :
       {Argon2Cost{0, 8192}, Argon2Cost{65, 8192}, Argon2Cost{1, 8191}, Argon2Cost{1, 0},
        Argon2Cost{1, (std::uint64_t{4} << 30) + 1}, Argon2Cost{~0ull, ~0ull}}) {
    expect_error(Code::kInvalid, [&] { argon2id("a", salt, cost); });
  }
  expect_error(Code::kInvalid, [&] { argon2id("a", Bytes(15, 1), {1, 8192}); });
  expect_error(Code::kInvalid, [&] { argon2id("a", Bytes(17, 1), {1, 8192}); });
}

// RFC 7748, section 6.1.
TEST(X25519, KnownAnswers) {
  EXPECT_EQ(to_hex(public_key_of(
                key_of("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a"))),
            "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a");
  EXPECT_EQ(to_hex(public_key_of(
                key_of("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb"))),
            "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f");
}

TEST(Box, OnlyTheSecretKeyOpensIt) {
  const Key secret = lcg_array<32>(1);
  for (const std::size_t size : {0u, 1u, 32u, 1000u}) {
    const Bytes plain = lcg_bytes(size, size);
    const Bytes box = box_seal(public_key_of(secret), plain);
    EXPECT_EQ(box.size(), size + kBoxOverhead);
    EXPECT_EQ(box_open(secret, box), plain);
    expect_error(Code::kCorrupt, [&] { box_open(lcg_array<32>(2), box); });
    expect_error(Code::kCorrupt, [&] { box_open(public_key_of(secret), box); });
  }
}

TEST(Box, AlteredOrTruncatedIsRefused) {
  const Key secret = lcg_array<32>(1);
  const Bytes box = box_seal(public_key_of(secret), lcg_bytes(32, 3));
  for (std::size_t i = 0; i < box.size(); ++i) {
    Bytes bad = box;
    bad[i] ^= 1;
    expect_error(Code::kCorrupt, [&] { box_open(secret, bad); });
    expect_error(Code::kCorrupt, [&] { box_open(secret, ByteView(box).first(i)); });
  }
}

TEST(Box, EachIsDifferent) {
  const Key secret = lcg_array<32>(1);
  const Bytes plain(32, 0);
  EXPECT_NE(box_seal(public_key_of(secret), plain), box_seal(public_key_of(secret), plain));
}

TEST(RandomBytes, DoNotRepeat) {
  std::set<std::array<std::uint8_t, 16>> seen;
  for (int i = 0; i < 1000; ++i) EXPECT_TRUE(seen.insert(random_array<16>()).second);
}

TEST(Wipe, Overwrites) {
  Bytes secret = lcg_bytes(100, 1);
  wipe(secret);
  EXPECT_EQ(secret, Bytes(100, 0));
}

}  // namespace
}  // namespace holdfast
