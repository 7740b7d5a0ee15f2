// Directories for work that starts servers or their tools, and what is left of them when such work
// was killed.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "os/file.h"

namespace holdfast {

// A place for much that need not survive a reboot, which the user of a database server can reach:
// /var/tmp/holdfast, made if needed. Throws kDenied when it is somebody else's.
std::string own_scratch();

// What scratch directories are for.
inline constexpr std::string_view kRestoreTest = "restore-test";
inline constexpr std::string_view kDump = "dump";

// A fresh directory of our own, "PARENT/PURPOSE-XXXXXX", which goes with this object. The users of
// servers may pass through it, and see nothing. A lock on it says that its process lives.
class ScratchDirectory {
 public:
  // Makes `parent` if needed.
  explicit ScratchDirectory(const std::string& parent, std::string_view purpose = kRestoreTest);
  ~ScratchDirectory();
  ScratchDirectory(const ScratchDirectory&) = delete;
  ScratchDirectory& operator=(const ScratchDirectory&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
  Fd lock_;
};

// Removes the scratch directories below `parent` that are ours and whose process was killed: first
// ends the database servers, and their tools, that work inside of them, and takes their private
// sockets away. Returns the paths of what was removed. Throws kDenied when a server cannot be
// ended.
std::vector<std::string> remove_abandoned_scratch(const std::string& parent);

// Sockets have short paths: they lie elsewhere. Makes a directory "/tmp/holdfast-XXXXXX" for them
// and notes it in `scratch`, which is a scratch directory or lies right below one.
std::string make_socket_directory(const std::string& scratch);

}  // namespace holdfast
