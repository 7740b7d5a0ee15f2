// Byte buffers and views. Everything that crosses a room boundary is one of these two types.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace holdfast {

using Bytes = std::vector<std::uint8_t>;
using ByteView = std::span<const std::uint8_t>;
using MutableBytes = std::span<std::uint8_t>;

// The characters of `text` as bytes; valid as long as `text` is.
inline ByteView as_bytes(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

// The bytes as characters; valid as long as the view is.
inline std::string_view as_text(ByteView bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

inline Bytes to_bytes(ByteView view) { return {view.begin(), view.end()}; }

inline void append(Bytes& out, ByteView more) { out.insert(out.end(), more.begin(), more.end()); }

// Lower-case hexadecimal.
std::string to_hex(ByteView bytes);

// Throws Error(kInvalid) on an odd length or a character that is not a hexadecimal digit.
Bytes from_hex(std::string_view text);

// RFC 4648 base64 with padding; decoding is strict and throws Error(kInvalid).
std::string to_base64(ByteView bytes);
Bytes from_base64(std::string_view text);

// Crockford base32 (no I, L, O, U), for text that people type. Decoding ignores case, spaces and
// dashes and reads O as 0 and I, L as 1; throws Error(kInvalid) on anything else.
std::string to_base32(ByteView bytes);
Bytes from_base32(std::string_view text);

// True when both are equal, in time that depends on the length alone.
bool equal_constant_time(ByteView a, ByteView b);

}  // namespace holdfast
