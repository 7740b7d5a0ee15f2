#include "codec/age.h"

#include <openssl/evp.h>

#include <algorithm>

#include "base/error.h"
#include "codec/bech32.h"
#include "codec/kdf.h"

namespace holdfast {
namespace {

constexpr std::string_view kRecipientPrefix = "age";
constexpr std::string_view kIdentityPrefix = "AGE-SECRET-KEY-";
constexpr std::size_t kNonceSize = 16;

Key key_from(std::string_view text, std::string_view prefix, const std::string& what,
             const std::string& form) {
  const std::string hint = what + " looks like " + form;
  Bech32 decoded;
  try {
    decoded = bech32_decode(text);
  } catch (const Error&) {
    throw Error(Code::kInvalid, "this is no " + what + " of age, or it is damaged", hint);
  }
  if (decoded.prefix != prefix || decoded.data.size() != sizeof(Key)) {
    throw Error(Code::kInvalid, "this is no X25519 " + what + " of age", hint);
  }
  Key key;
  std::copy(decoded.data.begin(), decoded.data.end(), key.begin());
  return key;
}

void require_poly1305(int result) {
  if (result != 1) throw Error(Code::kInternal, "the ChaCha20-Poly1305 library call failed");
}

// The number of the chunk in 11 bytes, big-endian, then whether it is the last.
Nonce chunk_nonce(std::uint64_t counter, bool last) {
  Nonce nonce{};
  for (std::size_t i = 0; i < 8; ++i) {
    nonce[10 - i] = static_cast<std::uint8_t>(counter >> (8 * i));
  }
  nonce[11] = last ? 1 : 0;
  return nonce;
}

}  // namespace

Key parse_age_recipient(std::string_view text) {
  return key_from(text, kRecipientPrefix, "recipient", "age1...");
}

std::string age_recipient_text(const Key& recipient) {
  return bech32_encode(kRecipientPrefix, recipient);
}

Key parse_age_identity(std::string_view text) {
  return key_from(text, kIdentityPrefix, "secret key", "AGE-SECRET-KEY-1...");
}

std::string age_identity_text(const Key& identity) {
  std::string text = bech32_encode("age-secret-key-", identity);
  for (char& c : text) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  return text;
}

std::vector<Key> parse_age_identities(std::string_view file) {
  std::vector<Key> identities;
  for (std::size_t at = 0; at < file.size();) {
    const std::size_t end = std::min(file.find('\n', at), file.size());
    std::string_view line = file.substr(at, end - at);
    at = end + 1;
    while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) line.remove_suffix(1);
    if (!line.empty() && line.front() != '#') identities.push_back(parse_age_identity(line));
  }
  if (identities.empty()) {
    throw Error(Code::kInvalid, "there is no secret key of age", "make one with: age-keygen");
  }
  return identities;
}

class AgePayloadCipher::Context {
 public:
  Context() : context_(EVP_CIPHER_CTX_new()) {
    if (context_ == nullptr) throw Error(Code::kExhausted, "out of memory");
  }
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;
  ~Context() { EVP_CIPHER_CTX_free(context_); }
  EVP_CIPHER_CTX* get() { return context_; }

 private:
  EVP_CIPHER_CTX* context_;
};

AgePayloadCipher::AgePayloadCipher(const AgeFileKey& file_key, ByteView nonce)
    : context_(std::make_unique<Context>()), key_(hkdf(file_key, nonce, "payload")) {}

AgePayloadCipher::~AgePayloadCipher() { wipe(key_); }

void AgePayloadCipher::seal(ByteView plain, bool last, MutableBytes out) {
  const Nonce nonce = chunk_nonce(counter_++, last);
  EVP_CIPHER_CTX* const context = context_->get();
  std::uint8_t* const tag = out.data() + plain.size();
  int n = 0;
  require_poly1305(
      EVP_EncryptInit_ex(context, EVP_chacha20_poly1305(), nullptr, key_.data(), nonce.data()));
  if (!plain.empty()) {
    require_poly1305(
        EVP_EncryptUpdate(context, out.data(), &n, plain.data(), static_cast<int>(plain.size())));
  }
  require_poly1305(EVP_EncryptFinal_ex(context, tag, &n));
  require_poly1305(EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, kTagSize, tag));
}

bool AgePayloadCipher::open(ByteView sealed, bool last, MutableBytes out) {
  const Nonce nonce = chunk_nonce(counter_++, last);
  EVP_CIPHER_CTX* const context = context_->get();
  int n = 0;
  require_poly1305(
      EVP_DecryptInit_ex(context, EVP_chacha20_poly1305(), nullptr, key_.data(), nonce.data()));
  if (!out.empty()) {
    require_poly1305(
        EVP_DecryptUpdate(context, out.data(), &n, sealed.data(), static_cast<int>(out.size())));
  }
  std::array<std::uint8_t, kTagSize> tag;
  std::copy(sealed.end() - kTagSize, sealed.end(), tag.begin());
  require_poly1305(EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, kTagSize, tag.data()));
  std::uint8_t none = 0;
  return EVP_DecryptFinal_ex(context, out.empty() ? &none : out.data(), &n) == 1;
}

AgeWriter::AgeWriter(std::vector<Key> recipients, ByteSink sink)
    : recipients_(std::move(recipients)), sink_(std::move(sink)) {
  chunk_.reserve(kAgeChunkSize);
}

void AgeWriter::begin() {
  const auto file_key = random_array<sizeof(AgeFileKey)>();
  const auto nonce = random_array<kNonceSize>();
  const std::string header = make_age_header(file_key, recipients_);
  cipher_ = std::make_unique<AgePayloadCipher>(file_key, nonce);
  sink_(as_bytes(header));
  sink_(nonce);
}

void AgeWriter::write(ByteView data) {
  if (!cipher_) begin();
  while (!data.empty()) {
    // A full chunk waits until something follows it: it may be the last.
    if (chunk_.size() == kAgeChunkSize) end_chunk(false);
    const std::size_t part = std::min(kAgeChunkSize - chunk_.size(), data.size());
    append(chunk_, data.first(part));
    data = data.subspan(part);
  }
}

void AgeWriter::finish() {
  if (!cipher_) begin();
  end_chunk(true);
}

void AgeWriter::end_chunk(bool last) {
  sealed_.resize(chunk_.size() + kTagSize);
  cipher_->seal(chunk_, last, sealed_);
  sink_(sealed_);
  chunk_.clear();
}

AgeReader::AgeReader(std::vector<Key> identities, ByteSink sink)
    : identities_(std::move(identities)), sink_(std::move(sink)) {
  buffer_.reserve(kAgeChunkSize + kTagSize);
}

void AgeReader::write(ByteView data) {
  if (!file_key_) data = take_header(data);
  if (file_key_ && !cipher_) data = take_nonce(data);
  while (!data.empty()) {
    if (buffer_.size() == kAgeChunkSize + kTagSize) open_chunk(false);
    const std::size_t part = std::min(kAgeChunkSize + kTagSize - buffer_.size(), data.size());
    append(buffer_, data.first(part));
    data = data.subspan(part);
  }
}

ByteView AgeReader::take_header(ByteView data) {
  data = header_.take(data);
  if (header_.complete()) file_key_ = open_age_header(header_.text(), identities_);
  return data;
}

ByteView AgeReader::take_nonce(ByteView data) {
  const std::size_t part = std::min(kNonceSize - buffer_.size(), data.size());
  append(buffer_, data.first(part));
  if (buffer_.size() == kNonceSize) {
    cipher_ = std::make_unique<AgePayloadCipher>(*file_key_, buffer_);
    buffer_.clear();
  }
  return data.subspan(part);
}

void AgeReader::open_chunk(bool last) {
  const std::uint64_t number = cipher_->chunks();
  const auto damaged = [&](const char* why) {
    throw Error(Code::kCorrupt, "chunk " + std::to_string(number) + " of the age file " + why);
  };
  if (buffer_.size() < kTagSize) damaged("is cut off");
  plain_.resize(buffer_.size() - kTagSize);
  if (!cipher_->open(buffer_, last, plain_)) {
    damaged(last ? "does not authenticate as the last one" : "does not authenticate");
  }
  if (plain_.empty() && number > 0) damaged("is empty");
  buffer_.clear();
  if (!plain_.empty()) sink_(plain_);
}

void AgeReader::finish() {
  if (!cipher_) throw Error(Code::kCorrupt, "the age file ends in its header");
  open_chunk(true);
}

}  // namespace holdfast
