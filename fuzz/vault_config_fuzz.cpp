// holdfast.json as a store may give it.
#include "fuzz.h"
#include "store/memory_store.h"
#include "vault/vault.h"

using namespace holdfast;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const KeyRing ring = KeyRing::from_master({}, {});
  MemoryStore store(system_clock());
  store.put("holdfast.json", ByteView(data, size));
  refuse_or_accept([&] { vault_id_of(store); });
  refuse_or_accept([&] { Vault::open(store, system_clock(), ring, ""); });
  return 0;
}
