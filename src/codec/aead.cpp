#include "codec/aead.h"

#include <openssl/evp.h>

#include <memory>
#include <string>

#include "base/error.h"

namespace holdfast {
namespace {

struct FreeContext {
  void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
};
using Context = std::unique_ptr<EVP_CIPHER_CTX, FreeContext>;

void require(int result) {
  if (result != 1) throw Error(Code::kInternal, "the AES-GCM library call failed");
}

// EVP takes lengths as int; what we seal is at most a few tens of MiB.
int checked_length(std::size_t size) {
  if (size > 0x7fffffff) throw Error(Code::kInternal, "too much data for one seal");
  return static_cast<int>(size);
}

Context new_context() {
  Context context(EVP_CIPHER_CTX_new());
  if (!context) throw Error(Code::kExhausted, "out of memory");
  return context;
}

}  // namespace

Nonce counter_nonce(std::uint64_t counter) {
  Nonce nonce{};
  for (std::size_t i = 0; i < 8; ++i) nonce[4 + i] = static_cast<std::uint8_t>(counter >> (8 * i));
  return nonce;
}

void seal(const Key& key, const Nonce& nonce, ByteView associated, ByteView plain, Bytes& out) {
  const Context context = new_context();
  const std::size_t start = out.size();
  out.resize(start + plain.size() + kTagSize);
  std::uint8_t* to = out.data() + start;
  int n = 0;
  require(EVP_EncryptInit_ex(context.get(), EVP_aes_256_gcm(), nullptr, key.data(), nonce.data()));
  require(EVP_EncryptUpdate(context.get(), nullptr, &n, associated.data(),
                            checked_length(associated.size())));
  if (!plain.empty()) {
    require(EVP_EncryptUpdate(context.get(), to, &n, plain.data(), checked_length(plain.size())));
  }
  require(EVP_EncryptFinal_ex(context.get(), to + plain.size(), &n));
  require(EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_GET_TAG, kTagSize, to + plain.size()));
}

Bytes seal(const Key& key, const Nonce& nonce, ByteView associated, ByteView plain) {
  Bytes out;
  seal(key, nonce, associated, plain, out);
  return out;
}

bool open_into(const Key& key, const Nonce& nonce, ByteView associated, ByteView sealed,
               MutableBytes out) {
  if (sealed.size() < kTagSize || out.size() != sealed.size() - kTagSize) return false;
  const Context context = new_context();
  int n = 0;
  require(EVP_DecryptInit_ex(context.get(), EVP_aes_256_gcm(), nullptr, key.data(), nonce.data()));
  require(EVP_DecryptUpdate(context.get(), nullptr, &n, associated.data(),
                            checked_length(associated.size())));
  if (!out.empty()) {
    require(EVP_DecryptUpdate(context.get(), out.data(), &n, sealed.data(),
                              checked_length(out.size())));
  }
  std::array<std::uint8_t, kTagSize> tag;
  std::copy(sealed.end() - kTagSize, sealed.end(), tag.begin());
  require(EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_SET_TAG, kTagSize, tag.data()));
  std::uint8_t none = 0;
  return EVP_DecryptFinal_ex(context.get(), out.empty() ? &none : out.data(), &n) == 1;
}

Bytes open(const Key& key, const Nonce& nonce, ByteView associated, ByteView sealed,
           std::string_view what) {
  Bytes out(sealed.size() < kTagSize ? 0 : sealed.size() - kTagSize);
  if (!open_into(key, nonce, associated, sealed, out)) {
    throw Error(Code::kCorrupt, std::string(what) + " does not authenticate");
  }
  return out;
}

}  // namespace holdfast
