#include "codec/kdf.h"

#include <sodium.h>

#include "base/error.h"

namespace holdfast {
namespace {

void ready() {
  static const int result = sodium_init();
  if (result < 0) throw Error(Code::kInternal, "libsodium cannot start");
}

}  // namespace

void random_bytes(MutableBytes out) {
  ready();
  randombytes_buf(out.data(), out.size());
}

Key argon2id(std::string_view passphrase, ByteView salt, const Argon2Cost& cost) {
  ready();
  if (salt.size() != crypto_pwhash_SALTBYTES || cost.operations < 1 || cost.operations > 64 ||
      cost.memory < 8192 || cost.memory > (std::uint64_t{4} << 30)) {
    throw Error(Code::kInvalid, "the passphrase parameters of the key are out of bounds",
                "the key object may have been altered; use the key file or the recovery sheet");
  }
  Key key;
  if (crypto_pwhash(key.data(), key.size(), passphrase.data(), passphrase.size(), salt.data(),
                    cost.operations, cost.memory, crypto_pwhash_ALG_ARGON2ID13) != 0) {
    throw Error(Code::kExhausted, "not enough memory to check the passphrase",
                "free 64 MiB, or use a key file: --key-file FILE");
  }
  return key;
}

Key public_key_of(const Key& secret) {
  ready();
  Key key;
  crypto_scalarmult_base(key.data(), secret.data());
  return key;
}

Bytes box_seal(const Key& public_key, ByteView plain) {
  ready();
  Bytes box(plain.size() + kBoxOverhead);
  if (crypto_box_seal(box.data(), plain.data(), plain.size(), public_key.data()) != 0) {
    throw Error(Code::kInternal, "cannot seal to the public key");
  }
  return box;
}

Bytes box_open(const Key& secret, ByteView box) {
  const Key public_key = public_key_of(secret);
  Bytes plain(box.size() < kBoxOverhead ? 0 : box.size() - kBoxOverhead);
  if (box.size() < kBoxOverhead || crypto_box_seal_open(plain.data(), box.data(), box.size(),
                                                        public_key.data(), secret.data()) != 0) {
    throw Error(Code::kCorrupt, "a session key does not open with this vault's key");
  }
  return plain;
}

void wipe(MutableBytes bytes) { sodium_memzero(bytes.data(), bytes.size()); }

}  // namespace holdfast
