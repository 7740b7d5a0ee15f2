// What the system does better when it hears of it early. Hints: where the file system knows no such
// thing, nothing happens, and no error is one.
#pragma once

#include <cstdint>

namespace holdfast {

// Gets room on the disk for a file of `size` bytes in one piece, before they are written in any
// order. The file does not become longer. Not on Btrfs, which never compresses what got its room
// ahead.
void allocate_ahead(int fd, std::uint64_t size);

// Begins to write these bytes from memory to the disk, and does not wait for it.
void begin_writeback(int fd, std::uint64_t offset, std::uint64_t length);

}  // namespace holdfast
