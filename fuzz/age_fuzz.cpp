// Age files and keys that anybody may have written.
#include <algorithm>

#include "codec/age.h"
#include "codec/bech32.h"
#include "codec/kdf.h"
#include "fuzz.h"

using namespace holdfast;

namespace {

const Key kIdentity{1, 2, 3};

// In two pieces, so that every border between header, nonce and chunks is crossed.
Bytes open_file(ByteView file, std::size_t cut) {
  Bytes plain;
  AgeReader reader({kIdentity}, [&](ByteView data) { append(plain, data); });
  reader.write(file.first(cut));
  reader.write(file.subspan(cut));
  reader.finish();
  return plain;
}

// A good header in front, so that the payload is what is tried.
void try_payload(ByteView payload, std::size_t cut) {
  static const AgeFileKey file_key{7};
  static const std::string header = make_age_header(file_key, {public_key_of(kIdentity)});
  Bytes file = to_bytes(as_bytes(header));
  append(file, payload);
  const Bytes plain = open_file(file, std::min(cut, file.size()));
  require(payload.size() >= 16 + 16 + plain.size(), "more came out than went in");
}

void try_header(ByteView text) {
  const AgeHeader header = parse_age_header(as_text(text));
  require(!header.stanzas.empty() && header.mac_covers < text.size(), "a header without parts");
  AgeHeaderCollector collector;
  const ByteView rest = collector.take(text);
  require(collector.complete() && rest.empty(), "the end of a header was not found");
}

void try_text(std::string_view text) {
  const Bech32 decoded = bech32_decode(text);
  std::string lower(text);
  for (char& c : lower) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  const std::string prefix = lower.substr(0, decoded.prefix.size());
  require(bech32_encode(prefix, decoded.data) == lower, "a key is not written as it was read");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const ByteView input(data + 2, size - 2);
  const std::size_t cut = input.size() * data[1] / 256;
  refuse_or_accept([&] {
    switch (data[0] % 4) {
      case 0:
        open_file(input, cut);
        break;
      case 1:
        try_payload(input, cut);
        break;
      case 2:
        try_header(input);
        break;
      default:
        try_text(as_text(input));
    }
  });
  return 0;
}
