// Key files, recovery codes and wrapped keys.
#include "fuzz.h"
#include "vault/keyring.h"

using namespace holdfast;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView input(data, size);
  refuse_or_accept([&] { parse_key_file(as_text(input)); });
  refuse_or_accept([&] { parse_recovery_code(as_text(input)); });
  refuse_or_accept([&] {
    const WrappedKey key = parse_wrapped_key(input);
    // A key-file credential: Argon2id would make the fuzzer crawl. Another than the seed corpus was
    // wrapped under, or a mutation that keeps the sealed bytes would rightly open.
    KeyFileSecret stranger{};
    stranger.secret.fill(0xA5);
    require(!unwrap_key_ring(key, {}, stranger).has_value(), "a stranger's key opens nothing");
  });
  return 0;
}
