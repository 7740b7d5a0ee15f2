#include "source/files/walker.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <string_view>
#include <utility>

#include "base/human.h"
#include "base/path.h"
#include "source/files/directory.h"
#include "source/files/open_source.h"

namespace holdfast {

namespace {

constexpr char kCacheTag[] = "CACHEDIR.TAG";
constexpr std::string_view kCacheSignature = "Signature: 8a477f597d28d172789f06886806bc55";

bool same_object(const struct stat& a, const struct stat& b) {
  return a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

// https://bford.info/cachedir/
bool has_cache_tag(int directory) {
  const Fd fd(::openat(directory, kCacheTag, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  struct stat status {};
  if (!fd.valid() || ::fstat(fd.get(), &status) != 0 || !S_ISREG(status.st_mode)) return false;
  char text[kCacheSignature.size()];
  return ::pread(fd.get(), text, sizeof text, 0) == static_cast<ssize_t>(sizeof text) &&
         std::string_view(text, sizeof text) == kCacheSignature;
}

class Walk {
 public:
  Walk(const WalkOptions& options, const std::function<void(WalkItem&&)>& visit,
       const std::function<void(const std::string&, const Error&)>& warn, std::stop_token stop)
      : options_(options), visit_(visit), warn_(warn), stop_(std::move(stop)) {}

  void run() {
    find_roots();
    start();
    while (stack_.depth() > 0) {
      DirectoryStack::Level& level = stack_.top();
      if (level.next < level.names.size()) {
        do_child(level.names.c_str(level.next), level.names[level.next]);
      } else {
        leave();
      }
    }
  }

 private:
  // What the walk does in a directory, with the level of the same depth in stack_.
  struct Context {
    std::size_t path_size = 0;
    std::size_t base_size = 0;  // of the root above, a prefix of the path
    dev_t device = 0;           // of that root
    bool everything = false;    // else only the names that lead to a root, and a cache tag
    bool roots_below = false;
  };

  void find_roots() {
    std::vector<std::string> wanted = options_.roots;
    const auto less = [](const auto& a, const auto& b) { return compare_paths(a, b) < 0; };
    std::sort(wanted.begin(), wanted.end(), less);
    wanted.erase(std::unique(wanted.begin(), wanted.end()), wanted.end());
    std::vector<std::pair<std::string, Error>> missing;
    for (std::string& root : wanted) {
      if (std::optional<Error> error = check_root(root)) {
        missing.emplace_back(std::move(root), std::move(*error));
      } else {
        roots_.push_back(std::move(root));
      }
    }
    if (roots_.empty()) {
      if (missing.empty()) throw Error(Code::kNotFound, "no path was given to walk");
      throw missing.front().second.suggest("none of the sources can be found: check their paths");
    }
    for (const auto& [path, error] : missing) warn_(path, error);
  }

  static std::optional<Error> check_root(const std::string& root) {
    try {
      const ShortPath place = shorten(root);
      struct stat status {};
      if (::fstatat(place.at(), place.name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0) return {};
      return system_error(errno, "cannot find /" + printable(root));
    } catch (const Error& error) {
      return error;
    }
  }

  // The roots at or below `path`; they stand together, as roots_ is in the order of the walk.
  std::pair<std::size_t, std::size_t> roots_within(std::string_view path) const {
    const auto first = std::lower_bound(
        roots_.begin(), roots_.end(), path,
        [](const std::string& root, std::string_view p) { return compare_paths(root, p) < 0; });
    auto last = first;
    while (last != roots_.end() && is_within(*last, path)) ++last;
    return {static_cast<std::size_t>(first - roots_.begin()),
            static_cast<std::size_t>(last - roots_.begin())};
  }

  bool is_root(std::string_view path) const {
    return std::binary_search(
        roots_.begin(), roots_.end(), path,
        [](std::string_view a, std::string_view b) { return compare_paths(a, b) < 0; });
  }

  void start() {
    struct stat status {};
    if (::lstat("/", &status) != 0) throw system_error(errno, "cannot read /");
    if (is_root("")) {
      begin_root("/", status);
    } else {
      enter("/", status, {});
    }
  }

  void do_child(const char* name, std::string_view name_view) {
    if (stop_.stop_requested()) throw Error(Code::kCancelled, "the file walk was interrupted");
    const Context here = contexts_.back();
    ++stack_.top().next;
    path_.resize(here.path_size);
    if (!path_.empty()) path_ += '/';
    path_ += name_view;
    const bool leads = here.roots_below && is_above_root();
    const bool root = leads && is_root(path_);
    // Above the roots a symlink counts as the directory that it leads to, as it does for the person
    // who wrote the root's path.
    const bool follow = leads && !root && !here.everything;
    struct stat status {};
    const int flags = AT_NO_AUTOMOUNT | (follow ? 0 : AT_SYMLINK_NOFOLLOW);
    if (::fstatat(stack_.top().fd.get(), name, &status, flags) != 0) {
      warn_of_stat(errno, here);
    } else if (root && !(here.everything && belongs(here, status))) {
      begin_root(name, status);
    } else if (!here.everything && leads) {
      if (S_ISDIR(status.st_mode)) visit(status, true);
      enter_towards_roots(name, status);
    } else {
      do_inner(name, status, here, leads && !root);
    }
  }

  // An object below a root; `leads` tells whether further roots lie below it.
  void do_inner(const char* name, const struct stat& status, const Context& here, bool leads) {
    const bool directory = S_ISDIR(status.st_mode);
    const bool kept = !ignored(here, directory);
    if (kept || (leads && directory)) visit(status, !kept);
    if (directory && belongs(here, status)) {
      enter(name, status, here);
    } else if (leads) {
      enter_towards_roots(name, status);
    }
  }

  void enter_towards_roots(const char* name, const struct stat& status) {
    if (S_ISDIR(status.st_mode)) return enter(name, status, {});
    warn_(path_, Error(Code::kInvalid,
                       "sources lie behind /" + printable(path_) +
                           ", which is not a directory: they are left out",
                       "name the real directories as sources"));
  }

  bool is_above_root() const {
    const auto [first, last] = roots_within(path_);
    return first != last;
  }

  bool ignored(const Context& here, bool directory) const {
    const auto& left_out = options_.left_out;
    if (std::find(left_out.begin(), left_out.end(), path_) != left_out.end()) return true;
    return !options_.excludes.empty() &&
           options_.excludes.ignores(path_, std::string_view(path_).substr(0, here.base_size),
                                     directory);
  }

  // Whether the root above reaches into the object at path_.
  bool belongs(const Context& here, const struct stat& status) const {
    const bool directory = S_ISDIR(status.st_mode);
    if (options_.one_file_system && directory && status.st_dev != here.device) return false;
    return !ignored(here, directory);
  }

  void begin_root(const char* name, const struct stat& status) {
    if (S_ISLNK(status.st_mode)) {
      warn_(path_, Error(Code::kInvalid,
                         "the source /" + printable(path_) +
                             " is a symlink: the link is kept, not what it points to",
                         "name the directory that it points to as a source"));
    }
    visit(status, false);
    if (!S_ISDIR(status.st_mode)) {
      const auto [first, last] = roots_within(path_);
      if (last - first > 1) enter_towards_roots(name, status);
      return;
    }
    Context context;
    context.base_size = path_.size();
    context.device = status.st_dev;
    context.everything = true;
    enter(name, status, context);
  }

  void visit(const struct stat& status, bool ancestor) {
    WalkItem item;
    item.path = path_;
    item.status = status;
    item.ancestor = ancestor;
    visit_(std::move(item));
  }

  // Opens the directory `name` of the current one, which is at path_, and makes it the current one.
  void enter(const char* name, const struct stat& status, Context context) {
    context.path_size = path_.size();
    const int at = stack_.depth() == 0 ? AT_FDCWD : stack_.top().fd.get();
    int flags = O_DIRECTORY | O_CLOEXEC | O_NONBLOCK;
    flags |= context.everything ? O_RDONLY | O_NOFOLLOW : O_PATH;
    Fd fd(::openat(at, name, flags));
    if (!fd.valid()) return warn_of_open(errno);
    struct stat opened {};
    if (::fstat(fd.get(), &opened) != 0) return warn_of_open(errno);
    if (!same_object(status, opened)) {
      warn_(path_, Error(Code::kConflict, "the directory /" + printable(path_) +
                                              " was replaced while it was read: what is in it is "
                                              "left out"));
      return;
    }
    DirectoryStack::Level& level = stack_.push(std::move(fd), opened);
    set_names(level, context);
    contexts_.push_back(context);
  }

  void set_names(DirectoryStack::Level& level, Context& context) {
    const auto [first, last] = roots_within(path_);
    const std::size_t inner = first + (first != last && roots_[first] == path_ ? 1 : 0);
    context.roots_below = inner != last;
    const bool root = inner != first;
    if (context.everything) {
      const int error = level.names.read(level.fd.get());
      if (error != 0) warn_of_open(error);
      const bool cache = options_.skip_cache_directories && !root && has_cache_tag(level.fd.get());
      if (cache) {
        level.names.clear();
        level.names.add(kCacheTag);
        context.everything = false;
      }
    }
    if (!context.everything) add_names_towards_roots(level.names, inner, last);
    level.names.sort();
  }

  void add_names_towards_roots(Names& names, std::size_t first, std::size_t last) const {
    std::string_view previous;
    for (std::size_t i = first; i < last; ++i) {
      std::string_view name =
          std::string_view(roots_[i]).substr(path_.empty() ? 0 : path_.size() + 1);
      name = name.substr(0, name.find('/'));
      if (name == previous) continue;
      // A cache's tag may be a root of its own.
      if (names.size() == 0 || name != names[0]) names.add(name);
      previous = name;
    }
  }

  void leave() {
    const bool there = stack_.pop();
    contexts_.pop_back();
    if (there || stack_.depth() == 0) return;
    path_.resize(contexts_.back().path_size);
    try {
      if (stack_.reopen(open_source(path_, O_PATH | O_DIRECTORY))) return;
    } catch (const Error&) {  // gone: told below
    }
    if (stack_.top().next == stack_.top().names.size()) return;
    stack_.top().next = stack_.top().names.size();
    warn_(path_,
          Error(Code::kNotFound, "the directory /" + printable(path_) +
                                     " went away while it was read: part of it is left out"));
  }

  void warn_of_stat(int error, const Context& here) {
    // Short-lived files are why people exclude things; no word about those.
    if (here.everything && (ignored(here, false) || ignored(here, true))) return;
    if (error == ENOENT) {
      warn_(path_,
            Error(Code::kNotFound, "/" + printable(path_) + " vanished before it could be read"));
    } else {
      warn_(path_, system_error(error, "cannot read /" + printable(path_)));
    }
  }

  void warn_of_open(int error) {
    warn_(path_, system_error(error, "cannot read the directory /" + printable(path_)));
  }

  const WalkOptions& options_;
  const std::function<void(WalkItem&&)>& visit_;
  const std::function<void(const std::string&, const Error&)>& warn_;
  std::stop_token stop_;
  std::vector<std::string> roots_;
  DirectoryStack stack_;
  std::vector<Context> contexts_;
  std::string path_;  // of the object at work
};

}  // namespace

void walk(const WalkOptions& options, const std::function<void(WalkItem&&)>& visit,
          const std::function<void(const std::string& path, const Error&)>& warn,
          std::stop_token stop) {
  Walk(options, visit, warn, std::move(stop)).run();
}

}  // namespace holdfast
