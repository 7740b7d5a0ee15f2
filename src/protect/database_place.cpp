#include "protect/database_place.h"

#include <filesystem>

#include "base/error.h"
#include "base/human.h"
#include "os/file.h"
#include "protect/backup_content.h"
#include "protect/database_restore.h"
#include "protect/server_directory.h"
#include "protect/server_restore.h"
#include "source/postgres/data_files.h"
#include "source/postgres/wal_file.h"

namespace holdfast {
namespace {

// What lies in the directory, in words.
std::string occupant(const std::string& directory, const DatabaseFacts& backup) {
  if (path_exists(directory + "/ibdata1")) return "the files of a MariaDB or MySQL server";
  std::uint64_t system = 0;
  try {
    system = read_system_identifier(directory);
  } catch (const Error& error) {
    if (error.code() == Code::kNotFound) return "files of no server";
    if (error.code() == Code::kCorrupt) return "a cluster whose control file is damaged";
    throw;
  }
  if (std::to_string(system) == backup.system) return "this cluster, as it is now";
  return "another cluster: its system identifier is " + std::to_string(system) +
         ", the backup's is " + backup.system;
}

}  // namespace

std::optional<std::string> original_directory(const Vault& vault, const BackupName& backup) {
  const auto facts = read_backup(vault, backup).summary.database;
  std::string path = facts ? facts->data_directory : "";
  if (!path.empty()) return path;
  try {
    read_backup_file(vault, backup, std::string(kPgExtras) + "/" + std::string(kPgOrigin),
                     [&](ByteView content) {
                       path += as_text(content);
                       return true;
                     });
  } catch (const Error& error) {
    if (error.code() == Code::kNotFound) return std::nullopt;
    throw;
  }
  return path.starts_with('/') ? std::optional(path) : std::nullopt;
}

void require_free_directory(const std::string& directory, const DatabaseFacts& backup,
                            const BackupName& name) {
  require_no_server(directory);
  std::error_code ignored;
  const bool free = !std::filesystem::exists(directory, ignored) ||
                    std::filesystem::is_empty(directory, ignored) ||
                    resumes_into_empty(directory) || is_unfinished_server_restore(directory);
  if (free) return;
  throw Error(Code::kConflict,
              printable(directory) + " is not empty: it holds " + occupant(directory, backup),
              "move it away (mv " + printable(directory) + " " + printable(directory) +
                  ".old) and run this again; or put the backup in place of all that is there: "
                  "holdfast restore " +
                  name.id() + " --target " + printable(directory) +
                  " --overwrite if-changed --delete");
}

}  // namespace holdfast
