#include "protect/backup_content.h"

#include <optional>

#include "base/error.h"
#include "base/human.h"
#include "protect/restore_preflight.h"
#include "vault/tree.h"

namespace holdfast {
namespace {

StoredBackup readable(const Vault& vault, const BackupName& backup) {
  StoredBackup stored = read_backup(vault, backup);
  require_readable(stored);
  return stored;
}

}  // namespace

std::vector<std::string> top_paths_of(const Vault& vault, const BackupName& backup) {
  ChunkReader reader(vault);
  std::vector<std::string> paths;
  for_each_entry(reader, readable(vault, backup).root->tree,
                 [&](const Entry& entry, std::span<const Ref>) {
                   if (entry.path.find('/') == std::string::npos) paths.push_back(entry.path);
                   return true;
                 });
  return paths;
}

std::uint64_t read_backup_file(const Vault& vault, const BackupName& backup,
                               const std::string& path, const std::function<bool(ByteView)>& take) {
  ChunkReader reader(vault);
  std::optional<std::vector<Ref>> chunks;
  for_each_entry_within(reader, readable(vault, backup).root->tree, path,
                        [&](const Entry& entry, std::span<const Ref> found) {
                          if (entry.path == path && entry.type == EntryType::kFile) {
                            chunks.emplace(found.begin(), found.end());
                          }
                          return false;
                        });
  if (!chunks) throw Error(Code::kNotFound, backup.id() + " holds no file " + printable(path));
  std::uint64_t given = 0;
  for (const Ref& chunk : *chunks) {
    const Bytes content = reader.read(chunk);
    given += content.size();
    if (!take(content)) break;
  }
  return given;
}

std::uint64_t read_backup_files(const Vault& vault, const BackupName& backup,
                                const std::string& path,
                                const std::function<void(ByteView)>& take) {
  ChunkReader reader(vault);
  bool found = false;
  std::uint64_t given = 0;
  for_each_entry_within(reader, readable(vault, backup).root->tree, path,
                        [&](const Entry& entry, std::span<const Ref> chunks) {
                          found = found || entry.type == EntryType::kFile;
                          for (const Ref& chunk : chunks) {
                            const Bytes bytes = reader.read(chunk);
                            given += bytes.size();
                            take(bytes);
                          }
                          return true;
                        });
  if (!found) throw Error(Code::kNotFound, backup.id() + " holds no file " + printable(path));
  return given;
}

}  // namespace holdfast
