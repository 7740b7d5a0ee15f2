// Git repositories on disk, told by their files alone: nothing of them is executed.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace holdfast {

struct GitRepository {
  std::string path;           // the work tree; of a bare repository: git_directory
  std::string git_directory;  // where HEAD, objects and refs are
  bool bare = false;
  bool operator==(const GitRepository&) const = default;
};

// The name to store the bundle of a repository under, in its git_directory: restore_bundle then
// finds the configuration and HEAD that were backed up beside it.
inline constexpr const char* kBundleName = "holdfast.bundle";

// True for a directory that holds a repository's data: HEAD, objects, refs.
bool is_git_directory(const std::string& path);

// The repository of a work tree or a bare repository at `path`. For a linked work tree it is the
// one that the link leads to. Nothing when there is none.
std::optional<GitRepository> find_repository(const std::string& path);

// True when `path` is the work tree of a submodule: its repository lies in the one around it.
bool is_submodule(const std::string& path);

// True when it has no commit that a bundle could hold.
bool is_empty_repository(const GitRepository& repository);

// What a bundle does not hold and a restored repository needs, as far as it exists: config (with
// the remotes), HEAD, hooks, info, the limits of a shallow clone, LFS objects. Absolute paths.
std::vector<std::string> repository_metadata(const GitRepository& repository);

}  // namespace holdfast
