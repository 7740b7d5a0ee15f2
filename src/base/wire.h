// Reading and writing of binary formats: little-endian integers, LEB128 varints, byte strings.
#pragma once

#include <cstring>
#include <string>
#include <string_view>
#include <type_traits>

#include "base/bytes.h"
#include "base/error.h"

namespace holdfast {

// Appends to a buffer that it does not own.
class WireWriter {
 public:
  explicit WireWriter(Bytes& out) : out_(out) {}

  template <typename Integer>
  void fixed(Integer value) {
    static_assert(std::is_unsigned_v<Integer>);
    for (std::size_t i = 0; i < sizeof value; ++i) {
      out_.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
    }
  }
  void varint(std::uint64_t value) {
    for (; value >= 0x80; value >>= 7) out_.push_back(static_cast<std::uint8_t>(value | 0x80));
    out_.push_back(static_cast<std::uint8_t>(value));
  }
  // Zig-zag: small magnitudes of either sign stay short.
  void signed_varint(std::int64_t value) {
    varint(static_cast<std::uint64_t>(value) << 1 ^ static_cast<std::uint64_t>(value >> 63));
  }
  void raw(ByteView bytes) { append(out_, bytes); }
  // A varint length, then the bytes.
  void string(std::string_view text) {
    varint(text.size());
    raw(as_bytes(text));
  }

 private:
  Bytes& out_;
};

// Reads from a view that must outlive it. Every read past the end throws Error(kCorrupt).
class WireReader {
 public:
  explicit WireReader(ByteView in) : in_(in) {}

  bool done() const { return at_ == in_.size(); }
  std::size_t left() const { return in_.size() - at_; }
  std::size_t position() const { return at_; }

  template <typename Integer>
  Integer fixed() {
    static_assert(std::is_unsigned_v<Integer>);
    const ByteView bytes = raw(sizeof(Integer));
    Integer value = 0;
    for (std::size_t i = 0; i < sizeof value; ++i) {
      value = static_cast<Integer>(value | static_cast<Integer>(bytes[i]) << (8 * i));
    }
    return value;
  }
  std::uint64_t varint() {
    std::uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      const std::uint8_t byte = raw(1)[0];
      if (shift == 63 && byte > 1) fail();
      value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    fail();
  }
  std::int64_t signed_varint() {
    const std::uint64_t value = varint();
    return static_cast<std::int64_t>(value >> 1 ^ (~(value & 1) + 1));
  }
  ByteView raw(std::size_t size) {
    if (size > left()) fail();
    const ByteView bytes = in_.subspan(at_, size);
    at_ += size;
    return bytes;
  }
  std::string_view string() {
    const std::uint64_t size = varint();
    if (size > left()) fail();
    return as_text(raw(static_cast<std::size_t>(size)));
  }

 private:
  [[noreturn]] static void fail() { throw Error(Code::kCorrupt, "unexpected end of data"); }

  ByteView in_;
  std::size_t at_ = 0;
};

}  // namespace holdfast
