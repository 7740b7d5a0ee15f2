// A file in the making, before it becomes an object of a directory store.
#pragma once

#include <string>

#include "base/bytes.h"
#include "os/file.h"

namespace holdfast {

// From the system's random source.
std::uint64_t random_word();

// A file without a name of its own yet. It is locked as long as it is open, which tells other
// processes that its writer lives. Unless `release`d it is removed. One thread at a time.
class TemporaryFile {
 public:
  explicit TemporaryFile(std::string path);
  TemporaryFile(TemporaryFile&& other) noexcept;
  TemporaryFile& operator=(TemporaryFile&&) = delete;
  ~TemporaryFile() { discard(); }

  const std::string& path() const { return path_; }
  void append(ByteView data);
  // Makes the content durable.
  void sync();
  void discard();
  // Keeps the file, which has another name by now.
  void release();

 private:
  std::string path_;
  Fd fd_;
  std::uint64_t written_ = 0;
  std::uint64_t pushed_ = 0;  // of these the disk was told
};

}  // namespace holdfast
