#include "store/temporary_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "base/error.h"

namespace holdfast {
namespace {

constexpr std::uint64_t kWriteBackStep = std::uint64_t{8} << 20;

// Adjacent versions of a small object can get the same inode number, size and, as the kernel's
// clock ticks only every few milliseconds, time. Random digits below the millisecond tell them
// apart. Where times cannot be set the tick has to do.
void make_time_unique(int fd) {
  struct stat status {};
  if (::fstat(fd, &status) != 0) return;
  constexpr long kMillisecond = 1'000'000;
  timespec modified = status.st_mtim;
  modified.tv_nsec -= modified.tv_nsec % kMillisecond;
  modified.tv_nsec += static_cast<long>(random_word() % kMillisecond);
  const timespec times[2] = {{0, UTIME_OMIT}, modified};
  ::futimens(fd, times);
}

}  // namespace

std::uint64_t random_word() {
  std::uint64_t word = 0;
  if (::getrandom(&word, sizeof word, 0) != static_cast<ssize_t>(sizeof word)) {
    throw system_error(errno, "cannot get random bytes");
  }
  return word;
}

TemporaryFile::TemporaryFile(std::string path)
    : path_(std::move(path)), fd_(open_file(path_, O_WRONLY | O_CREAT | O_EXCL, 0444)) {
  // Where locks are not supported, leftovers cannot be told from live files, and both stay.
  ::flock(fd_.get(), LOCK_EX | LOCK_NB);
}

TemporaryFile::TemporaryFile(TemporaryFile&& other) noexcept
    : path_(std::exchange(other.path_, {})),
      fd_(std::move(other.fd_)),
      written_(other.written_),
      pushed_(other.pushed_) {}

void TemporaryFile::append(ByteView data) {
  write_full(fd_.get(), data, path_);
  written_ += data.size();
  if (written_ - pushed_ < kWriteBackStep) return;
  // Starts the disk now, so that the sync at the end is short. Errors come up there again.
  ::sync_file_range(fd_.get(), static_cast<off_t>(pushed_), static_cast<off_t>(written_ - pushed_),
                    SYNC_FILE_RANGE_WRITE);
  pushed_ = written_;
}

void TemporaryFile::sync() {
  make_time_unique(fd_.get());
  sync_file(fd_.get(), path_);
}

void TemporaryFile::discard() {
  if (!path_.empty()) ::unlink(path_.c_str());
  release();
}

void TemporaryFile::release() {
  path_.clear();
  fd_.reset();
}

}  // namespace holdfast
