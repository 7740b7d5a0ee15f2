#include "codec/hash.h"

#include <algorithm>
#include <numeric>

#include "codec/hmac_lanes.h"
#include "codec/sha256_lanes.h"
#include "codec/sha256_pair.h"

namespace holdfast {

// The one-struct interface, deprecated, allocates nothing and copies by assignment, which the EVP
// interface does not: a chunk of a small file is hashed in less time than EVP needs to set up.
Sha256::Sha256() : context_{} { SHA256_Init(&context_); }

void Sha256::update(ByteView data) { SHA256_Update(&context_, data.data(), data.size()); }

Digest Sha256::finish() {
  Digest digest;
  SHA256_Final(digest.data(), &context_);
  return digest;
}

// Accounts for blocks that were hashed outside of the library.
void Sha256::skip_blocks(std::size_t count) {
  const std::uint64_t bits =
      (std::uint64_t{context_.Nh} << 32 | context_.Nl) + std::uint64_t{count} * 512;
  context_.Nl = static_cast<SHA_LONG>(bits);
  context_.Nh = static_cast<SHA_LONG>(bits >> 32);
}

std::array<std::uint32_t, 8> Sha256::words() const {
  std::array<std::uint32_t, 8> words;
  std::copy(std::begin(context_.h), std::end(context_.h), words.begin());
  return words;
}

void Sha256::update_pair(Sha256& a, ByteView data_a, Sha256& b, ByteView data_b) {
  static_assert(sizeof(SHA_LONG) == sizeof(std::uint32_t));
  const std::size_t blocks = std::min(data_a.size(), data_b.size()) / 64;
  if (blocks > 0 && has_sha256_pair() && a.context_.num == 0 && b.context_.num == 0) {
    sha256_blocks_pair(a.context_.h, data_a.data(), b.context_.h, data_b.data(), blocks);
    a.skip_blocks(blocks);
    b.skip_blocks(blocks);
    data_a = data_a.subspan(blocks * 64);
    data_b = data_b.subspan(blocks * 64);
  }
  a.update(data_a);
  b.update(data_b);
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

void Hmac::many(std::span<const ByteView> messages, std::span<Digest> out) const {
  if (messages.size() >= kLanesWorth && has_sha256_lanes()) {
    return hmac_lanes(inner_.words(), outer_.words(), messages, out);
  }
  // Neighbours of like length leave little over that has no partner.
  std::vector<std::size_t> order(messages.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(),
            [&](std::size_t i, std::size_t j) { return messages[i].size() < messages[j].size(); });
  std::size_t i = order.size() % 2;
  if (i == 1) out[order[0]] = (*this)(messages[order[0]]);
  for (; i < order.size(); i += 2) {
    Sha256 inner_a = inner_;
    Sha256 inner_b = inner_;
    Sha256::update_pair(inner_a, messages[order[i]], inner_b, messages[order[i + 1]]);
    const Digest digest_a = inner_a.finish();
    const Digest digest_b = inner_b.finish();
    Sha256 outer_a = outer_;
    Sha256 outer_b = outer_;
    outer_a.update(digest_a);
    outer_b.update(digest_b);
    out[order[i]] = outer_a.finish();
    out[order[i + 1]] = outer_b.finish();
  }
}

Digest hkdf(ByteView key, ByteView salt, std::string_view info) {
  const Digest extracted = Hmac(salt)(key);
  const std::uint8_t counter = 1;
  return Hmac(extracted)(as_bytes(info), ByteView(&counter, 1));
}

}  // namespace holdfast
