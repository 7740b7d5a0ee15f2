#include "base/bytes.h"

#include <gtest/gtest.h>

#include <string>

#include "base/throws.h"

namespace holdfast {
namespace {

Bytes all_bytes() {
  Bytes bytes;
  for (int i = 0; i < 256; ++i) bytes.push_back(static_cast<std::uint8_t>(i));
  return bytes;
}

std::string text_of(const Bytes& bytes) { return std::string(as_text(bytes)); }

TEST(Hex, KnownAnswers) {
  EXPECT_EQ(to_hex({}), "");
  EXPECT_EQ(to_hex(as_bytes("\x01\xab\xff")), "01abff");
  EXPECT_EQ(from_hex("01abFF"), (Bytes{0x01, 0xab, 0xff}));
  EXPECT_EQ(from_hex(to_hex(all_bytes())), all_bytes());
}

TEST(Hex, RefusesOtherText) {
  for (const char* text : {"0", "0g", "g0", " 00", "0x00", "00 "}) {
    EXPECT_EQ(thrown_by([&] { from_hex(text); }), Code::kInvalid) << text;
  }
}

TEST(Base64, KnownAnswersOfRfc4648) {
  const std::pair<const char*, const char*> cases[] = {{"", ""},
                                                       {"f", "Zg=="},
                                                       {"fo", "Zm8="},
                                                       {"foo", "Zm9v"},
                                                       {"foob", "Zm9vYg=="},
                                                       {"fooba", "Zm9vYmE="},
                                                       {"foobar", "Zm9vYmFy"}};
  for (const auto& [plain, encoded] : cases) {
    EXPECT_EQ(to_base64(as_bytes(plain)), encoded);
    EXPECT_EQ(text_of(from_base64(encoded)), plain);
  }
  EXPECT_EQ(from_base64(to_base64(all_bytes())), all_bytes());
}

TEST(Base64, RefusesOtherText) {
  for (const char* text :
       {"Z", "Zg", "Zg=", "=", "====", "Z===", "Zg==Zg==", "Zm=v", "Zm9v\n", "Zm-_", "Zm 9"}) {
    EXPECT_EQ(thrown_by([&] { from_base64(text); }), Code::kInvalid) << text;
  }
}

TEST(Base32, RoundTripsEveryLength) {
  const Bytes bytes = all_bytes();
  for (std::size_t size = 0; size <= bytes.size(); ++size) {
    const ByteView part = ByteView(bytes).first(size);
    const std::string encoded = to_base32(part);
    EXPECT_EQ(encoded.size(), (size * 8 + 4) / 5);
    EXPECT_EQ(from_base32(encoded), to_bytes(part));
  }
}

TEST(Base32, KnownAnswers) {
  EXPECT_EQ(to_base32(as_bytes("foobar")), "CSQPYRK1E8");
  EXPECT_EQ(to_base32(Bytes{0xff}), "ZW");
}

TEST(Base32, ForgivesWhatPeopleType) {
  const Bytes expected = from_base32("CSQPYRK1E8");
  EXPECT_EQ(from_base32("csqp-yrk1 e8\n"), expected);
  EXPECT_EQ(from_base32("CSQPYRKIE8"), expected);
  EXPECT_EQ(from_base32("CSQPYRKLE8"), expected);
  EXPECT_EQ(from_base32("O0"), from_base32("00"));
}

TEST(Base32, RefusesOtherText) {
  for (const char* text : {"U0", "C!", "C_S", "\xc3\xa4"}) {
    EXPECT_EQ(thrown_by([&] { from_base32(text); }), Code::kInvalid) << text;
  }
}

TEST(Bytes, EqualConstantTime) {
  EXPECT_TRUE(equal_constant_time({}, {}));
  EXPECT_TRUE(equal_constant_time(as_bytes("abc"), as_bytes("abc")));
  EXPECT_FALSE(equal_constant_time(as_bytes("abc"), as_bytes("abd")));
  EXPECT_FALSE(equal_constant_time(as_bytes("bbc"), as_bytes("abc")));
  EXPECT_FALSE(equal_constant_time(as_bytes("abc"), as_bytes("ab")));
}

TEST(Bytes, Append) {
  Bytes bytes = to_bytes(as_bytes("ab"));
  append(bytes, as_bytes("cd"));
  append(bytes, {});
  EXPECT_EQ(as_text(bytes), "abcd");
}

}  // namespace
}  // namespace holdfast
