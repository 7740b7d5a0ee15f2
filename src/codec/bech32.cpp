#include "codec/bech32.h"

#include <algorithm>
#include <array>
#include <cstdint>

#include "base/error.h"

namespace holdfast {
namespace {

constexpr std::string_view kAlphabet = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";
constexpr std::size_t kChecksumSize = 6;

bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }
bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
char lower(char c) { return is_upper(c) ? static_cast<char>(c - 'A' + 'a') : c; }

// The checksum of BIP 173: a BCH code over groups of five bits.
class Checksum {
 public:
  void add(std::uint8_t group) {
    constexpr std::array<std::uint32_t, 5> kGenerator{0x3b6a57b2, 0x26508e6d, 0x1ea119fa,
                                                      0x3d4233dd, 0x2a1462b3};
    const std::uint32_t top = value_ >> 25;
    value_ = (value_ & 0x1ffffff) << 5 ^ group;
    for (std::size_t i = 0; i < kGenerator.size(); ++i) {
      if ((top >> i & 1) != 0) value_ ^= kGenerator[i];
    }
  }
  void add_prefix(std::string_view prefix) {
    for (const char c : prefix) add(static_cast<std::uint8_t>(static_cast<std::uint8_t>(c) >> 5));
    add(0);
    for (const char c : prefix) add(static_cast<std::uint8_t>(c) & 31);
  }
  std::uint32_t value() const { return value_; }

 private:
  std::uint32_t value_ = 1;
};

Bytes groups_of(ByteView data) {
  Bytes groups;
  std::uint32_t bits = 0;
  int count = 0;
  for (const std::uint8_t byte : data) {
    bits = bits << 8 | byte;
    for (count += 8; count >= 5;) {
      count -= 5;
      groups.push_back(static_cast<std::uint8_t>(bits >> count & 31));
    }
    bits &= (1u << count) - 1;
  }
  if (count > 0) groups.push_back(static_cast<std::uint8_t>(bits << (5 - count) & 31));
  return groups;
}

[[noreturn]] void refuse_text(const std::string& why) {
  throw Error(Code::kInvalid, "this is no Bech32 text: " + why, "copy it again, whole");
}

Bytes bytes_of(ByteView groups) {
  Bytes data;
  std::uint32_t bits = 0;
  int count = 0;
  for (const std::uint8_t group : groups) {
    bits = bits << 5 | group;
    count += 5;
    if (count >= 8) {
      count -= 8;
      data.push_back(static_cast<std::uint8_t>(bits >> count));
    }
    bits &= (1u << count) - 1;
  }
  if (count >= 5 || bits != 0) refuse_text("bits are left over");
  return data;
}

}  // namespace

std::string bech32_encode(std::string_view prefix, ByteView data) {
  const Bytes groups = groups_of(data);
  Checksum checksum;
  checksum.add_prefix(prefix);
  std::string text(prefix);
  text += '1';
  for (const std::uint8_t group : groups) {
    checksum.add(group);
    text += kAlphabet[group];
  }
  for (std::size_t i = 0; i < kChecksumSize; ++i) checksum.add(0);
  const std::uint32_t value = checksum.value() ^ 1;
  for (std::size_t i = 0; i < kChecksumSize; ++i) {
    text += kAlphabet[value >> (5 * (kChecksumSize - 1 - i)) & 31];
  }
  return text;
}

Bech32 bech32_decode(std::string_view text) {
  if (std::any_of(text.begin(), text.end(), [](char c) { return c < 33 || c > 126; })) {
    refuse_text("it has characters that cannot be there");
  }
  if (std::any_of(text.begin(), text.end(), is_upper) &&
      std::any_of(text.begin(), text.end(), is_lower)) {
    refuse_text("upper and lower case are mixed");
  }
  const std::size_t separator = text.rfind('1');
  if (separator == std::string_view::npos || separator == 0 ||
      text.size() - separator - 1 < kChecksumSize) {
    refuse_text("it is too short");
  }
  std::string prefix(text.substr(0, separator));
  std::string lower_prefix = prefix;
  std::transform(prefix.begin(), prefix.end(), lower_prefix.begin(), lower);
  Checksum checksum;
  checksum.add_prefix(lower_prefix);
  Bytes groups;
  for (const char c : text.substr(separator + 1)) {
    const std::size_t group = kAlphabet.find(lower(c));
    if (group == std::string_view::npos) refuse_text("it has characters that cannot be there");
    groups.push_back(static_cast<std::uint8_t>(group));
    checksum.add(groups.back());
  }
  if (checksum.value() != 1) refuse_text("its checksum is wrong");
  return {std::move(prefix), bytes_of(ByteView(groups).first(groups.size() - kChecksumSize))};
}

}  // namespace holdfast
