// The public age file format, version 1 (age-encryption.org/v1, C2SP age.md), with X25519
// recipients, binary form. What is written here opens with any age program, and the reverse.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "codec/age_header.h"
#include "codec/byte_stream.h"

namespace holdfast {

// "age1..." Throws Error(kInvalid).
Key parse_age_recipient(std::string_view text);
std::string age_recipient_text(const Key& recipient);

// "AGE-SECRET-KEY-1..." Throws Error(kInvalid), without the text in the message.
Key parse_age_identity(std::string_view text);
std::string age_identity_text(const Key& identity);
// The identities in a file as age-keygen writes it: one a line, lines with '#' are comments. At
// least one, else Error(kInvalid).
std::vector<Key> parse_age_identities(std::string_view file);

inline constexpr std::size_t kAgeChunkSize = 64u << 10;

// ChaCha20-Poly1305 under the payload key, chunk by chunk. One thread at a time.
class AgePayloadCipher {
 public:
  AgePayloadCipher(const AgeFileKey& file_key, ByteView nonce);
  ~AgePayloadCipher();
  AgePayloadCipher(const AgePayloadCipher&) = delete;
  AgePayloadCipher& operator=(const AgePayloadCipher&) = delete;

  // The next chunk; `out` has 16 bytes more than `plain`.
  void seal(ByteView plain, bool last, MutableBytes out);
  // False when it does not authenticate as this one; `out` has 16 bytes less than `sealed`.
  bool open(ByteView sealed, bool last, MutableBytes out);
  std::uint64_t chunks() const { return counter_; }

 private:
  class Context;
  std::unique_ptr<Context> context_;
  Key key_;
  std::uint64_t counter_ = 0;
};

// Plain bytes in, an age file out. At least one recipient; each of them alone can open it.
class AgeWriter final : public ByteStream {
 public:
  AgeWriter(std::vector<Key> recipients, ByteSink sink);
  void write(ByteView data) override;
  void finish() override;

 private:
  void begin();
  void end_chunk(bool last);

  const std::vector<Key> recipients_;
  const ByteSink sink_;
  std::unique_ptr<AgePayloadCipher> cipher_;
  Bytes chunk_;
  Bytes sealed_;
};

// An age file in, plain bytes out; the sink gets only what authenticated, in order. Errors: kDenied
// (none of the identities opens it), kCorrupt (no age file, altered, reordered, cut, or with
// something behind its end), kUnsupported (another version, or armored).
class AgeReader final : public ByteStream {
 public:
  AgeReader(std::vector<Key> identities, ByteSink sink);
  void write(ByteView data) override;
  void finish() override;

 private:
  ByteView take_header(ByteView data);
  ByteView take_nonce(ByteView data);
  void open_chunk(bool last);

  const std::vector<Key> identities_;
  const ByteSink sink_;
  AgeHeaderCollector header_;
  std::optional<AgeFileKey> file_key_;
  std::unique_ptr<AgePayloadCipher> cipher_;
  Bytes buffer_;  // the nonce first, then one sealed chunk
  Bytes plain_;
};

}  // namespace holdfast
