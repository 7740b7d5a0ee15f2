#include "source/config/search.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <system_error>

#include "base/error.h"
#include "base/human.h"

namespace holdfast {
namespace {

namespace fs = std::filesystem;

std::vector<Found> list(const std::string& directory, std::vector<std::string>& notes) {
  std::vector<Found> found;
  std::error_code error;
  fs::directory_iterator at(directory, error);
  for (; !error && at != fs::directory_iterator{}; at.increment(error)) {
    const std::string name = at->path().filename().string();
    std::error_code ignored;  // vanished: no directory then
    const bool is_directory = at->symlink_status(ignored).type() == fs::file_type::directory;
    const std::string separator = directory.ends_with('/') ? "" : "/";
    found.push_back({directory + separator + name, name, is_directory});
  }
  if (error) {
    notes.push_back(fmt::format("cannot list {}: {}", printable(directory), error.message()));
  }
  std::sort(found.begin(), found.end(),
            [](const Found& a, const Found& b) { return a.name < b.name; });
  return found;
}

}  // namespace

void search_tree(const std::string& directory, const std::function<bool(const Found&)>& visit,
                 std::vector<std::string>& notes, std::stop_token stop) {
  std::vector<std::string> todo = {directory};
  while (!todo.empty()) {
    if (stop.stop_requested()) throw Error(Code::kCancelled, "interrupted");
    const std::string next = std::move(todo.back());
    todo.pop_back();
    for (const Found& found : list(next, notes)) {
      if (visit(found) && found.is_directory) todo.push_back(found.path);
    }
  }
}

}  // namespace holdfast
