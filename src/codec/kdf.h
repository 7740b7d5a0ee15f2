// Keys from passphrases, random bytes, and boxes that only the holder of a secret key can open.
#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "codec/aead.h"

namespace holdfast {

// Fills `out` from the system's random source.
void random_bytes(MutableBytes out);
template <std::size_t Size>
std::array<std::uint8_t, Size> random_array() {
  std::array<std::uint8_t, Size> out;
  random_bytes(out);
  return out;
}

struct Argon2Cost {
  std::uint64_t operations = 3;
  std::uint64_t memory = 64u << 20;  // bytes
};

// Argon2id (RFC 9106) by libsodium. `salt` has 16 bytes. A cost beyond sane bounds (read from an
// object that anyone may have written) is Error(kInvalid).
Key argon2id(std::string_view passphrase, ByteView salt, const Argon2Cost& cost);

// X25519 key pair from a 32-byte secret.
Key public_key_of(const Key& secret);

inline constexpr std::size_t kBoxOverhead = 48;
// libsodium's crypto_box_seal: anyone can make one, only the secret key opens it.
Bytes box_seal(const Key& public_key, ByteView plain);
// Throws Error(kCorrupt) when it was not made for this key or was altered.
Bytes box_open(const Key& secret, ByteView box);

// Overwrites memory in a way that the compiler keeps.
void wipe(MutableBytes bytes);

}  // namespace holdfast
