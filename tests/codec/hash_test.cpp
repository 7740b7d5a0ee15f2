#include "codec/hash.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "codec/random_data.h"

namespace holdfast {
namespace {

std::string hash_text(std::string_view text) { return to_hex(sha256(as_bytes(text))); }

// FIPS 180-4 examples.
TEST(Sha256, KnownAnswers) {
  EXPECT_EQ(hash_text(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(hash_text("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(hash_text("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(hash_text(std::string(1'000'000, 'a')),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Sha256, IncrementalEqualsWholeAtEverySplit) {
  const Bytes data = lcg_bytes(200, 1);
  const Digest whole = sha256(data);
  for (std::size_t split = 0; split <= data.size(); ++split) {
    Sha256 hash;
    hash.update(ByteView(data).first(split));
    hash.update(ByteView(data).subspan(split));
    ASSERT_EQ(hash.finish(), whole) << split;
  }
}

TEST(Sha256, CopyContinuesFromTheSameState) {
  Sha256 first;
  first.update(as_bytes("ab"));
  Sha256 second = first;
  first.update(as_bytes("c"));
  second.update(as_bytes("d"));
  EXPECT_EQ(first.finish(), sha256(as_bytes("abc")));
  EXPECT_EQ(second.finish(), sha256(as_bytes("abd")));
}

struct MacCase {
  Bytes key;
  Bytes data;
  std::string mac;
};

std::vector<MacCase> rfc4231() {
  Bytes counting;
  for (std::uint8_t i = 1; i <= 25; ++i) counting.push_back(i);
  const auto text = [](std::string_view t) { return to_bytes(as_bytes(t)); };
  return {
      {Bytes(20, 0x0b), text("Hi There"),
       "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
      {text("Jefe"), text("what do ya want for nothing?"),
       "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
      {Bytes(20, 0xaa), Bytes(50, 0xdd),
       "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"},
      {counting, Bytes(50, 0xcd),
       "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"},
      {Bytes(131, 0xaa), text("Test Using Larger Than Block-Size Key - Hash Key First"),
       "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"},
      {Bytes(131, 0xaa),
       text("This is a test using a larger than block-size key and a larger than block-size data. "
            "The key needs to be hashed before being used by the HMAC algorithm."),
       "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2"},
  };
}

TEST(Hmac, Rfc4231) {
  for (const MacCase& c : rfc4231()) EXPECT_EQ(to_hex(Hmac(c.key)(c.data)), c.mac);
}

TEST(Hmac, TwoPartsAreTheirConcatenation) {
  for (const MacCase& c : rfc4231()) {
    const Hmac mac(c.key);
    for (std::size_t split = 0; split <= c.data.size(); ++split) {
      const ByteView data(c.data);
      ASSERT_EQ(to_hex(mac(data.first(split), data.subspan(split))), c.mac) << split;
    }
  }
}

TEST(Sha256, PairsEqualSingles) {
  for (std::size_t a = 0; a < 300; a += 7) {
    for (std::size_t b = 0; b < 300; b += 11) {
      for (const std::size_t before : {0u, 64u, 128u}) {
        const Bytes data_a = lcg_bytes(before + a, a + 1);
        const Bytes data_b = lcg_bytes(before + b, b + 1000);
        Sha256 hash_a, hash_b;
        hash_a.update(ByteView(data_a).first(before));
        hash_b.update(ByteView(data_b).first(before));
        Sha256::update_pair(hash_a, ByteView(data_a).subspan(before), hash_b,
                            ByteView(data_b).subspan(before));
        ASSERT_EQ(hash_a.finish(), sha256(data_a)) << a << " " << b;
        ASSERT_EQ(hash_b.finish(), sha256(data_b)) << a << " " << b;
      }
    }
  }
}

TEST(Hmac, ManyEqualSingles) {
  const Hmac mac(lcg_bytes(32, 1));
  for (const std::size_t count : {0u, 1u, 2u, 3u, 8u, 9u, 10u, 15u, 16u, 17u, 33u}) {
    for (const std::size_t step : {0u, 1u, 63u, 64u, 65u, 5000u}) {
      std::vector<Bytes> texts;
      for (std::size_t i = 0; i < count; ++i) texts.push_back(lcg_bytes(step * i, i));
      const std::vector<ByteView> views(texts.begin(), texts.end());
      std::vector<Digest> macs(count);
      mac.many(views, macs);
      for (std::size_t i = 0; i < count; ++i) ASSERT_EQ(macs[i], mac(texts[i])) << count;
    }
  }
}

// Lanes that end at different times, and one message that is much longer than the others.
TEST(Hmac, ManyOfAllLengthsEqualSingles) {
  const Hmac mac(lcg_bytes(32, 2));
  std::vector<Bytes> texts;
  for (std::size_t i = 0; i < 200; ++i) texts.push_back(lcg_bytes(i * 7919 % 1300, i));
  texts.push_back(lcg_bytes(100'001, 3));
  const std::vector<ByteView> views(texts.begin(), texts.end());
  std::vector<Digest> macs(texts.size());
  mac.many(views, macs);
  for (std::size_t i = 0; i < texts.size(); ++i) ASSERT_EQ(macs[i], mac(texts[i])) << i;
}

// RFC 5869, cases 1 to 3: the first 32 bytes of the output are the same at any length.
TEST(Hkdf, Rfc5869) {
  const Bytes key(22, 0x0b);
  EXPECT_EQ(to_hex(hkdf(key, from_hex("000102030405060708090a0b0c"),
                        as_text(from_hex("f0f1f2f3f4f5f6f7f8f9")))),
            "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf");
  Bytes long_key, long_salt, long_info;
  for (unsigned i = 0; i < 80; ++i) {
    long_key.push_back(static_cast<std::uint8_t>(i));
    long_salt.push_back(static_cast<std::uint8_t>(0x60 + i));
    long_info.push_back(static_cast<std::uint8_t>(0xb0 + i));
  }
  EXPECT_EQ(to_hex(hkdf(long_key, long_salt, as_text(long_info))),
            "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c");
  EXPECT_EQ(to_hex(hkdf(key, {}, "")),
            "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d");
}

}  // namespace
}  // namespace holdfast
