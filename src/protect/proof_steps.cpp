#include "protect/proof_steps.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/error.h"
#include "base/human.h"
#include "os/file.h"
#include "os/identity.h"

namespace holdfast {

void require_reachable(const std::string& directory, const std::string& user) {
  if (::geteuid() != 0 || user.empty()) return;
  const ActAs as(system_user(user));
  if (::faccessat(AT_FDCWD, directory.c_str(), X_OK, AT_EACCESS) == 0) return;
  throw Error(
      Code::kDenied, "the user " + user + " cannot reach " + printable(directory),
      "let others pass through it and what is above it (chmod o+x), or choose another place "
      "(--scratch DIR, of a restore --target DIR)");
}

void make_directory_for(const std::string& directory, const std::string& user) {
  make_directories(directory, 0700);
  if (::geteuid() != 0 || user.empty()) return;
  const SystemUser owner = system_user(user);
  if (::chown(directory.c_str(), owner.uid, owner.gid) != 0) {
    throw system_error(errno, "cannot set the owner of " + printable(directory));
  }
}

}  // namespace holdfast
