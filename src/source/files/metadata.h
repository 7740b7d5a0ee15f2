// From a file-system object to an Entry.
#pragma once

#include <sys/stat.h>

#include <optional>
#include <string>
#include <unordered_map>

#include "vault/entry.h"

namespace holdfast {

// Names of user and group ids, looked up once each. One thread at a time.
class OwnerNames {
 public:
  const std::string& user(std::uint32_t uid);
  const std::string& group(std::uint32_t gid);

 private:
  std::unordered_map<std::uint32_t, std::string> users_;
  std::unordered_map<std::uint32_t, std::string> groups_;
};

// Everything that stat knows: no link target, attributes or extents. Nothing for sockets, which
// cannot be restored.
std::optional<Entry> entry_of(const std::string& path, const struct stat& status,
                              OwnerNames& names);

// Extended attributes and ACLs of `path` (stored form), not following a symlink; by descriptor when
// `fd` >= 0. File systems without them give none. Throws Error for what cannot be read.
std::vector<Xattr> read_xattrs(const std::string& path, int fd);

// Throws Error for what is gone or not a symlink. `path` is in stored form.
std::string read_symlink(const std::string& path);

// Of an open file; `file` is named when it cannot be had.
struct stat status_of(int fd, const std::string& file);

// Data ranges of an open file of `status`: SEEK_DATA and SEEK_HOLE. Nothing when it has no holes,
// or more than an entry has room for (then it is read whole: zeros compress well). Moves the file
// offset to 0. Throws Error when reading fails.
std::optional<std::vector<Extent>> data_extents(int fd, const struct stat& status);

}  // namespace holdfast
