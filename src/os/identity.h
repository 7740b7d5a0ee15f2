// Another user's identity for one thread.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace holdfast {

struct SystemUser {
  uid_t uid = 0;
  gid_t gid = 0;
};

// Throws Error(kNotFound) when the system knows no such user.
SystemUser system_user(const std::string& name);

// While it lives, this thread alone has the effective user and group of `user`: a server behind a
// local socket sees that one. Does nothing unless we are root and `user` is another. Throws
// Error(kDenied).
class ActAs {
 public:
  explicit ActAs(const SystemUser& user);
  ActAs(const ActAs&) = delete;
  ActAs& operator=(const ActAs&) = delete;
  ~ActAs();

 private:
  bool changed_ = false;
};

// What to put before the arguments of a command that shall run as the user `name`: nothing unless
// we are root and `name` is somebody else.
std::vector<std::string> command_as(const std::string& name);

}  // namespace holdfast
