// A vault in memory with small chunks, frames and packs, so that a few kilobytes make many of each.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "codec/random_data.h"
#include "store/memory_store.h"
#include "vault/held_clock.h"
#include "vault/tree.h"
#include "vault/vault.h"
#include "vault/write_session.h"

namespace holdfast {

inline KeyRing test_ring(std::uint64_t seed = 1) {
  return KeyRing::from_master(lcg_array<16>(seed), lcg_array<32>(seed + 1000));
}

inline VaultParameters small_parameters() {
  VaultParameters parameters;
  parameters.chunks = {64, 256, 1024};
  parameters.frame_bytes = 4096;
  parameters.pack_bytes = 16384;
  return parameters;
}

inline ChunkId test_id(std::uint64_t seed) { return {lcg_array<24>(seed)}; }

struct TestVault {
  explicit TestVault(const VaultParameters& parameters = small_parameters(),
                     const std::string& cache_directory = {})
      : vault(Vault::create(store, clock, ring, parameters, cache_directory)) {}

  // The same vault in other hands.
  std::unique_ptr<Vault> as(Role role, const std::string& cache_directory = {}) {
    return Vault::open(store, clock, ring.restricted_to(role), cache_directory);
  }

  HeldClock clock;
  MemoryStore store{clock};
  KeyRing ring = test_ring();
  std::unique_ptr<Vault> vault;
};

// Stores `count` random chunks of `size` bytes in a session of their own.
inline std::vector<Ref> store_chunks(const Vault& vault, std::size_t count, std::size_t size,
                                     std::uint64_t seed, WriteStats* stats = nullptr) {
  WriteSession session(vault, {.level = 1, .threads = 2});
  ChunkWriter writer(session, ChunkKind::kData);
  std::vector<Ref> refs;
  for (std::size_t i = 0; i < count; ++i) refs.push_back(writer.add(lcg_bytes(size, seed + i)));
  writer.flush();
  session.finish();
  if (stats != nullptr) *stats = session.stats();
  return refs;
}

// Replaces an object's content: stores never do that by themselves.
inline void overwrite(ObjectStore& store, const std::string& key, ByteView content) {
  store.put(key, content);
}

inline void flip(ObjectStore& store, const std::string& key, std::size_t at) {
  Bytes content = store.get(key);
  content.at(at) ^= 1;
  overwrite(store, key, content);
}

}  // namespace holdfast
