// Bech32 (BIP 173) without its limit of length: how age writes keys.
#pragma once

#include <string>
#include <string_view>

#include "base/bytes.h"

namespace holdfast {

// In lower case; `prefix` is printable ASCII in lower case, "age".
std::string bech32_encode(std::string_view prefix, ByteView data);

struct Bech32 {
  std::string prefix;  // in the case of the text
  Bytes data;
};

// Throws Error(kInvalid): wrong checksum, mixed case, other characters, bits left over.
Bech32 bech32_decode(std::string_view text);

}  // namespace holdfast
