// Log objects and their keys.
#include "fuzz.h"
#include "vault/log_object.h"

using namespace holdfast;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const KeyRing ring = KeyRing::from_master({}, {});
  const ByteView input(data, size);
  if (const auto name = parse_log_key(as_text(input))) {
    require(name->key() == as_text(input), "a key survives a round trip");
  }
  const LogName name{"source", "1", "file", {}};
  refuse_or_accept([&] { decode_log_header(input, ring, name); });
  Bytes scratch = to_bytes(input);
  refuse_or_accept([&] {
    const LogContent content = decode_log(scratch, ring, name);
    require(content.bytes.size() == content.header.size, "the content is as long as it says");
  });
  return 0;
}
