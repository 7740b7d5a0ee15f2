// Which entries of a backup are wanted, and where they go.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ignore.h"

namespace holdfast {

// Immutable and thread-safe.
class Selection {
 public:
  // Includes are paths (with or without a leading '/': the path and all below it) or globs; a glob
  // without '/' fits names at any depth. No includes: everything. Excludes have gitignore syntax.
  Selection(const std::vector<std::string>& includes, const std::vector<std::string>& excludes,
            unsigned strip_components);

  // True when the entry itself is wanted.
  bool wants(std::string_view path, bool is_directory) const;
  // True when it is a directory on the way to an included path.
  bool is_on_the_way(std::string_view path) const;
  // The path below the target; nothing when stripping leaves no name.
  std::optional<std::string> target_path(std::string_view path) const;
  // Where the children of a directory go: "" is the target itself; nothing when they are stripped
  // too.
  std::optional<std::string> target_of_children(std::string_view directory) const;

 private:
  bool included(std::string_view path) const;

  std::vector<std::string> includes_;
  IgnoreRules excludes_;
  unsigned strip_;
};

}  // namespace holdfast
