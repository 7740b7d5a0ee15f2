// Walks file trees in the order of compare_paths (base/path.h).
#pragma once

#include <sys/stat.h>

#include <functional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/ignore.h"

namespace holdfast {

struct WalkOptions {
  // Stored form. Roots below others are walked once, as part of those; but a root that the one
  // above would leave out (excluded, or another file system) is walked all the same.
  std::vector<std::string> roots;
  IgnoreRules excludes{};
  std::vector<std::string> left_out = {};  // stored paths: neither visited nor entered
  bool one_file_system = true;             // per root; a mount point is kept as an empty directory
  // Directories with a valid CACHEDIR.TAG keep only the tag; roots are always walked.
  bool skip_cache_directories = false;
};

struct WalkItem {
  std::string path;       // stored form (base/path.h)
  struct stat status {};  // lstat
  bool ancestor = false;  // a directory above a root, given for its metadata only
};

// Calls `visit` for every object in order, each once: the ancestors of each root (without "/"),
// then the root and all below it. A root that is a symlink is visited as one, with a warning;
// symlinks among its ancestors count as the directories that they lead to. `warn` hears of what
// vanished or could not be read; the walk goes on. A root that does not exist is a warning too,
// unless no root exists: then Error(kNotFound). Stops early, with Error(kCancelled), when `stop` is
// requested. Uses directory descriptors, so that depth and renames do not matter; single-threaded.
void walk(const WalkOptions& options, const std::function<void(WalkItem&&)>& visit,
          const std::function<void(const std::string& path, const Error&)>& warn,
          std::stop_token stop);

}  // namespace holdfast
