// Names of WAL files and the header of a segment.
#include "fuzz.h"
#include "source/postgres/wal_file.h"

using namespace holdfast;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView input(data, size);
  wal_file_kind(as_text(input));
  for (std::uint32_t length = kMinWalSegmentSize; length <= kMaxWalSegmentSize; length *= 2) {
    if (const auto segment = parse_wal_segment(as_text(input), length)) {
      require(segment->name(length) == as_text(input), "a name survives a round trip");
    }
  }
  refuse_or_accept([&] { parse_wal_header(input); });
  return 0;
}
