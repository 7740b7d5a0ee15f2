// The one-struct interface allocates nothing and copies by assignment, which the EVP interface does
// not: a chunk of a small file is hashed in less time than EVP needs to set up.
#define OPENSSL_SUPPRESS_DEPRECATED
#include "codec/hash.h"

#include <algorithm>

namespace holdfast {

Sha256::Sha256() : context_{} { SHA256_Init(&context_); }

void Sha256::update(ByteView data) { SHA256_Update(&context_, data.data(), data.size()); }

Digest Sha256::finish() {
  Digest digest;
  SHA256_Final(digest.data(), &context_);
  return digest;
}

Digest sha256(ByteView data) {
  Sha256 hash;
  hash.update(data);
  return hash.finish();
}

Hmac::Hmac(ByteView key) {
  std::array<std::uint8_t, 64> block{};
  if (key.size() > block.size()) {
    const Digest digest = sha256(key);
    std::copy(digest.begin(), digest.end(), block.begin());
  } else {
    std::copy(key.begin(), key.end(), block.begin());
  }
  for (std::uint8_t& b : block) b ^= 0x36;
  inner_.update(block);
  for (std::uint8_t& b : block) b ^= 0x36 ^ 0x5c;
  outer_.update(block);
}

Digest Hmac::operator()(ByteView data) const { return (*this)(data, {}); }

Digest Hmac::operator()(ByteView a, ByteView b) const {
  Sha256 inner = inner_;
  inner.update(a);
  if (!b.empty()) inner.update(b);
  const Digest digest = inner.finish();
  Sha256 outer = outer_;
  outer.update(digest);
  return outer.finish();
}

Digest hkdf(ByteView key, ByteView salt, std::string_view info) {
  const Digest extracted = Hmac(salt)(key);
  const std::uint8_t counter = 1;
  return Hmac(extracted)(as_bytes(info), ByteView(&counter, 1));
}

}  // namespace holdfast
