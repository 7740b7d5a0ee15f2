// One file-system object as a backup remembers it.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"

namespace holdfast {

enum class EntryType : std::uint8_t {
  kFile = 1,
  kDirectory = 2,
  kSymlink = 3,
  kHardlink = 4,  // a further name of what came earlier in the same backup and is no directory
  kFifo = 5,
  kCharDevice = 6,
  kBlockDevice = 7,
};

// A range of a sparse file that holds data; everything outside is a hole.
struct Extent {
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
  bool operator==(const Extent&) const = default;
};

struct Xattr {
  std::string name;  // with its namespace: "user.x", "system.posix_acl_access"
  Bytes value;
  bool operator==(const Xattr&) const = default;
};

struct Entry {
  std::string path;  // see base/path.h
  EntryType type = EntryType::kFile;
  std::uint32_t mode = 0;  // permission bits, set-id and sticky: 07777
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::string user;  // names as the source host knew them; empty when it knew none
  std::string group;
  std::int64_t mtime_ns = 0;  // since 1970, may be negative
  std::uint64_t size = 0;     // of a file, holes included
  std::string link_target;    // of a symlink: its text; of a hard link: the first name's path
  std::uint64_t device = 0;   // of a device: st_rdev as makedev() gives it
  std::vector<Xattr> xattrs;
  std::vector<Extent> extents;  // of a sparse file, ascending; empty: all of it is data
  bool sparse = false;          // the file has holes (a file that is all hole has no extents)
  bool unstable = false;        // the file kept changing while it was read
  bool operator==(const Entry&) const = default;
};

}  // namespace holdfast
