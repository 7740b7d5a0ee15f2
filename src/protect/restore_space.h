// Whether what a restore will write has room, before it writes anything.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace holdfast {

// What is needed where, summed for each file system: places may share one.
class SpaceNeeds {
 public:
  // `place` need not exist: it will be made in the nearest directory above it.
  void add(const std::string& place, std::uint64_t bytes);
  bool has_room() const;
  // Throws kExhausted with `advice` when a file system has less free than is needed there.
  void check(const std::string& advice) const;

 private:
  struct FileSystem {
    std::string directory;  // on it, and there
    std::vector<std::string> places;
    std::uint64_t bytes = 0;
  };
  std::map<dev_t, FileSystem> needs_;
};

// What the files below `directory` hold on the disk; 0 when it is not there.
std::uint64_t held_below(const std::string& directory);

}  // namespace holdfast
