// Content that waits in unnamed files until its key is known and it is sent.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "net/http.h"
#include "os/file.h"
#include "os/mutex.h"

namespace holdfast {

// Unnamed files in $TMPDIR or /tmp that are used again and again: to write over pages that are in
// memory costs less than to have new ones made. Thread-safe.
class SpoolFiles {
 public:
  // With content of an earlier use.
  Fd take();
  // `size`: how much of it was used. What is far larger than a pack gives its space back.
  void put_back(Fd file, std::uint64_t size);
  const std::string& directory() const { return directory_; }

 private:
  const std::string directory_ = std::filesystem::temp_directory_path();
  Mutex mutex_;
  std::vector<Fd> free_ GUARDED_BY(mutex_);
};

// One thread at a time.
class Spool {
 public:
  // `files` outlives it. Parts have `part_bytes`, and twice as many after each thousand of them: S3
  // takes 10,000, and 5 TiB.
  Spool(SpoolFiles& files, std::uint64_t part_bytes);
  ~Spool();
  Spool(const Spool&) = delete;
  Spool& operator=(const Spool&) = delete;

  void append(ByteView data);
  std::uint64_t size() const { return size_; }
  std::size_t parts() const { return starts_.size(); }
  // Part `index`, from 0; valid as long as the spool. May be read by any thread after the last
  // append().
  HttpBody part(std::size_t index) const;
  HttpBody whole() const;

 private:
  HttpBody range(std::uint64_t from, std::uint64_t size) const;
  std::uint64_t part_end() const;  // of the one that is being filled

  SpoolFiles& files_;
  Fd fd_;
  const std::uint64_t part_bytes_;
  std::uint64_t size_ = 0;
  std::vector<std::uint64_t> starts_;  // of the parts
};

}  // namespace holdfast
