#include "source/files/directory.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>

namespace holdfast {

namespace {

constexpr std::size_t kOpenLevels = 16;
constexpr std::size_t kReadSize = 64 * 1024;

// linux_dirent64 of getdents64(2); d_type is left alone, as file systems need not fill it in.
constexpr std::size_t kRecordLengthAt = 16;
constexpr std::size_t kNameAt = 19;

}  // namespace

void Names::clear() {
  text_.clear();
  spans_.clear();
}

void Names::add(std::string_view name) {
  spans_.push_back({text_.size(), name.size()});
  text_.insert(text_.end(), name.begin(), name.end());
  text_.push_back('\0');
}

int Names::read(int fd) {
  alignas(8) char buffer[kReadSize];
  for (;;) {
    const long got = ::syscall(SYS_getdents64, fd, buffer, sizeof buffer);
    if (got == 0) return 0;
    if (got < 0) {
      if (errno == EINTR) continue;
      return errno;
    }
    for (std::size_t at = 0; at < static_cast<std::size_t>(got);) {
      std::uint16_t length = 0;
      std::memcpy(&length, buffer + at + kRecordLengthAt, sizeof length);
      const std::string_view name(buffer + at + kNameAt);
      if (name != "." && name != "..") add(name);
      at += length;
    }
  }
}

void Names::sort() {
  const char* text = text_.data();
  std::sort(spans_.begin(), spans_.end(), [text](const Span& a, const Span& b) {
    return std::string_view(text + a.offset, a.length) <
           std::string_view(text + b.offset, b.length);
  });
}

DirectoryStack::Level& DirectoryStack::push(Fd fd, const struct stat& status) {
  if (depth_ == levels_.size()) levels_.emplace_back();
  if (depth_ >= kOpenLevels) levels_[depth_ - kOpenLevels].fd.reset();
  Level& level = levels_[depth_++];
  level.fd = std::move(fd);
  level.device = status.st_dev;
  level.inode = status.st_ino;
  level.names.clear();
  level.next = 0;
  return level;
}

bool DirectoryStack::pop() {
  const Fd left = std::move(levels_[--depth_].fd);
  if (depth_ == 0 || top().fd.valid()) return true;
  if (!left.valid()) return false;
  return reopen(Fd(::openat(left.get(), "..", O_PATH | O_DIRECTORY | O_CLOEXEC)));
}

bool DirectoryStack::reopen(Fd fd) {
  struct stat status {};
  if (!fd.valid() || ::fstat(fd.get(), &status) != 0) return false;
  if (status.st_dev != top().device || status.st_ino != top().inode) return false;
  top().fd = std::move(fd);
  return true;
}

}  // namespace holdfast
