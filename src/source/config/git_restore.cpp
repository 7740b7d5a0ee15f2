#include "source/config/git_restore.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <optional>
#include <system_error>

#include "base/bytes.h"
#include "base/error.h"
#include "base/human.h"
#include "os/file.h"
#include "source/config/git_bundle.h"
#include "source/config/git_command.h"

namespace holdfast {
namespace {

namespace fs = std::filesystem;

// Holds the bundle's HEAD while the repository is made, so that a detached one is fetched too.
constexpr const char* kHeadReference = "refs/holdfast/head";

struct Layout {
  std::string directory;
  std::string git_directory;
  bool bare = false;

  std::string git_dir() const { return "--git-dir=" + git_directory; }
};

Layout layout_of(const std::string& directory) {
  const std::string inside = directory + "/.git";
  const bool bare = !path_exists(inside) && path_exists(directory + "/config") &&
                    path_exists(directory + "/HEAD");
  return {directory, bare ? directory : inside, bare};
}

void refuse_existing(const Layout& layout) {
  std::error_code ignored;
  const bool linked = fs::is_regular_file(layout.directory + "/.git", ignored);
  if (linked || path_exists(layout.git_directory + "/objects")) {
    throw Error(Code::kConflict,
                fmt::format("{} holds a git repository already", printable(layout.directory)),
                "restore to another directory, or fetch from the bundle with git");
  }
}

// Takes a file out of the way and puts it back at the end. What the repository's own configuration
// makes git execute (filters, monitors) is not executed while it is away.
class SetAside {
 public:
  explicit SetAside(std::string path) : path_(std::move(path)) {
    if (!path_exists(path_)) return;
    content_ = read_file(path_);
    fs::rename(path_, aside());
  }
  SetAside(const SetAside&) = delete;
  SetAside& operator=(const SetAside&) = delete;
  ~SetAside() {
    std::error_code ignored;  // the copy stays beside then
    if (content_ && !done_) fs::rename(aside(), path_, ignored);
  }

  const std::optional<Bytes>& content() const { return content_; }

  void put_back() {
    if (content_) fs::rename(aside(), path_);
    done_ = true;
  }
  void discard() {
    if (content_) fs::remove(aside());
    done_ = true;
  }

 private:
  std::string aside() const { return path_ + ".restored"; }

  std::string path_;
  std::optional<Bytes> content_;
  bool done_ = false;
};

// Removes what was made unless it is kept, so that the restore can be tried again.
class Unfinished {
 public:
  explicit Unfinished(std::string git_directory)
      : git_directory_(std::move(git_directory)), existed_(path_exists(git_directory_)) {}
  Unfinished(const Unfinished&) = delete;
  Unfinished& operator=(const Unfinished&) = delete;
  ~Unfinished() {
    std::error_code ignored;  // the next restore will say what is in its way
    if (!kept_ && !existed_) fs::remove_all(git_directory_, ignored);
    for (const char* name : {"objects", "refs", "packed-refs", "index", "config", "HEAD"}) {
      if (!kept_ && existed_) fs::remove_all(git_directory_ + "/" + name, ignored);
    }
  }
  void keep() { kept_ = true; }

 private:
  std::string git_directory_;
  bool existed_;
  bool kept_ = false;
};

void make_repository(const Layout& layout, const BundleHeader& header, std::stop_token stop) {
  std::vector<std::string> arguments = {"init", "--quiet", "--template=", "--initial-branch=main",
                                        "--object-format=" + header.object_format};
  if (layout.bare) arguments.emplace_back("--bare");
  arguments.insert(arguments.end(), {"--", layout.directory});
  require_git(arguments, "cannot make the repository", stop);
}

void fetch_all(const Layout& layout, const std::string& bundle, const BundleHeader& header,
               std::stop_token stop) {
  std::vector<std::string> arguments = {layout.git_dir(),
                                        "fetch",
                                        "--quiet",
                                        "--no-tags",
                                        "--update-head-ok",
                                        "--no-write-fetch-head",
                                        "--no-recurse-submodules",
                                        "--",
                                        bundle,
                                        "+refs/*:refs/*"};
  if (header.find("HEAD")) arguments.push_back(std::string("+HEAD:") + kHeadReference);
  require_git(arguments, "cannot read the bundle", stop);
}

// Points HEAD at what `head`, the content of a HEAD file, says; false when that is impossible.
bool apply_head_file(const Layout& layout, std::string_view head, std::stop_token stop) {
  static constexpr std::string_view kBranch = "ref: refs/";
  const std::string line(head.substr(0, head.find('\n')));
  if (line.starts_with(kBranch)) {
    return run_git({layout.git_dir(), "symbolic-ref", "HEAD", line.substr(5)}, stop).exit_code == 0;
  }
  if (line.empty() || line.find_first_not_of("0123456789abcdef") != std::string::npos) return false;
  return run_git({layout.git_dir(), "update-ref", "--no-deref", "HEAD", line}, stop).exit_code == 0;
}

// A bundle says which commit HEAD was at, but not on which branch.
std::string guess_head(const BundleHeader& header) {
  static constexpr std::string_view kBranches = "refs/heads/";
  const auto object = header.find("HEAD");
  if (!object) return {};
  std::string branch;
  for (const auto& reference : header.references) {
    if (reference.object != *object || !reference.name.starts_with(kBranches)) continue;
    const bool usual = reference.name == "refs/heads/main" || reference.name == "refs/heads/master";
    if (branch.empty() || usual) branch = reference.name;
  }
  return branch.empty() ? *object : "ref: " + branch;
}

void set_head(const Layout& layout, const std::optional<Bytes>& saved, const BundleHeader& header,
              std::stop_token stop) {
  if (saved && apply_head_file(layout, as_text(*saved), stop)) return;
  apply_head_file(layout, guess_head(header), stop);
}

bool has_files(const Layout& layout) {
  for (const auto& entry : fs::directory_iterator(layout.directory)) {
    if (entry.path().filename() != ".git") return true;
  }
  return false;
}

void fill_work_tree(const Layout& layout, bool keep_files, std::stop_token stop) {
  const std::string work_tree = "--work-tree=" + layout.directory;
  const bool unborn =
      run_git({layout.git_dir(), "rev-parse", "--quiet", "--verify", "HEAD"}, stop).exit_code != 0;
  if (layout.bare || unborn) return;
  require_git({layout.git_dir(), work_tree, "reset", "--quiet", keep_files ? "--mixed" : "--hard"},
              "cannot check out the files", stop);
}

// git refuses repositories of other owners, and we may be root.
void give_to_owner_of(const std::string& directory) {
  struct stat owner {};
  if (::stat(directory.c_str(), &owner) != 0) throw system_error(errno, "cannot stat " + directory);
  if (::geteuid() != 0 || owner.st_uid == 0) return;
  for (const auto& entry : fs::recursive_directory_iterator(directory)) {
    if (::lchown(entry.path().c_str(), owner.st_uid, owner.st_gid) != 0) {
      throw system_error(errno, "cannot change the owner of " + entry.path().string());
    }
  }
}

void restore(const std::string& bundle, const Layout& layout, std::stop_token stop) {
  const BundleHeader header = read_bundle_header(bundle);
  refuse_existing(layout);
  make_directories(layout.directory);
  const bool keep_files = !layout.bare && has_files(layout);
  // In this order: on the way out the metadata takes the places that were cleared before.
  SetAside config(layout.git_directory + "/config");
  SetAside head(layout.git_directory + "/HEAD");
  Unfinished unfinished(layout.git_directory);
  make_repository(layout, header, stop);
  fetch_all(layout, bundle, header, stop);
  set_head(layout, head.content(), header, stop);
  if (header.find("HEAD")) {
    require_git({layout.git_dir(), "update-ref", "-d", kHeadReference}, "cannot set HEAD", stop);
  }
  fill_work_tree(layout, keep_files, stop);
  unfinished.keep();
  head.discard();
  config.put_back();
  give_to_owner_of(layout.directory);
}

}  // namespace

void restore_bundle(const std::string& bundle, const std::string& directory, std::stop_token stop) {
  try {
    restore(bundle, layout_of(directory), stop);
  } catch (Error& error) {
    error.add_context("restoring the git repository " + printable(directory));
    throw;
  } catch (const fs::filesystem_error& error) {
    throw system_error(error.code().value(),
                       fmt::format("restoring the git repository {}: {}", printable(directory),
                                   printable(error.path1().string())));
  }
}

}  // namespace holdfast
