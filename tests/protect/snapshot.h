// What lies below a directory, read with plain system calls: the judge of restores, which therefore
// shares no code with them.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace holdfast::test {

struct SeenObject {
  std::uint32_t mode = 0;  // with the type
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::uint64_t device = 0;
  std::int64_t mtime_ns = 0;
  std::string content;     // of a file; the text of a symlink
  std::string first_name;  // of what has several names: the first of them in the tree
  std::map<std::string, std::string> xattrs;
  std::vector<std::pair<std::int64_t, std::int64_t>> data;  // [begin, end) of what is not hole
  bool operator==(const SeenObject&) const = default;
};

// By path relative to the top, which is "". Sockets are left out.
using Snapshot = std::map<std::string, SeenObject>;

// Throws std::runtime_error when something cannot be read.
Snapshot take_snapshot(const std::string& directory);

// Removes `path` and what lies below it.
void erase_below(Snapshot& snapshot, const std::string& path);
// What lies below `path` (which becomes "").
Snapshot subtree(const Snapshot& snapshot, const std::string& path);

// What differs, the first few lines; "" when nothing does.
std::string difference(const Snapshot& expected, const Snapshot& found);

}  // namespace holdfast::test
