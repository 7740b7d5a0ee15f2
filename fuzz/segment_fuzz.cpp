// Bodies of index segments: what passes check() can be searched without harm.
#include "fuzz.h"
#include "vault/segment.h"

using namespace holdfast;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  refuse_or_accept([&] {
    const Segment segment = Segment::from_memory({}, to_bytes(ByteView(data, size)));
    segment.check();
    for (std::uint64_t i = 0; i < segment.chunks(); ++i) {
      const std::uint64_t found = segment.lower_bound(segment.chunk(i).id);
      require(found <= i && segment.chunk(found).id == segment.chunk(i).id, "a chunk is found");
    }
    SegmentBuilder builder;
    builder.add(segment, true);
    Segment::from_memory({}, builder.build()).check();
  });
  // Unchecked bodies (from the local cache) must at least not be read out of bounds.
  refuse_or_accept([&] {
    const Segment segment = Segment::from_memory({}, to_bytes(ByteView(data, size)));
    ChunkId id;
    for (std::uint8_t& byte : id.bytes) byte = 0x80;
    const std::uint64_t at = segment.lower_bound(id);
    if (at < segment.chunks()) segment.pack(segment.frame(segment.chunk(at).frame).pack);
  });
  return 0;
}
