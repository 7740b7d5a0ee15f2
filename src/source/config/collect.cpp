#include "source/config/collect.h"

#include <fmt/format.h>
#include <glob.h>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <set>
#include <system_error>
#include <utility>

#include "base/bytes.h"
#include "base/error.h"
#include "base/human.h"
#include "os/file.h"
#include "source/config/detect.h"
#include "source/config/search.h"

namespace holdfast {
namespace {

namespace fs = std::filesystem;

// CloudFormation takes templates of up to 1 MB.
constexpr std::uintmax_t kLargestTemplate = 1 << 20;

bool is_cache(const std::string& name) {
  return name == ".git" || name == ".terraform" || name == "node_modules";
}

// "/srv/app/" and "/srv/app" are one place.
std::string without_trailing_slash(std::string path) {
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();
  return path;
}

std::vector<std::string> expand_glob(const std::string& pattern) {
  glob_t found{};
  std::vector<std::string> paths;
  if (::glob(pattern.c_str(), 0, nullptr, &found) == 0) {
    paths.assign(found.gl_pathv, found.gl_pathv + found.gl_pathc);
  }
  ::globfree(&found);
  return paths;
}

class Collector {
 public:
  explicit Collector(std::stop_token stop) : stop_(std::move(stop)) {}

  void add_plain(const std::vector<std::string>& given, std::string_view kind) {
    for (const std::string& path : given) {
      if (exists(path, kind)) add(without_trailing_slash(path));
    }
  }

  // Paths, globs, and directories, of which only the environment files are meant.
  void add_environment(const std::vector<std::string>& given) {
    for (const std::string& item : given) {
      if (path_exists(item)) {
        add_environment_item(item);
        continue;
      }
      const std::vector<std::string> matches = expand_glob(item);
      if (matches.empty()) note_missing(item, "environment");
      for (const std::string& match : matches) add_environment_item(match);
    }
  }

  void add_infrastructure(const std::vector<std::string>& given) {
    search_all(given, "infrastructure", [this](const Found& found) {
      if (is_terraform_name(found.name) || is_template(found)) add(found.path);
    });
  }

  void add_compose(const std::vector<std::string>& given) {
    search_all(given, "compose", [this](const Found& found) {
      if (!is_compose_name(found.name)) return;
      add(found.path);
      // Compose takes the variables of the project from there.
      const std::string variables = (fs::path(found.path).parent_path() / ".env").string();
      if (path_exists(variables)) add(variables);
    });
  }

  void add_repositories(const std::vector<std::string>& given) {
    for (const std::string& item : given) {
      const std::string path = without_trailing_slash(item);
      if (!exists(path, "repositories")) continue;
      if (add_repository(path)) continue;
      const std::size_t before = git_directories_.size();
      search_repositories(path);
      if (git_directories_.size() == before) {
        selection_.notes.push_back(fmt::format("no git repository in {}", printable(path)));
      }
    }
  }

  ConfigSelection take() {
    selection_.paths.assign(paths_.begin(), paths_.end());
    std::sort(selection_.repositories.begin(), selection_.repositories.end(),
              [](const auto& a, const auto& b) { return a.git_directory < b.git_directory; });
    return std::move(selection_);
  }

 private:
  void add(const std::string& path) {
    paths_.insert(path);
    std::error_code error;
    if (!fs::is_symlink(path, error)) return;
    const fs::path target = fs::canonical(path, error);
    if (!error) paths_.insert(target.string());
  }

  bool exists(const std::string& path, std::string_view kind) {
    if (path_exists(path)) return true;
    note_missing(path, kind);
    return false;
  }

  void note_missing(const std::string& path, std::string_view kind) {
    selection_.notes.push_back(
        fmt::format("{} does not exist (under '{}')", printable(path), kind));
  }

  // `take` sees every file below the given directories, and given files.
  void search_all(const std::vector<std::string>& given, std::string_view kind,
                  const std::function<void(const Found&)>& take) {
    for (const std::string& item : given) {
      const std::string path = without_trailing_slash(item);
      if (!exists(path, kind)) continue;
      if (!is_directory(path)) {
        add(path);
        continue;
      }
      const auto visit = [&](const Found& found) {
        if (!found.is_directory) take(found);
        return !is_cache(found.name);
      };
      search_tree(path, visit, selection_.notes, stop_);
    }
  }

  void add_environment_item(const std::string& item) {
    search_all({item}, "environment", [this](const Found& found) {
      if (is_environment_name(found.name)) add(found.path);
    });
  }

  bool is_template(const Found& found) {
    if (!may_be_cloudformation_name(found.name)) return false;
    std::error_code error;
    const bool regular = fs::is_regular_file(found.path, error);
    if (!regular || fs::file_size(found.path, error) > kLargestTemplate || error) return false;
    try {
      const Bytes data = read_file(found.path);
      return is_cloudformation(as_text(data));
    } catch (const Error& failure) {
      selection_.notes.push_back(failure.message());
      return false;
    }
  }

  void search_repositories(const std::string& directory) {
    const auto visit = [this](const Found& found) {
      if (!found.is_directory || is_cache(found.name)) return false;
      if (is_submodule(found.path)) {
        selection_.notes.push_back(
            fmt::format("{} is a submodule; list it under 'repositories' unless it can be had from "
                        "elsewhere",
                        printable(found.path)));
        return false;
      }
      // There may be others inside a work tree, but not inside a bare repository.
      return !add_repository(found.path) || !is_git_directory(found.path);
    };
    search_tree(directory, visit, selection_.notes, stop_);
  }

  // True when `path` is a repository.
  bool add_repository(const std::string& path) {
    const auto repository = find_repository(path);
    if (!repository) return false;
    if (!git_directories_.insert(repository->git_directory).second) return true;
    if (is_empty_repository(*repository)) {
      add(repository->git_directory);  // there is nothing to bundle, and it is small
      return true;
    }
    for (const std::string& metadata : repository_metadata(*repository)) add(metadata);
    selection_.repositories.push_back(*repository);
    return true;
  }

  std::stop_token stop_;
  ConfigSelection selection_;
  std::set<std::string> paths_;
  std::set<std::string> git_directories_;
};

}  // namespace

ConfigSelection collect_config(const SourceSettings& source, std::stop_token stop) {
  Collector collector(std::move(stop));
  const ConfigKinds& kinds = source.config;
  collector.add_plain(source.paths, "paths");
  if (kinds.etc) collector.add_plain({"/etc"}, "etc");
  collector.add_plain(kinds.applications, "applications");
  collector.add_environment(kinds.environment);
  collector.add_infrastructure(kinds.infrastructure);
  collector.add_compose(kinds.compose);
  collector.add_repositories(kinds.repositories);
  return collector.take();
}

}  // namespace holdfast
