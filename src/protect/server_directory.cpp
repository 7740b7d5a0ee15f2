#include "protect/server_directory.h"

#include <fcntl.h>

#include <filesystem>

#include "base/error.h"
#include "base/human.h"
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

void require_no_postgres(const std::string& directory) {
  if (!path_exists(directory + "/postmaster.pid")) return;
  throw Error(Code::kConflict, "a server runs in " + printable(directory) + ", or was killed there",
              "stop it (pg_ctl stop); after a crash remove postmaster.pid once you are sure");
}

// A server holds a lock on its files.
void require_no_mariadb(const std::string& directory) {
  const std::string file = directory + "/" + kMariadbSystemSpace;
  if (!path_exists(file)) return;
  const Fd fd = open_file(file, O_RDONLY);
  struct flock lock {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  if (::fcntl(fd.get(), F_GETLK, &lock) != 0 || lock.l_type == F_UNLCK) return;
  throw Error(Code::kConflict, "a server runs on " + printable(directory), "stop it first");
}

}  // namespace

void require_no_server(const std::string& directory) {
  require_no_postgres(directory);
  require_no_mariadb(directory);
}

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
