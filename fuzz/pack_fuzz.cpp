// Tables of contents of packs, and whole packs.
#include "fuzz.h"
#include "vault/doom.h"
#include "vault/pack.h"

using namespace holdfast;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView input(data, size);
  refuse_or_accept([&] {
    PackContents contents;
    parse_trailer(input, std::uint64_t{1} << 26, contents);
    for (const FrameEntry& frame : contents.frames) {
      require(frame.session < contents.sessions.size(), "a frame has a session");
    }
  });
  refuse_or_accept([&] {
    static const KeyRing ring = KeyRing::from_master({}, {});
    parse_doom(input, ring, "name");
  });
  return 0;
}
