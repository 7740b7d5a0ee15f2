#include "source/config/git_repository.h"

#include <filesystem>
#include <string_view>
#include <system_error>

#include "base/bytes.h"
#include "base/error.h"
#include "os/file.h"

namespace holdfast {
namespace {

namespace fs = std::filesystem;

bool is_file(const std::string& path) {
  std::error_code ignored;
  return fs::is_regular_file(path, ignored);
}

// The text of a small file without the line end; empty when it cannot be read.
std::string first_line(const std::string& path) {
  try {
    const Bytes data = read_file(path);
    const std::string_view text = as_text(data);
    return std::string(text.substr(0, text.find('\n')));
  } catch (const Error&) {
    return {};
  }
}

std::string resolve(const std::string& base, const std::string& path) {
  std::string resolved = (fs::path(base) / path).lexically_normal().string();
  while (resolved.size() > 1 && resolved.ends_with('/')) resolved.pop_back();
  return resolved;
}

// Where a ".git" file says that the repository is.
std::optional<std::string> follow_git_file(const std::string& path) {
  static constexpr std::string_view kPrefix = "gitdir: ";
  const std::string git_file = path + "/.git";
  if (!is_file(git_file)) return std::nullopt;
  const std::string line = first_line(git_file);
  if (!line.starts_with(kPrefix)) return std::nullopt;
  return resolve(path, line.substr(kPrefix.size()));
}

// A linked work tree has a directory of its own that names the common one.
std::optional<std::string> common_directory(const std::string& git_directory) {
  const std::string line = first_line(git_directory + "/commondir");
  if (line.empty()) return std::nullopt;
  return resolve(git_directory, line);
}

GitRepository repository_at(const std::string& git_directory) {
  const fs::path path(git_directory);
  if (path.filename() == ".git") return {path.parent_path().string(), git_directory, false};
  return {git_directory, git_directory, true};
}

bool has_packed_refs(const std::string& git_directory) {
  const std::string path = git_directory + "/packed-refs";
  if (!is_file(path)) return false;
  const Bytes data = read_file(path);
  const std::string_view text = as_text(data);
  // Everything but the header is a reference.
  return !text.empty() && (text[0] != '#' || text.find('\n') + 1 < text.size());
}

bool has_loose_refs(const std::string& git_directory) {
  std::error_code error;
  fs::recursive_directory_iterator at(git_directory + "/refs", error);
  for (; !error && at != fs::recursive_directory_iterator{}; at.increment(error)) {
    if (!at->is_directory(error)) return true;
  }
  return static_cast<bool>(error);  // cannot tell: git will
}

void add_files(const std::string& directory, std::vector<std::string>& paths) {
  std::error_code error;
  fs::directory_iterator at(directory, error);
  for (; !error && at != fs::directory_iterator{}; at.increment(error)) {
    if (at->path().extension() != ".sample") paths.push_back(at->path().string());
  }
}

}  // namespace

bool is_git_directory(const std::string& path) {
  return is_file(path + "/HEAD") && is_directory(path + "/objects") && is_directory(path + "/refs");
}

std::optional<GitRepository> find_repository(const std::string& path) {
  if (is_git_directory(path + "/.git")) return GitRepository{path, path + "/.git", false};
  if (is_git_directory(path)) return repository_at(path);
  const auto linked = follow_git_file(path);
  if (!linked) return std::nullopt;
  if (const auto common = common_directory(*linked); common && is_git_directory(*common)) {
    return repository_at(*common);
  }
  if (is_git_directory(*linked)) return GitRepository{path, *linked, false};
  return std::nullopt;
}

bool is_submodule(const std::string& path) {
  const auto linked = follow_git_file(path);
  return linked && !common_directory(*linked) && linked->find("/modules/") != std::string::npos;
}

bool is_empty_repository(const GitRepository& repository) {
  const std::string& directory = repository.git_directory;
  const bool detached = !first_line(directory + "/HEAD").starts_with("ref:");
  // Its references are in files of their own format.
  const bool reftable = is_directory(directory + "/reftable");
  return !detached && !reftable && !has_packed_refs(directory) && !has_loose_refs(directory);
}

std::vector<std::string> repository_metadata(const GitRepository& repository) {
  const std::string& directory = repository.git_directory;
  std::vector<std::string> paths;
  for (const char* name : {"HEAD", "config", "config.worktree", "description", "shallow",
                           "git-daemon-export-ok", "lfs/objects"}) {
    if (path_exists(directory + "/" + name)) paths.push_back(directory + "/" + name);
  }
  add_files(directory + "/hooks", paths);
  add_files(directory + "/info", paths);
  return paths;
}

}  // namespace holdfast
