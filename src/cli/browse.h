// Opening one backup to look inside; shared by show, diff, find and cat.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/session.h"
#include "vault/tree.h"

namespace holdfast {

// Throws Error(kDenied) when the key cannot read what is in backups.
void require_reader(const Vault& vault);

// What `wanted` names (see find_backup), with its root. Throws what find_backup and read_backup
// throw.
StoredBackup open_backup(const Vault& vault, std::string_view wanted);

// A path as a person gives it ("/etc", "etc/", "etc") in stored form, never taken from the current
// directory.
std::string path_in_backup(std::string_view given);

// The leaf pages that may hold `path` or something below it.
std::vector<Ref> leaves_within(ChunkReader& reader, const Ref& root, std::string_view path);

// The entries of some leaf pages, one after the other; holds one page at a time.
class LeafStream {
 public:
  LeafStream(ChunkReader& reader, std::vector<Ref> leaves)
      : reader_(reader), leaves_(std::move(leaves)) {}

  struct Item {
    const Entry* entry = nullptr;
    std::span<const Ref> chunks;
  };
  // The current entry, valid until the next advance(); nothing at the end.
  std::optional<Item> current();
  void advance();

 private:
  ChunkReader& reader_;
  std::vector<Ref> leaves_;
  std::size_t next_leaf_ = 0;
  TreeLeaf leaf_;
  std::size_t at_ = 0;
  std::size_t chunk_ = 0;
};

}  // namespace holdfast
