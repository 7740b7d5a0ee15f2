#include "protect/restore_space.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>

#include "base/error.h"
#include "base/human.h"
#include "os/file.h"

namespace holdfast {

void SpaceNeeds::add(const std::string& place, std::uint64_t bytes) {
  std::filesystem::path directory = std::filesystem::absolute(place);
  struct stat status {};
  // Through links: a target may be one.
  while (::stat(directory.c_str(), &status) != 0 && directory.has_relative_path()) {
    directory = directory.parent_path();
  }
  FileSystem& there = needs_[status.st_dev];
  if (there.directory.empty()) there.directory = directory.string();
  if (std::find(there.places.begin(), there.places.end(), place) == there.places.end()) {
    there.places.push_back(place);
  }
  there.bytes += bytes;
}

bool SpaceNeeds::has_room() const {
  return std::all_of(needs_.begin(), needs_.end(), [](const auto& need) {
    return need.second.bytes <= free_space(need.second.directory);
  });
}

void SpaceNeeds::check(const std::string& advice) const {
  for (const auto& [device, needed] : needs_) {
    const std::uint64_t available = free_space(needed.directory);
    if (needed.bytes <= available) continue;
    std::string places;
    for (const std::string& place : needed.places) {
      places += (places.empty() ? "" : ", ") + printable(place);
    }
    throw Error(Code::kExhausted,
                fmt::format("the restore needs {} for {}, and {} are free there",
                            format_size(needed.bytes), places, format_size(available)),
                advice);
  }
}

std::uint64_t held_below(const std::string& directory) {
  std::uint64_t held = 0;
  std::error_code none;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory, none)) {
    struct stat status {};
    if (::lstat(entry.path().c_str(), &status) != 0 || !S_ISREG(status.st_mode)) continue;
    held += static_cast<std::uint64_t>(status.st_blocks) * 512;
  }
  return held;
}

}  // namespace holdfast
