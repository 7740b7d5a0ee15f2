// The textual header of an age file: who can open it, and the key of the file for each of them.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "codec/aead.h"
#include "codec/hash.h"

namespace holdfast {

using AgeFileKey = std::array<std::uint8_t, 16>;

// One recipient's copy of the file key; of any type.
struct AgeStanza {
  std::vector<std::string> arguments;  // the first is the type
  Bytes body;
};

struct AgeHeader {
  std::vector<AgeStanza> stanzas;
  Digest mac{};
  std::size_t mac_covers = 0;  // bytes of the text that the MAC is of
};

// The header, ready to be put in front of a payload.
std::string make_age_header(const AgeFileKey& file_key, const std::vector<Key>& recipients);

// `text` is the whole header with its last line end. Throws Error(kCorrupt) on everything that the
// specification does not allow, and kUnsupported for another version.
AgeHeader parse_age_header(std::string_view text);

// The file key, by the first identity that opens one of the stanzas; the header's MAC is checked
// with it. Throws Error(kDenied) when none does, Error(kCorrupt) for a malformed X25519 stanza or a
// wrong MAC.
AgeFileKey open_age_header(std::string_view text, const std::vector<Key>& identities);

// Finds the end of a header that comes in pieces. One thread at a time.
class AgeHeaderCollector {
 public:
  // Takes bytes up to the end of the header and returns the others. Throws Error(kCorrupt) as soon
  // as it can be no header.
  ByteView take(ByteView data);
  bool complete() const { return complete_; }
  const std::string& text() const { return text_; }

 private:
  void check_beginning() const;

  std::string text_;
  std::size_t line_ = 0;  // where the last line begins
  bool complete_ = false;
};

}  // namespace holdfast
