#include "protect/server_directory.h"

#include <filesystem>

#include "base/path.h"
#include "os/file.h"
#include "source/postgres/restore.h"

namespace holdfast {
namespace {

namespace fs = std::filesystem;

bool holds_mariadb(const std::string& directory) {
  const std::string accounts(kMariadbAccounts);
  return path_exists(directory + "/" + kMariadbSystemSpace) &&
         !path_exists(directory + "/" + kMariadbAside + accounts.substr(accounts.rfind('/')));
}

}  // namespace

bool holds_server(const std::string& directory) {
  return path_exists(directory + "/" + kPgControl) || holds_mariadb(directory);
}

bool is_part_of_server(const std::string& directory) {
  if (holds_server(directory)) return false;
  return is_unfinished_pg_restore(directory) || path_exists(directory + "/" + kMariadbAside) ||
         path_exists(directory + "/backup-my.cnf");
}

void disarm_server(const std::string& directory) {
  for (const char* name : {kPgControl, kMariadbSystemSpace}) {
    const std::string file = directory + "/" + name;
    if (!path_exists(file)) continue;
    fs::remove(file);
    // Not later than what is written over the rest.
    sync_directory(std::string(parent_path(file)));
  }
}

}  // namespace holdfast
