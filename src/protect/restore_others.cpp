#include "protect/restore_others.h"

#include <sys/stat.h>

#include <algorithm>
#include <filesystem>

#include "base/path.h"
#include "protect/restore_mark.h"

namespace holdfast {

bool RestoreOthers::want(std::string_view path) {
  const bool first = !wanted_.contains(std::string(path));
  while (wanted_.emplace(path).second && !path.empty()) path = parent_path(path);
  return first;
}

bool RestoreOthers::may_remove(const std::string& stored) const {
  // Without roots nothing was walked: a database, whose directory is its own.
  return roots_.empty() || std::any_of(roots_.begin(), roots_.end(), [&](const std::string& root) {
           return is_within(stored, root);
         });
}

// What --exclude spares is no business of ours, nor what a file system has by itself.
bool RestoreOthers::is_other(const std::string& path, const std::string& stored) const {
  return path != kRestoreMark && path != "lost+found" && !wanted_.contains(path) &&
         selection_.wants(stored, false) && selection_.wants(stored, true);
}

std::uint64_t RestoreOthers::remove_from(Target& target, const std::string& path,
                                         const std::string& stored, bool dry_run) const {
  struct stat status {};
  if (!path.empty() && (!target.stat(path, status) || !S_ISDIR(status.st_mode))) return 0;
  const std::string directory = path.empty() ? target.directory() : target.directory() + "/" + path;
  std::error_code ignored;
  std::vector<std::string> others;
  for (const auto& child : std::filesystem::directory_iterator(directory, ignored)) {
    const std::string name = child.path().filename().string();
    if (is_other(join_path(path, name), join_path(stored, name))) {
      others.push_back(join_path(path, name));
    }
  }
  if (!dry_run) {
    for (const std::string& other : others) target.remove_tree(other);
  }
  return others.size();
}

}  // namespace holdfast
