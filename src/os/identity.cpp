#include "os/identity.h"

#include <pwd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "base/error.h"

namespace holdfast {
namespace {

constexpr auto kKeep = static_cast<uid_t>(-1);

// glibc's own functions change every thread of the process; the system calls only this one.
bool set_effective(uid_t uid, gid_t gid) {
  // The group while we still may.
  if (uid != 0 && ::syscall(SYS_setresgid, kKeep, gid, kKeep) != 0) return false;
  if (::syscall(SYS_setresuid, kKeep, uid, kKeep) != 0) return false;
  return uid != 0 || ::syscall(SYS_setresgid, kKeep, gid, kKeep) == 0;
}

}  // namespace

SystemUser system_user(const std::string& name) {
  passwd entry{};
  passwd* found = nullptr;
  std::string buffer(16384, '\0');
  if (::getpwnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found) != 0 ||
      found == nullptr) {
    throw Error(Code::kNotFound, "this system has no user '" + name + "'",
                "name the user that the database server runs as: system_user: NAME");
  }
  return {entry.pw_uid, entry.pw_gid};
}

ActAs::ActAs(const SystemUser& user) {
  if (::geteuid() != 0 || user.uid == 0) return;
  if (!set_effective(user.uid, user.gid)) throw system_error(errno, "cannot act as another user");
  changed_ = true;
}

ActAs::~ActAs() {
  // Cannot fail: the real and the saved user are still root.
  if (changed_) set_effective(0, 0);
}

std::vector<std::string> command_as(const std::string& name) {
  if (::geteuid() != 0 || name.empty() || system_user(name).uid == 0) return {};
  return {"setpriv",       "--reuid", name, "--regid", std::to_string(system_user(name).gid),
          "--init-groups", "--"};
}

}  // namespace holdfast
