// Tree pages and entries: what is accepted must be safe to restore and survive a round trip.
#include "fuzz.h"
#include "vault/tree.h"

using namespace holdfast;

namespace {

void check_entry(const DecodedEntry& decoded) {
  const Entry& entry = decoded.entry;
  require(entry.path.empty() || entry.path.front() != '/', "a path is relative");
  require(("/" + entry.path + "/").find("/../") == std::string::npos, "a path stays below");
  Bytes encoded;
  encode_entry(entry, decoded.chunks, encoded);
  WireReader in(encoded);
  require(decode_entry(in).entry == entry, "an entry survives a round trip");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView input(data, size);
  refuse_or_accept([&] {
    std::vector<Ref> pages;
    for (const DecodedEntry& entry : parse_leaf(input, pages)) check_entry(entry);
  });
  refuse_or_accept([&] { parse_inner(input); });
  refuse_or_accept([&] {
    std::uint8_t level = 0;
    parse_ref_page(input, level);
  });
  return 0;
}
