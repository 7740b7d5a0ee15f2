// Files and directories: thin, checked wrappers over POSIX calls. All errors are Error.
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <string>
#include <utility>

#include "base/bytes.h"

namespace holdfast {

// Owns a file descriptor. Not thread-safe; the descriptor itself may be used by several threads.
class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    if (this != &other) {
      reset();
      fd_ = std::exchange(other.fd_, -1);
    }
    return *this;
  }
  ~Fd() { reset(); }

  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }
  void reset();
  int release() { return std::exchange(fd_, -1); }

 private:
  int fd_ = -1;
};

// open(2) with O_CLOEXEC, restarted on EINTR. `path` names the file in the error.
Fd open_file(const std::string& path, int flags, unsigned mode = 0600);

// A file without a name in `directory`, for reading and writing: it goes with its descriptor.
Fd open_unnamed_file(const std::string& directory);

// Reads until `out` is full or the end; returns the bytes read.
std::size_t read_full(int fd, MutableBytes out, const std::string& path);
std::size_t pread_full(int fd, MutableBytes out, std::uint64_t offset, const std::string& path);
void write_full(int fd, ByteView data, const std::string& path);
void pwrite_full(int fd, ByteView data, std::uint64_t offset, const std::string& path);
void sync_file(int fd, const std::string& path);
// fsync of a directory, so that a rename or creation in it survives a crash.
void sync_directory(const std::string& path);
// All that was written to the file system of a directory is on its disk. Throws also what went
// wrong in writing before, if nobody was told.
void sync_file_system(const std::string& directory);
// close(2), which may be the first to say that a file on a network was not written.
void close_written(Fd& fd, const std::string& path);

// Whole small files. `write_file_atomic` writes beside, syncs, renames and syncs the directory.
Bytes read_file(const std::string& path);
void write_file_atomic(const std::string& path, ByteView data, unsigned mode = 0644);

void make_directories(const std::string& path, unsigned mode = 0755);
bool path_exists(const std::string& path);
// Or a symlink to one; false also where it cannot be told.
bool is_directory(const std::string& path);
// Bytes that an unprivileged user may still write to the file system that holds `path`.
std::uint64_t free_space(const std::string& path);

// A file mapped into memory, read-only; empty files have an empty view.
class MappedFile {
 public:
  MappedFile() = default;
  explicit MappedFile(const std::string& path);
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  ~MappedFile();
  ByteView view() const { return {data_, size_}; }

 private:
  const std::uint8_t* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace holdfast
