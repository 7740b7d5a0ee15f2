#include "codec/age_header.h"

#include <sodium.h>

#include <algorithm>

#include "base/error.h"
#include "codec/kdf.h"

namespace holdfast {
namespace {

constexpr std::string_view kVersionLine = "age-encryption.org/v1\n";
constexpr std::string_view kAnyVersion = "age-encryption.org/";
constexpr std::string_view kArmor = "-----BEGIN AGE";
constexpr std::string_view kType = "X25519";
constexpr std::string_view kWrapInfo = "age-encryption.org/v1/X25519";
constexpr std::size_t kColumns = 64;
// Thousands of recipients; more than that is no header.
constexpr std::size_t kLimit = 1u << 20;

[[noreturn]] void refuse(const std::string& why) {
  throw Error(Code::kCorrupt, "the header of the age file is damaged: " + why);
}

std::string encode(ByteView data) {
  std::string text = to_base64(data);
  while (text.ends_with('=')) text.pop_back();
  return text;
}

// Canonical and without padding, as the format demands.
Bytes decode(std::string_view text) {
  if (text.find('=') != std::string_view::npos || text.size() % 4 == 1) refuse("bad base64");
  std::string padded(text);
  padded.resize((text.size() + 3) / 4 * 4, '=');
  Bytes data;
  try {
    data = from_base64(padded);
  } catch (const Error&) {
    refuse("bad base64");
  }
  if (encode(data) != text) refuse("bad base64");
  return data;
}

Key shared_secret(const Key& secret, const Key& point) {
  Key shared;
  // Fails for points of low order, whose products everyone knows.
  if (crypto_scalarmult(shared.data(), secret.data(), point.data()) != 0) {
    throw Error(Code::kCorrupt, "the age file has a key share that nobody may use");
  }
  return shared;
}

Key wrap_key(const Key& shared, const Key& share, const Key& recipient) {
  Bytes salt = to_bytes(share);
  append(salt, recipient);
  return hkdf(shared, salt, kWrapInfo);
}

constexpr std::size_t kWrappedSize = sizeof(AgeFileKey) + kTagSize;

std::string make_stanza(const AgeFileKey& file_key, const Key& recipient) {
  Key secret = random_array<32>();
  const Key share = public_key_of(secret);
  Key key = wrap_key(shared_secret(secret, recipient), share, recipient);
  std::array<std::uint8_t, kWrappedSize> body;
  const Nonce nonce{};  // each wrap key is used once
  crypto_aead_chacha20poly1305_ietf_encrypt(body.data(), nullptr, file_key.data(), file_key.size(),
                                            nullptr, 0, nullptr, nonce.data(), key.data());
  wipe(secret);
  wipe(key);
  return "-> " + std::string(kType) + " " + encode(share) + "\n" + encode(body) + "\n";
}

Digest header_mac(const AgeFileKey& file_key, std::string_view covered) {
  return Hmac(hkdf(file_key, {}, "header"))(as_bytes(covered));
}

std::optional<AgeFileKey> unwrap(const AgeStanza& stanza, const Key& identity) {
  if (stanza.arguments[0] != kType) return std::nullopt;
  if (stanza.arguments.size() != 2) refuse("an X25519 recipient has too many or too few parts");
  const Bytes decoded = decode(stanza.arguments[1]);
  if (decoded.size() != sizeof(Key)) refuse("a key share has a wrong length");
  if (stanza.body.size() != kWrappedSize) refuse("a wrapped key has a wrong length");
  Key share;
  std::copy(decoded.begin(), decoded.end(), share.begin());
  const Key key = wrap_key(shared_secret(identity, share), share, public_key_of(identity));
  const Nonce nonce{};
  AgeFileKey file_key;
  if (crypto_aead_chacha20poly1305_ietf_decrypt(file_key.data(), nullptr, nullptr,
                                                stanza.body.data(), stanza.body.size(), nullptr, 0,
                                                nonce.data(), key.data()) != 0) {
    return std::nullopt;
  }
  return file_key;
}

// The lines of a header, one after the other.
class Lines {
 public:
  explicit Lines(std::string_view text) : text_(text) {}
  std::size_t at() const { return at_; }
  bool done() const { return at_ == text_.size(); }
  std::string_view next() {
    const std::size_t end = text_.find('\n', at_);
    if (end == std::string_view::npos) refuse("it ends too early");
    const std::string_view line = text_.substr(at_, end - at_);
    at_ = end + 1;
    return line;
  }

 private:
  std::string_view text_;
  std::size_t at_ = 0;
};

std::vector<std::string> parse_arguments(std::string_view line) {
  std::vector<std::string> arguments;
  for (std::size_t at = 0; at <= line.size();) {
    const std::size_t end = std::min(line.find(' ', at), line.size());
    const std::string_view argument = line.substr(at, end - at);
    const auto visible = [](char c) { return c >= 33 && c <= 126; };
    if (argument.empty() || !std::all_of(argument.begin(), argument.end(), visible)) {
      refuse("a recipient has an empty or unreadable part");
    }
    arguments.emplace_back(argument);
    at = end + 1;
  }
  return arguments;
}

Bytes parse_body(Lines& lines) {
  Bytes body;
  for (;;) {
    const std::string_view line = lines.next();
    if (line.size() > kColumns) refuse("a line is too long");
    append(body, decode(line));
    if (line.size() < kColumns) return body;
  }
}

}  // namespace

std::string make_age_header(const AgeFileKey& file_key, const std::vector<Key>& recipients) {
  if (recipients.empty()) throw Error(Code::kInternal, "an age file needs a recipient");
  std::string text(kVersionLine);
  for (const Key& recipient : recipients) text += make_stanza(file_key, recipient);
  text += "---";
  const Digest mac = header_mac(file_key, text);
  return text + " " + encode(mac) + "\n";
}

AgeHeader parse_age_header(std::string_view text) {
  if (!text.starts_with(kVersionLine)) {
    if (text.starts_with(kAnyVersion)) {
      throw Error(Code::kUnsupported, "the age file has another version than v1");
    }
    refuse("it is no age file");
  }
  Lines lines(text);
  lines.next();
  AgeHeader header;
  for (;;) {
    const std::size_t begin = lines.at();
    const std::string_view line = lines.next();
    if (line.starts_with("--- ")) {
      const Bytes mac = decode(line.substr(4));
      if (mac.size() != header.mac.size()) refuse("its MAC has a wrong length");
      std::copy(mac.begin(), mac.end(), header.mac.begin());
      header.mac_covers = begin + 3;
      break;
    }
    if (!line.starts_with("-> ")) refuse("a line is neither a recipient nor the end");
    AgeStanza stanza{parse_arguments(line.substr(3)), {}};
    stanza.body = parse_body(lines);
    header.stanzas.push_back(std::move(stanza));
  }
  if (!lines.done()) refuse("something stands behind its end");
  if (header.stanzas.empty()) refuse("it has no recipient");
  return header;
}

AgeFileKey open_age_header(std::string_view text, const std::vector<Key>& identities) {
  const AgeHeader header = parse_age_header(text);
  for (const Key& identity : identities) {
    for (const AgeStanza& stanza : header.stanzas) {
      const auto file_key = unwrap(stanza, identity);
      if (!file_key) continue;
      const Digest mac = header_mac(*file_key, text.substr(0, header.mac_covers));
      if (!equal_constant_time(mac, header.mac)) refuse("its MAC is wrong");
      return *file_key;
    }
  }
  throw Error(Code::kDenied, "the archive is not sealed for this key",
              "give the AGE-SECRET-KEY-1... of one of its recipients");
}

ByteView AgeHeaderCollector::take(ByteView data) {
  while (!complete_ && !data.empty()) {
    const auto newline = std::find(data.begin(), data.end(), static_cast<std::uint8_t>('\n'));
    const auto length = static_cast<std::size_t>(newline - data.begin());
    const std::size_t part = std::min(data.size(), length + 1);
    text_ += as_text(data.first(part));
    data = data.subspan(part);
    check_beginning();
    if (text_.back() != '\n') continue;
    // No line of base64 starts with a dash, so that this can only be the end.
    complete_ = std::string_view(text_).substr(line_).starts_with("---");
    line_ = text_.size();
  }
  return data;
}

void AgeHeaderCollector::check_beginning() const {
  const std::size_t known = std::min(text_.size(), kAnyVersion.size());
  const std::size_t armor = std::min(text_.size(), kArmor.size());
  if (std::string_view(text_).substr(0, known) == kAnyVersion.substr(0, known)) {
    if (text_.size() > kLimit) refuse("it has no end");
    return;
  }
  if (std::string_view(text_).substr(0, armor) != kArmor.substr(0, armor)) {
    refuse("it is no age file");
  }
  if (text_.size() >= kArmor.size()) {
    throw Error(Code::kUnsupported, "the age file is armored text",
                "make it binary first: age --decrypt, and age --encrypt without --armor");
  }
}

}  // namespace holdfast
