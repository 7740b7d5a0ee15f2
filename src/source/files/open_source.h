// Source files by their stored path, however long it is.
#pragma once

#include <string>
#include <string_view>

#include "os/file.h"

namespace holdfast {

// A stored path as the *at calls take it: below `directory` if that is valid, else absolute. Paths
// beyond PATH_MAX are walked in pieces.
struct ShortPath {
  Fd directory;
  std::string name;

  int at() const;  // the first argument of an *at call
};

// Throws Error when a directory on the way cannot be opened.
ShortPath shorten(std::string_view path);

// Opens a stored path without following a final symlink or waiting for the other end of a fifo; the
// access time is left alone where the system lets us. The caller compares the descriptor's device
// and inode with what the walk saw, as somebody may have swapped a directory on the way.
Fd open_source(std::string_view path, int flags);

}  // namespace holdfast
