#include "base/bytes.h"

#include <algorithm>
#include <cctype>

#include "base/error.h"

namespace holdfast {
namespace {

constexpr std::string_view kHexDigits = "0123456789abcdef";
constexpr std::string_view kBase64 =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::string_view kBase32 = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

[[noreturn]] void bad_text(const char* encoding) {
  throw Error(Code::kInvalid, std::string("not valid ") + encoding + " text");
}

char canonical_base32(char c) {
  const char upper = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  if (upper == 'O') return '0';
  if (upper == 'I' || upper == 'L') return '1';
  return upper;
}

}  // namespace

std::string to_hex(ByteView bytes) {
  std::string out;
  out.reserve(bytes.size() * 2);
  for (const std::uint8_t b : bytes) {
    out.push_back(kHexDigits[b >> 4]);
    out.push_back(kHexDigits[b & 15]);
  }
  return out;
}

Bytes from_hex(std::string_view text) {
  if (text.size() % 2 != 0) bad_text("hexadecimal");
  Bytes out;
  out.reserve(text.size() / 2);
  for (std::size_t i = 0; i < text.size(); i += 2) {
    const int high = hex_value(text[i]);
    const int low = hex_value(text[i + 1]);
    if (high < 0 || low < 0) bad_text("hexadecimal");
    out.push_back(static_cast<std::uint8_t>(high << 4 | low));
  }
  return out;
}

std::string to_base64(ByteView bytes) {
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::size_t left = std::min<std::size_t>(3, bytes.size() - i);
    std::uint32_t word = static_cast<std::uint32_t>(bytes[i]) << 16;
    if (left > 1) word |= static_cast<std::uint32_t>(bytes[i + 1]) << 8;
    if (left > 2) word |= bytes[i + 2];
    out.push_back(kBase64[word >> 18]);
    out.push_back(kBase64[word >> 12 & 63]);
    out.push_back(left > 1 ? kBase64[word >> 6 & 63] : '=');
    out.push_back(left > 2 ? kBase64[word & 63] : '=');
  }
  return out;
}

Bytes from_base64(std::string_view text) {
  if (text.size() % 4 != 0) bad_text("base64");
  Bytes out;
  out.reserve(text.size() / 4 * 3);
  for (std::size_t i = 0; i < text.size(); i += 4) {
    std::uint32_t word = 0;
    int padding = 0;
    for (std::size_t j = 0; j < 4; ++j) {
      const char c = text[i + j];
      const bool may_pad = i + 4 == text.size() && j >= 2;
      const auto at = kBase64.find(c);
      if (c == '=' && may_pad) {
        ++padding;
      } else if (at == std::string_view::npos || padding > 0) {
        bad_text("base64");
      }
      word = word << 6 | (c == '=' ? 0u : static_cast<std::uint32_t>(at));
    }
    out.push_back(static_cast<std::uint8_t>(word >> 16));
    if (padding < 2) out.push_back(static_cast<std::uint8_t>(word >> 8));
    if (padding < 1) out.push_back(static_cast<std::uint8_t>(word));
  }
  return out;
}

std::string to_base32(ByteView bytes) {
  std::string out;
  std::uint32_t word = 0;
  int bits = 0;
  for (const std::uint8_t b : bytes) {
    word = word << 8 | b;
    bits += 8;
    while (bits >= 5) {
      out.push_back(kBase32[word >> (bits - 5) & 31]);
      bits -= 5;
    }
  }
  if (bits > 0) out.push_back(kBase32[word << (5 - bits) & 31]);
  return out;
}

Bytes from_base32(std::string_view text) {
  Bytes out;
  std::uint32_t word = 0;
  int bits = 0;
  for (const char c : text) {
    if (c == '-' || std::isspace(static_cast<unsigned char>(c)) != 0) continue;
    const auto at = kBase32.find(canonical_base32(c));
    if (at == std::string_view::npos) bad_text("base32");
    word = word << 5 | static_cast<std::uint32_t>(at);
    bits += 5;
    if (bits >= 8) {
      out.push_back(static_cast<std::uint8_t>(word >> (bits - 8)));
      bits -= 8;
    }
  }
  return out;
}

bool equal_constant_time(ByteView a, ByteView b) {
  if (a.size() != b.size()) return false;
  unsigned difference = 0;
  for (std::size_t i = 0; i < a.size(); ++i) difference |= unsigned{a[i]} ^ unsigned { b[i] };
  return difference == 0;
}

}  // namespace holdfast
