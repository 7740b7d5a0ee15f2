// Times, durations, sizes and encodings that people type.
#include "base/human.h"
#include "base/path.h"
#include "base/time.h"
#include "fuzz.h"

using namespace holdfast;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView input(data, size);
  const std::string_view text = as_text(input);
  require(from_hex(to_hex(input)) == to_bytes(input), "hex survives");
  require(from_base64(to_base64(input)) == to_bytes(input), "base64 survives");
  require(from_base32(to_base32(input)) == to_bytes(input), "base32 survives");
  refuse_or_accept([&] {
    const Timestamp time = parse_rfc3339(text);
    require(parse_rfc3339(format_rfc3339(time, true)) == time, "a time survives");
  });
  refuse_or_accept([&] { format_duration(parse_duration(text)); });
  refuse_or_accept([&] { format_size(parse_size(text)); });
  refuse_or_accept([&] { parse_moment(text, Timestamp{}); });
  refuse_or_accept([&] { stored_path(text); });
  parse_compact(text);
  printable(text);
  return 0;
}
