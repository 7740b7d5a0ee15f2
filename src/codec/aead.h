// AES-256-GCM (NIST SP 800-38D) with a 96-bit nonce.
#pragma once

#include <array>
#include <cstdint>

#include "base/bytes.h"

namespace holdfast {

using Key = std::array<std::uint8_t, 32>;
using Nonce = std::array<std::uint8_t, 12>;

inline constexpr std::size_t kTagSize = 16;

// The nonce for number `counter`: four zero bytes, then the counter, little-endian. A counter must
// never be used twice under a key.
Nonce counter_nonce(std::uint64_t counter);

// Appends ciphertext and tag to `out`. Thread-safe.
void seal(const Key& key, const Nonce& nonce, ByteView associated, ByteView plain, Bytes& out);
Bytes seal(const Key& key, const Nonce& nonce, ByteView associated, ByteView plain);

// Decrypts into `out`, which has sealed.size() - kTagSize bytes and may be the beginning of
// `sealed` itself. False when the tag does not match (then `out` holds garbage). Thread-safe.
bool open_into(const Key& key, const Nonce& nonce, ByteView associated, ByteView sealed,
               MutableBytes out);
// The same into a new buffer; throws Error(kCorrupt, "WHAT does not authenticate").
Bytes open(const Key& key, const Nonce& nonce, ByteView associated, ByteView sealed,
           std::string_view what);

}  // namespace holdfast
