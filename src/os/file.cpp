#include "os/file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <filesystem>

#include "base/error.h"

namespace holdfast {

void Fd::reset() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

Fd open_file(const std::string& path, int flags, unsigned mode) {
  int fd = -1;
  do {
    fd = ::open(path.c_str(), flags | O_CLOEXEC, mode);
  } while (fd < 0 && errno == EINTR);
  if (fd < 0) throw system_error(errno, "cannot open " + path);
  return Fd(fd);
}

Fd open_unnamed_file(const std::string& directory) {
  // Not O_TMPFILE, which some file systems of containers lack. A crash between the two calls leaves
  // an empty file.
  std::string path = directory + "/holdfast-XXXXXX";
  Fd fd(::mkostemp(path.data(), O_CLOEXEC));
  if (!fd.valid() || ::unlink(path.c_str()) != 0) {
    throw system_error(errno, "cannot make a temporary file in " + directory);
  }
  return fd;
}

std::size_t read_full(int fd, MutableBytes out, const std::string& path) {
  std::size_t done = 0;
  while (done < out.size()) {
    const ssize_t n = ::read(fd, out.data() + done, out.size() - done);
    if (n == 0) break;
    if (n < 0) {
      if (errno == EINTR) continue;
      throw system_error(errno, "cannot read " + path);
    }
    done += static_cast<std::size_t>(n);
  }
  return done;
}

std::size_t pread_full(int fd, MutableBytes out, std::uint64_t offset, const std::string& path) {
  std::size_t done = 0;
  while (done < out.size()) {
    const ssize_t n =
        ::pread(fd, out.data() + done, out.size() - done, static_cast<off_t>(offset + done));
    if (n == 0) break;
    if (n < 0) {
      if (errno == EINTR) continue;
      throw system_error(errno, "cannot read " + path);
    }
    done += static_cast<std::size_t>(n);
  }
  return done;
}

void write_full(int fd, ByteView data, const std::string& path) {
  while (!data.empty()) {
    const ssize_t n = ::write(fd, data.data(), data.size());
    if (n < 0) {
      if (errno == EINTR) continue;
      throw system_error(errno, "cannot write " + path);
    }
    data = data.subspan(static_cast<std::size_t>(n));
  }
}

void pwrite_full(int fd, ByteView data, std::uint64_t offset, const std::string& path) {
  while (!data.empty()) {
    const ssize_t n = ::pwrite(fd, data.data(), data.size(), static_cast<off_t>(offset));
    if (n < 0) {
      if (errno == EINTR) continue;
      throw system_error(errno, "cannot write " + path);
    }
    data = data.subspan(static_cast<std::size_t>(n));
    offset += static_cast<std::uint64_t>(n);
  }
}

void sync_file(int fd, const std::string& path) {
  if (::fsync(fd) != 0) throw system_error(errno, "cannot sync " + path);
}

void sync_directory(const std::string& path) {
  const Fd fd = open_file(path, O_RDONLY | O_DIRECTORY);
  sync_file(fd.get(), path);
}

void sync_file_system(const std::string& directory) {
  const Fd fd = open_file(directory, O_RDONLY | O_DIRECTORY);
  if (::syncfs(fd.get()) != 0) {
    throw system_error(errno, "cannot write the file system of " + directory + " to its disk");
  }
}

void close_written(Fd& fd, const std::string& path) {
  // Whatever it says, the descriptor is gone.
  if (::close(fd.release()) != 0 && errno != EINTR) {
    throw system_error(errno, "cannot write " + path);
  }
}

Bytes read_file(const std::string& path) {
  const Fd fd = open_file(path, O_RDONLY);
  struct stat status {};
  if (::fstat(fd.get(), &status) != 0) throw system_error(errno, "cannot stat " + path);
  Bytes data(static_cast<std::size_t>(status.st_size));
  data.resize(read_full(fd.get(), data, path));
  for (std::uint8_t more[4096];;) {  // files in /proc have no size
    const std::size_t n = read_full(fd.get(), more, path);
    if (n == 0) return data;
    append(data, ByteView(more, n));
  }
}

void write_file_atomic(const std::string& path, ByteView data, unsigned mode) {
  static std::atomic<unsigned> counter{0};
  const std::string temporary =
      path + ".tmp-" + std::to_string(::getpid()) + "-" + std::to_string(counter++);
  try {
    const Fd fd = open_file(temporary, O_WRONLY | O_CREAT | O_EXCL, mode);
    write_full(fd.get(), data, temporary);
    sync_file(fd.get(), temporary);
    if (::rename(temporary.c_str(), path.c_str()) != 0) {
      throw system_error(errno, "cannot rename to " + path);
    }
  } catch (...) {
    ::unlink(temporary.c_str());
    throw;
  }
  const auto slash = path.find_last_of('/');
  sync_directory(slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash));
}

void make_directories(const std::string& path, unsigned mode) {
  for (std::size_t at = 1; at <= path.size(); ++at) {
    if (at != path.size() && path[at] != '/') continue;
    const std::string prefix = path.substr(0, at);
    if (::mkdir(prefix.c_str(), mode) != 0 && errno != EEXIST) {
      const int error = errno;
      if (!path_exists(prefix)) throw system_error(error, "cannot create directory " + prefix);
    }
  }
  if (!std::filesystem::is_directory(path)) {
    throw Error(Code::kInvalid, path + " is not a directory");
  }
}

bool path_exists(const std::string& path) {
  struct stat status {};
  return ::lstat(path.c_str(), &status) == 0;
}

bool is_directory(const std::string& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode);
}

std::uint64_t free_space(const std::string& path) {
  struct statvfs status {};
  if (::statvfs(path.c_str(), &status) != 0) {
    throw system_error(errno, "cannot ask for the free space of " + path);
  }
  return static_cast<std::uint64_t>(status.f_bavail) * status.f_frsize;
}

MappedFile::MappedFile(const std::string& path) {
  const Fd fd = open_file(path, O_RDONLY);
  struct stat status {};
  if (::fstat(fd.get(), &status) != 0) throw system_error(errno, "cannot stat " + path);
  size_ = static_cast<std::size_t>(status.st_size);
  if (size_ == 0) return;
  void* address = ::mmap(nullptr, size_, PROT_READ, MAP_SHARED, fd.get(), 0);
  if (address == MAP_FAILED) throw system_error(errno, "cannot map " + path);
  data_ = static_cast<const std::uint8_t*>(address);
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(const_cast<std::uint8_t*>(data_), size_);
}

}  // namespace holdfast
