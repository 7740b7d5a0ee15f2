#include "source/files/beneath.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/error.h"
#include "base/human.h"
#include "base/path.h"

namespace holdfast {

namespace {

constexpr int kWay = O_PATH | O_DIRECTORY;

Fd openat2_beneath(int directory, const char* path, int flags, unsigned mode) {
  struct open_how how {};
  how.flags = static_cast<std::uint64_t>(flags) | O_NOFOLLOW | O_CLOEXEC;
  how.mode = (flags & O_CREAT) != 0 ? mode : 0;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  long fd = -1;
  do {
    fd = ::syscall(SYS_openat2, directory, path, &how, sizeof how);
  } while (fd < 0 && (errno == EINTR || errno == EAGAIN));
  return Fd(static_cast<int>(fd));
}

Fd openat_once(int directory, const char* name, int flags, unsigned mode) {
  int fd = -1;
  do {
    fd = ::openat(directory, name, flags | O_NOFOLLOW | O_CLOEXEC, mode);
  } while (fd < 0 && errno == EINTR);
  return Fd(fd);
}

bool is_harmless(std::string_view path) {
  if (path.empty()) return true;
  if (path.find('\0') != std::string_view::npos) return false;
  for (std::size_t at = 0; at <= path.size();) {
    const std::size_t end = std::min(path.find('/', at), path.size());
    const std::string_view component = path.substr(at, end - at);
    if (component.empty() || component == "." || component == "..") return false;
    at = end + 1;
  }
  return true;
}

}  // namespace

Beneath::Beneath(Fd root, std::string name) : root_(std::move(root)), name_(std::move(name)) {
  // Old kernels lack it (ENOSYS); the system call filters of some containers refuse it (EPERM).
  has_openat2_ = openat2_beneath(root_.get(), ".", kWay, 0).valid();
}

std::string Beneath::full_name(std::string_view path) const {
  return printable(path.empty() ? name_ : join_path(name_ == "/" ? "" : name_, path));
}

Fd Beneath::try_open(std::string_view path, int flags, unsigned mode, int& error) const {
  if (!is_harmless(path)) {
    throw Error(Code::kDenied,
                "the path '" + printable(path) + "' could lead out of " + printable(name_),
                "the backup may have been tampered with: check it before restoring more of it");
  }
  Fd fd = open_long(path.empty() ? "." : std::string(path), flags, mode);
  error = fd.valid() ? 0 : errno;
  if (error == ELOOP || error == ENOTDIR || error == EXDEV) refuse_way(path, error);
  return fd;
}

// A path that is more than the kernel takes at once goes a piece at a time.
Fd Beneath::open_long(std::string path, int flags, unsigned mode) const {
  Fd piece;
  while (path.size() >= PATH_MAX) {
    const std::size_t cut = path.rfind('/', PATH_MAX - 1);
    if (cut == std::string::npos) break;  // one endless name: the system will say so
    piece = open_in(piece.valid() ? piece.get() : root_.get(), path.substr(0, cut), kWay, 0);
    if (!piece.valid()) return piece;
    path.erase(0, cut + 1);
  }
  return open_in(piece.valid() ? piece.get() : root_.get(), path, flags, mode);
}

Fd Beneath::open(std::string_view path, int flags) const {
  int error = 0;
  Fd fd = try_open(path, flags, 0, error);
  if (!fd.valid()) throw system_error(error, "cannot open " + full_name(path));
  return fd;
}

Beneath::Place Beneath::place_of(std::string_view path) const {
  if (path.empty()) {
    throw Error(Code::kDenied, "the directory " + printable(name_) + " itself cannot be replaced");
  }
  int error = 0;
  Place place;
  if (!is_harmless(path)) try_open(path, kWay, 0, error);  // throws
  place.directory = try_open(parent_path(path), kWay, 0, error);
  if (!place.directory.valid()) {
    throw system_error(error, "cannot open the directory " + full_name(parent_path(path)));
  }
  place.name = base_name(path);
  return place;
}

Fd Beneath::open_in(int directory, const std::string& path, int flags, unsigned mode) const {
  return has_openat2_ ? openat2_beneath(directory, path.c_str(), flags, mode)
                      : open_components(directory, path, flags, mode);
}

Fd Beneath::open_components(int directory, const std::string& path, int flags,
                            unsigned mode) const {
  Fd current;
  std::size_t at = 0;
  for (std::size_t slash; (slash = path.find('/', at)) != std::string::npos; at = slash + 1) {
    const std::string component = path.substr(at, slash - at);
    Fd next = openat_once(current.valid() ? current.get() : directory, component.c_str(), kWay, 0);
    if (!next.valid()) return next;
    current = std::move(next);
  }
  return openat_once(current.valid() ? current.get() : directory, path.c_str() + at, flags, mode);
}

void Beneath::refuse_way(std::string_view path, int error) const {
  Fd current = openat_once(root_.get(), ".", kWay, 0);
  for (std::size_t at = 0; at < path.size();) {
    const std::size_t end = std::min(path.find('/', at), path.size());
    const std::string component(path.substr(at, end - at));
    struct stat status {};
    if (::fstatat(current.get(), component.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) break;
    const std::string found = full_name(path.substr(0, end));
    if (S_ISLNK(status.st_mode)) {
      throw Error(Code::kDenied, found + " is a symlink, and could lead out of " + printable(name_),
                  "remove the symlink, or restore into an empty directory");
    }
    if (!S_ISDIR(status.st_mode)) {
      throw Error(Code::kConflict, found + " is in the way: it is not a directory",
                  "move it away, or restore into an empty directory");
    }
    current = openat_once(current.get(), component.c_str(), kWay, 0);
    at = end + 1;
  }
  throw system_error(error, "cannot open " + full_name(path))
      .suggest("it changed while it was restored: try again");
}

}  // namespace holdfast
