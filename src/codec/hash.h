// SHA-256 and HMAC-SHA-256 (FIPS 180-4, RFC 2104).
#pragma once

#include <openssl/sha.h>

#include <array>

#include "base/bytes.h"

namespace holdfast {

using Digest = std::array<std::uint8_t, 32>;

// Incremental SHA-256. Copyable: a copy continues from the same state. One thread at a time.
class Sha256 {
 public:
  Sha256();
  void update(ByteView data);
  Digest finish();  // the object must not be used afterwards

  // update() of two streams at once, faster than one after the other where the processor can. Both
  // must have been fed whole blocks (64 bytes) so far.
  static void update_pair(Sha256& a, ByteView data_a, Sha256& b, ByteView data_b);

  // H0 to H7 behind the whole blocks so far.
  std::array<std::uint32_t, 8> words() const;

 private:
  void skip_blocks(std::size_t count);

  SHA256_CTX context_;
};

Digest sha256(ByteView data);

// HMAC under one key, whose two key blocks are hashed once. Thread-safe.
class Hmac {
 public:
  explicit Hmac(ByteView key);
  Digest operator()(ByteView data) const;
  // The MAC of `a` followed by `b`.
  Digest operator()(ByteView a, ByteView b) const;
  // The MACs of many messages, several at a time. `out` has as many elements as `messages`.
  void many(std::span<const ByteView> messages, std::span<Digest> out) const;

 private:
  Sha256 inner_;
  Sha256 outer_;
};

// HKDF-SHA-256 (RFC 5869) with 32 bytes of output.
Digest hkdf(ByteView key, ByteView salt, std::string_view info);

}  // namespace holdfast
