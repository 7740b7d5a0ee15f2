// Reading directories by descriptor, and descending into them without holding many open.
#pragma once

#include <sys/stat.h>

#include <string_view>
#include <vector>

#include "os/file.h"

namespace holdfast {

// The names in one directory, packed into one buffer that can be used again.
class Names {
 public:
  void clear();
  void add(std::string_view name);
  // Adds what getdents64(2) gives for `fd`, without "." and "..". Returns 0 or an errno; the names
  // read before the error stay.
  int read(int fd);
  void sort();  // by bytes

  std::size_t size() const { return spans_.size(); }
  std::string_view operator[](std::size_t i) const { return {c_str(i), spans_[i].length}; }
  const char* c_str(std::size_t i) const { return text_.data() + spans_[i].offset; }

 private:
  struct Span {
    std::size_t offset;
    std::size_t length;
  };
  std::vector<char> text_;  // each name with a NUL behind it
  std::vector<Span> spans_;
};

// Directories from a top one down to the one at work, each inside the one before. Only the deepest
// few are open, so that depth is not bounded by the limit of descriptors; the others are opened
// again by "..", and taken only if they are still the same directory. One thread at a time.
class DirectoryStack {
 public:
  struct Level {
    Fd fd;  // of the top level: always valid, unless pop() has failed
    dev_t device = 0;
    ino_t inode = 0;
    Names names;
    std::size_t next = 0;  // index of the name to do next
  };

  std::size_t depth() const { return depth_; }
  Level& top() { return levels_[depth_ - 1]; }

  // `status` is that of `fd`.
  Level& push(Fd fd, const struct stat& status);
  // Leaves the deepest directory. False when the one above is not where it was: the caller may look
  // for it and offer it to reopen().
  bool pop();
  // Takes `fd` for the top level; false when it is another directory.
  bool reopen(Fd fd);

 private:
  std::vector<Level> levels_;  // those behind depth_ are kept for their buffers
  std::size_t depth_ = 0;
};

}  // namespace holdfast
