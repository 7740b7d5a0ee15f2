#include "source/config/git_bundle.h"

#include <fmt/format.h>

#include <cerrno>
#include <fstream>

#include "base/error.h"
#include "base/human.h"
#include "source/config/git_command.h"

namespace holdfast {
namespace {

bool has_commits(const std::string& git_dir, std::stop_token stop) {
  const auto refs =
      require_git({git_dir, "for-each-ref", "--count=1"}, "cannot list references", stop);
  if (!refs.output.empty()) return true;
  return run_git({git_dir, "rev-parse", "--quiet", "--verify", "HEAD"}, stop).exit_code == 0;
}

bool has_submodules(const std::string& git_dir, std::stop_token stop) {
  return run_git({git_dir, "cat-file", "-e", "HEAD:.gitmodules"}, stop).exit_code == 0;
}

}  // namespace

GitBundle git_bundle(const GitRepository& repository, const std::string& output_path,
                     std::stop_token stop) {
  const std::string git_dir = "--git-dir=" + repository.git_directory;
  const std::string name = printable(repository.path);
  GitBundle bundle;
  try {
    bundle.empty = !has_commits(git_dir, stop);
    if (bundle.empty) return bundle;
    if (has_submodules(git_dir, stop)) {
      bundle.notes.push_back(
          fmt::format("{} has submodules, which its bundle does not hold; list them under "
                      "'repositories' unless they can be had from elsewhere",
                      name));
    }
    // "--all" includes HEAD, a detached one too.
    require_git({git_dir, "bundle", "create", "--quiet", output_path, "--all"},
                "cannot write the bundle", stop);
  } catch (Error& error) {
    error.suggest(fmt::format("check the repository: git -C {} fsck", name));
    error.add_context("git repository " + name);
    throw;
  }
  return bundle;
}

std::optional<std::string> BundleHeader::find(const std::string& name) const {
  for (const Reference& reference : references) {
    if (reference.name == name) return reference.object;
  }
  return std::nullopt;
}

BundleHeader read_bundle_header(const std::string& path) {
  static constexpr std::string_view kFormat = "@object-format=";
  std::ifstream in(path, std::ios::binary);
  if (!in) throw system_error(errno, "cannot open " + path);
  const auto corrupt = [&] { return Error(Code::kCorrupt, path + " is not a git bundle"); };
  std::string line;
  std::getline(in, line);
  if (line != "# v2 git bundle" && line != "# v3 git bundle") throw corrupt();
  BundleHeader header;
  while (std::getline(in, line) && !line.empty()) {
    if (line.starts_with(kFormat)) header.object_format = line.substr(kFormat.size());
    if (line[0] == '@' || line[0] == '-') continue;
    const std::size_t space = line.find(' ');
    if (space == std::string::npos) throw corrupt();
    header.references.push_back({line.substr(0, space), line.substr(space + 1)});
  }
  if (!in) throw corrupt();
  return header;
}

}  // namespace holdfast
