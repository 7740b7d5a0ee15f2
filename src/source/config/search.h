// Looking for files below a directory.
#pragma once

#include <functional>
#include <stop_token>
#include <string>
#include <vector>

namespace holdfast {

struct Found {
  std::string path;  // as given for the root, then '/' and names
  std::string name;
  bool is_directory = false;  // a symbolic link is never one
};

// Calls `visit` for everything below `directory` (which may be a symbolic link itself) in the order
// of names; for a directory it answers whether to look inside. What cannot be read becomes a note.
// Throws Error(kCancelled) at a stop.
void search_tree(const std::string& directory, const std::function<bool(const Found&)>& visit,
                 std::vector<std::string>& notes, std::stop_token stop);

}  // namespace holdfast
