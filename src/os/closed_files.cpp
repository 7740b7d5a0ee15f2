#include "os/closed_files.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>

#include "base/error.h"

namespace holdfast {
namespace {

constexpr std::size_t kBuffer = std::size_t{64} << 10;

}  // namespace

ClosedFiles::ClosedFiles(const std::string& directory)
    : directory_(directory),
      events_(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK)),
      end_(::eventfd(0, EFD_CLOEXEC)) {
  if (!end_.valid()) throw system_error(errno, "cannot watch " + directory);
  // Watches are few for each user; without one, everything is found at the end.
  if (events_.valid() &&
      ::inotify_add_watch(events_.get(), directory.c_str(), IN_CLOSE_WRITE | IN_ONLYDIR) < 0) {
    events_.reset();
  }
}

std::vector<std::string> ClosedFiles::read_names() {
  std::vector<std::string> names;
  if (!events_.valid()) return names;
  alignas(inotify_event) std::array<char, kBuffer> buffer;
  const ssize_t size = ::read(events_.get(), buffer.data(), buffer.size());
  if (size < 0) {
    if (errno == EAGAIN || errno == EINTR) return names;
    throw system_error(errno, "cannot watch " + directory_);
  }
  for (std::size_t at = 0; at < static_cast<std::size_t>(size);) {
    inotify_event event{};
    std::memcpy(&event, buffer.data() + at, sizeof event);
    if ((event.mask & IN_CLOSE_WRITE) != 0 && event.len > 0) {
      names.emplace_back(buffer.data() + at + sizeof event);
    }
    at += sizeof event + event.len;
  }
  return names;
}

std::vector<std::string> ClosedFiles::next() {
  for (;;) {
    std::array<pollfd, 2> ready{{{events_.get(), POLLIN, 0}, {end_.get(), POLLIN, 0}}};
    if (::poll(ready.data(), ready.size(), -1) < 0) {
      if (errno == EINTR) continue;
      throw system_error(errno, "cannot watch " + directory_);
    }
    // What was closed before the end has its event before the end is seen.
    std::vector<std::string> names = read_names();
    if (!names.empty() || ready[1].revents != 0) return names;
  }
}

void ClosedFiles::end() {
  const std::uint64_t one = 1;
  static_cast<void>(!::write(end_.get(), &one, sizeof one));
}

}  // namespace holdfast
