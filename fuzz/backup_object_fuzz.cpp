// Backup objects and their keys.
#include "fuzz.h"
#include "vault/backup_object.h"

using namespace holdfast;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const KeyRing ring = KeyRing::from_master({}, {});
  const ByteView input(data, size);
  if (const auto name = parse_backup_key(as_text(input))) {
    require(name->key() == as_text(input), "a key survives a round trip");
  }
  refuse_or_accept([&] { decode_backup(input, ring, {"files", Timestamp{}, "source"}); });
  return 0;
}
