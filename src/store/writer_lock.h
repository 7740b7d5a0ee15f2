// One writer at a time where an object is replaced or removed.
#pragma once

#include <sys/file.h>

#include <cerrno>
#include <mutex>

#include "base/error.h"
#include "os/file.h"

namespace holdfast {

// Excludes other threads and processes that replace or remove objects of the same directory.
class WriterLock {
 public:
  // Calls `action` under the lock. `open` opens the lock file, which happens once.
  template <typename Open, typename Action>
  auto run(const Open& open, const Action& action) {
    const std::lock_guard in_process(mutex_);
    if (!fd_.valid()) fd_ = open();
    const FileLock between_processes(fd_.get());
    return action();
  }

 private:
  class FileLock {
   public:
    explicit FileLock(int fd) : fd_(fd) {
      while (::flock(fd_, LOCK_EX) != 0) {
        if (errno != EINTR) throw system_error(errno, "cannot lock the vault");
      }
    }
    FileLock(const FileLock&) = delete;
    FileLock& operator=(const FileLock&) = delete;
    ~FileLock() { ::flock(fd_, LOCK_UN); }

   private:
    int fd_;
  };

  std::mutex mutex_;
  Fd fd_;
};

}  // namespace holdfast
