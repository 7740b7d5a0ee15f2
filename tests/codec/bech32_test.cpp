// The test vectors of BIP 173 that its limit of length does not concern.
#include "codec/bech32.h"

#include <gtest/gtest.h>

#include "base/throws.h"
#include "codec/random_data.h"

namespace holdfast {
namespace {

TEST(Bech32, ValidOnes) {
  EXPECT_EQ(bech32_decode("A12UEL5L").prefix, "A");
  EXPECT_TRUE(bech32_decode("a12uel5l").data.empty());
  EXPECT_EQ(to_hex(bech32_decode("abcdef1qpzry9x8gf2tvdw0s3jn54khce6mua7lmqqqxw").data),
            "00443214c74254b635cf84653a56d7c675be77df");
  EXPECT_EQ(bech32_encode("abcdef", from_hex("00443214c74254b635cf84653a56d7c675be77df")),
            "abcdef1qpzry9x8gf2tvdw0s3jn54khce6mua7lmqqqxw");
  EXPECT_EQ(bech32_decode("split1checkupstagehandshakeupstreamerranterredcaperred2y9e3w").prefix,
            "split");
}

TEST(Bech32, InvalidOnes) {
  for (const char* text : {"", "pzry9x0s0muk", "1pzry9x0s0muk", "x1b4n0q5v", "li1dgmt3", "A1G7SGD8",
                           "10a06t8", "1qzzfhee", "a12uel5m", "A12uel5l",
                           "\x20"
                           "1nwldj5",
                           "\x7f"
                           "1axkwrx",
                           "\x80"
                           "1eym55h"}) {
    EXPECT_EQ(thrown_by([&] { bech32_decode(text); }), Code::kInvalid) << text;
  }
}

TEST(Bech32, RoundTripsAndEveryChangedCharacterIsNoticed) {
  for (std::size_t size = 0; size < 40; ++size) {
    const Bytes data = lcg_bytes(size, size);
    std::string text = bech32_encode("age", data);
    EXPECT_EQ(bech32_decode(text).data, data);
    for (std::size_t i = 4; i < text.size(); ++i) {
      const char right = text[i];
      text[i] = right == 'q' ? 'p' : 'q';
      EXPECT_EQ(thrown_by([&] { bech32_decode(text); }), Code::kInvalid) << text;
      text[i] = right;
    }
  }
}

}  // namespace
}  // namespace holdfast
