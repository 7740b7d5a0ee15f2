#include "protect/selection.h"

#include "base/path.h"

namespace holdfast {

Selection::Selection(const std::vector<std::string>& includes,
                     const std::vector<std::string>& excludes, unsigned strip_components)
    : strip_(strip_components) {
  for (std::string include : includes) {
    while (include.size() > 1 && include.back() == '/') include.pop_back();
    if (!include.empty() && include.front() == '/') include.erase(0, 1);
    includes_.push_back(std::move(include));
  }
  for (const std::string& exclude : excludes) excludes_.add(exclude);
}

bool Selection::included(std::string_view path) const {
  if (includes_.empty()) return true;
  for (const std::string& include : includes_) {
    if (is_within(path, include)) return true;
    const bool any_depth = include.find('/') == std::string::npos;
    for (std::string_view at = path; !at.empty(); at = parent_path(at)) {
      if (glob_matches(include, any_depth ? base_name(at) : at)) return true;
    }
  }
  return false;
}

bool Selection::wants(std::string_view path, bool is_directory) const {
  if (!included(path)) return false;
  if (excludes_.empty()) return true;
  for (std::string_view at = path; !at.empty(); at = parent_path(at)) {
    const bool directory = is_directory || at.size() != path.size();
    if (excludes_.ignores(at, "", directory)) return false;
  }
  return true;
}

bool Selection::is_on_the_way(std::string_view path) const {
  for (const std::string& include : includes_) {
    if (is_within(include, path)) return true;
  }
  return false;
}

std::optional<std::string> Selection::target_path(std::string_view path) const {
  for (unsigned i = 0; i < strip_; ++i) {
    const auto slash = path.find('/');
    if (slash == std::string_view::npos) return std::nullopt;
    path.remove_prefix(slash + 1);
  }
  return std::string(path);
}

std::optional<std::string> Selection::target_of_children(std::string_view directory) const {
  const auto child = target_path(join_path(directory, "child"));
  if (!child) return std::nullopt;
  return std::string(parent_path(*child));
}

}  // namespace holdfast
