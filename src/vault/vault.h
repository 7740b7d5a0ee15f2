// A vault: the keys and parameters over a store. Everything else in this room works on one.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "codec/chunker.h"
#include "os/clock.h"
#include "store/object_store.h"
#include "vault/backup_object.h"
#include "vault/index.h"
#include "vault/keyring.h"

namespace holdfast {

inline constexpr int kFormatVersion = 1;

struct VaultParameters {
  VaultId id{};
  std::string created;
  ChunkSizes chunks;
  std::uint32_t frame_bytes = 4u << 20;
  std::uint64_t pack_bytes = 64u << 20;
  std::string unknown_write_feature;  // one that this program lacks: then it only reads
};

// Copies of this are cheap to pass by reference; all methods are thread-safe. The store and the
// clock must outlive it.
class Vault {
 public:
  // Writes holdfast.json. Throws Error(kConflict) when the store holds a vault already, or
  // anything else that is not ours: no key that `may_stay` (nothing: none) accepts.
  static std::unique_ptr<Vault> create(ObjectStore& store, Clock& clock, const KeyRing& ring,
                                       const VaultParameters& parameters,
                                       const std::string& cache_directory,
                                       const std::function<bool(std::string_view)>& may_stay = {});
  // Throws kNotFound (no vault there), kUnsupported (a newer format or feature), kDenied (wrong
  // key), kCorrupt. `cache_directory` may be empty: nothing is cached.
  static std::unique_ptr<Vault> open(ObjectStore& store, Clock& clock, const Credential& credential,
                                     const std::string& cache_directory);

  ObjectStore& store() const { return store_; }
  Clock& clock() const { return clock_; }
  const KeyRing& ring() const { return ring_; }
  const VaultParameters& parameters() const { return parameters_; }
  // Local files of this vault; empty when nothing is cached.
  const std::string& cache_directory() const { return cache_directory_; }

  // To be called before anything is written. Throws kUnsupported when the vault has a feature that
  // writers must know and this program does not.
  void require_writable() const;

  // HMAC(K_id, content). Needs a ring that can write or read.
  ChunkId id_of(ByteView content) const;
  // The ids of many contents, faster than one by one.
  std::vector<ChunkId> ids_of(std::span<const ByteView> contents) const;
  const Chunker& chunker() const { return *chunker_; }
  // The first 32 bits of HMAC(K_cut, "page" | path): where tree pages end.
  std::uint32_t page_hash(std::string_view path) const;

  std::shared_ptr<const Index> load_index() const;

 private:
  Vault(ObjectStore& store, Clock& clock, KeyRing ring, VaultParameters parameters,
        std::string cache_directory);

  const Hmac& id_mac() const;

  ObjectStore& store_;
  Clock& clock_;
  KeyRing ring_;
  VaultParameters parameters_;
  std::string cache_directory_;
  std::optional<Hmac> id_mac_;
  std::optional<Hmac> page_mac_;
  std::optional<Chunker> chunker_;
};

// The names of all backups, oldest first. Needs no key.
std::vector<BackupName> list_backups(ObjectStore& store);
// Throws kNotFound, kCorrupt.
StoredBackup read_backup(const Vault& vault, const BackupName& name);
// An id, a unique prefix of one, "latest" or "latest:SOURCE". Throws kNotFound (with the nearest
// names), kInvalid when a prefix fits several.
BackupName find_backup(const std::vector<BackupName>& backups, std::string_view wanted);

// The vault id of the vault in `store` without a key; nothing when there is none.
std::optional<VaultId> vault_id_of(ObjectStore& store);

// Wrapped keys.
std::vector<WrappedKey> list_keys(ObjectStore& store);
void store_key(ObjectStore& store, const WrappedKey& key);
std::string key_object(std::string_view id);

}  // namespace holdfast
