#include "cli/browse.h"

#include "base/error.h"
#include "base/path.h"

namespace holdfast {

void require_reader(const Vault& vault) {
  if (vault.ring().can_read()) return;
  throw Error(Code::kDenied,
              "a " + std::string(role_name(vault.ring().role)) + " key cannot read backups",
              "use a restorer key: --key-file, or the recovery sheet");
}

StoredBackup open_backup(const Vault& vault, std::string_view wanted) {
  require_reader(vault);
  return read_backup(vault, find_backup(list_backups(vault.store()), wanted));
}

std::string path_in_backup(std::string_view given) { return stored_path("/" + std::string(given)); }

std::vector<Ref> leaves_within(ChunkReader& reader, const Ref& root, std::string_view path) {
  std::vector<Ref> leaves;
  const auto skip = [path](std::string_view first, std::string_view next) {
    if (path.empty()) return false;
    const bool before = !next.empty() && compare_paths(next, path) <= 0;
    const bool behind = compare_paths(first, path) > 0 && !is_within(first, path);
    return before || behind;
  };
  for_each_leaf(reader, root, skip, [&](const Ref& page) { leaves.push_back(page); });
  return leaves;
}

std::optional<LeafStream::Item> LeafStream::current() {
  while (at_ == leaf_.entries.size()) {
    if (next_leaf_ == leaves_.size()) return std::nullopt;
    leaf_ = read_leaf(reader_, leaves_[next_leaf_++]);
    at_ = chunk_ = 0;
  }
  const DecodedEntry& decoded = leaf_.entries[at_];
  return Item{&decoded.entry, std::span<const Ref>(leaf_.chunks).subspan(chunk_, decoded.chunks)};
}

void LeafStream::advance() {
  if (at_ == leaf_.entries.size()) return;
  chunk_ += leaf_.entries[at_++].chunks;
}

}  // namespace holdfast
