// Whether a store has everything that a backup needs, by names and sizes: what arrives out of order
// is there in parts for a while.
#pragma once

#include <map>
#include <memory>
#include <stop_token>
#include <string>

#include "vault/chunk_reader.h"
#include "vault/vault.h"

namespace holdfast {

// Looks at the packs and the index once, at its making. Reads pages, but no file content. Any key
// will do. One thread at a time.
class PresenceCheck {
 public:
  explicit PresenceCheck(const Vault& vault);

  // What is missing, in words; empty when everything is there.
  std::string trouble_of(const BackupName& name, std::stop_token stop);

 private:
  bool is_there(const ChunkId& id) const;

  const Vault& vault_;
  ChunkReader reader_;
  std::shared_ptr<const Index> index_;
  std::map<PackName, std::uint64_t> packs_;  // sizes
};

}  // namespace holdfast
