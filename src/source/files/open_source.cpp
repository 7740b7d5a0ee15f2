#include "source/files/open_source.h"

#include <fcntl.h>
#include <limits.h>

#include <cerrno>

#include "base/error.h"
#include "base/human.h"

namespace holdfast {

namespace {

Fd open_at(int at, const std::string& name, int flags) {
  int fd = -1;
  do {
    fd = ::openat(at, name.c_str(), flags | O_CLOEXEC);
  } while (fd < 0 && errno == EINTR);
  return Fd(fd);
}

}  // namespace

int ShortPath::at() const { return directory.valid() ? directory.get() : AT_FDCWD; }

ShortPath shorten(std::string_view path) {
  ShortPath place;
  place.name.reserve(path.size() + 1);
  place.name.append("/").append(path);
  while (place.name.size() >= PATH_MAX) {
    const std::size_t cut = place.name.rfind('/', PATH_MAX - 1);
    if (cut == std::string::npos || cut == 0) break;  // one endless name: the system will say so
    Fd next = open_at(place.at(), place.name.substr(0, cut), O_PATH | O_DIRECTORY);
    if (!next.valid()) throw system_error(errno, "cannot open /" + printable(path));
    place.directory = std::move(next);
    place.name.erase(0, cut + 1);
  }
  return place;
}

Fd open_source(std::string_view path, int flags) {
  const ShortPath place = shorten(path);
  flags |= O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;
  Fd fd = open_at(place.at(), place.name, flags | O_NOATIME);
  // O_NOATIME is for the owner and root only.
  if (!fd.valid() && errno == EPERM) fd = open_at(place.at(), place.name, flags);
  if (!fd.valid()) throw system_error(errno, "cannot open /" + printable(path));
  return fd;
}

}  // namespace holdfast
