#include "source/files/target.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <functional>
#include <utility>

#include "base/error.h"
#include "base/path.h"
#include "source/files/attributes.h"
#include "source/files/beneath.h"
#include "source/files/directory.h"

namespace holdfast {

namespace {

// Somebody may put things in the way as fast as we remove them.
constexpr int kAttempts = 8;

mode_t format_of(EntryType type) {
  switch (type) {
    case EntryType::kFile:
    case EntryType::kHardlink:
      return S_IFREG;
    case EntryType::kDirectory:
      return S_IFDIR;
    case EntryType::kSymlink:
      return S_IFLNK;
    case EntryType::kFifo:
      return S_IFIFO;
    case EntryType::kCharDevice:
      return S_IFCHR;
    case EntryType::kBlockDevice:
      return S_IFBLK;
  }
  throw Error(Code::kInternal, "unknown entry type");
}

// Gives the owner all rights to a directory, so that it can be read and emptied. Root has them
// anyway; for others a failure shows in what they do next.
void make_accessible(int parent, const char* name) {
  const Fd fd(::openat(parent, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  struct stat status {};
  if (!fd.valid() || ::fstat(fd.get(), &status) != 0 || (status.st_mode & 0700) == 0700) return;
  ::chmod(("/proc/self/fd/" + std::to_string(fd.get())).c_str(), (status.st_mode & 07777) | 0700);
}

// Removes a non-directory or an empty directory. Returns 0 or an errno.
int remove_one(int parent, const char* name) {
  if (::unlinkat(parent, name, 0) == 0) return 0;
  if (errno != EISDIR) return errno;
  return ::unlinkat(parent, name, AT_REMOVEDIR) == 0 ? 0 : errno;
}

// Removes one tree, files first, without recursion: trees may be deeper than any call stack.
class TreeRemoval {
 public:
  TreeRemoval(const Beneath& beneath, std::string_view path) : beneath_(beneath), path_(path) {}

  void run() {
    const Beneath::Place place = beneath_.place_of(path_);
    remove(place.directory.get(), place.name.c_str());
    while (stack_.depth() > 0) {
      DirectoryStack::Level& level = stack_.top();
      if (level.next < level.names.size()) {
        const std::string name(level.names[level.next++]);
        path_.append("/").append(name);
        remove(level.fd.get(), name.c_str());
      } else {
        leave(place);
      }
    }
  }

 private:
  // Removes what is at path_, or descends into it. Afterwards path_ is that of the top level.
  void remove(int parent, const char* name) {
    const int error = remove_one(parent, name);
    if (error == ENOTEMPTY || error == EEXIST) return enter(parent, name);
    if (error != 0 && error != ENOENT) fail(error);
    path_.resize(parent_path(path_).size());
  }

  void enter(int parent, const char* name) {
    make_accessible(parent, name);
    Fd fd(::openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    struct stat status {};
    if (!fd.valid() || ::fstat(fd.get(), &status) != 0) fail(errno);
    DirectoryStack::Level& level = stack_.push(std::move(fd), status);
    if (const int error = level.names.read(level.fd.get()); error != 0) fail(error);
  }

  void leave(const Beneath::Place& place) {
    if (!stack_.pop() && !stack_.reopen(beneath_.open(parent_path(path_), O_PATH | O_DIRECTORY))) {
      throw Error(Code::kConflict, beneath_.full_name(path_) + " was moved while it was removed",
                  "try again");
    }
    const bool outermost = stack_.depth() == 0;
    const std::string name = outermost ? place.name : std::string(base_name(path_));
    const int parent = outermost ? place.directory.get() : stack_.top().fd.get();
    if (::unlinkat(parent, name.c_str(), AT_REMOVEDIR) != 0 && errno != ENOENT) fail(errno);
    path_.resize(parent_path(path_).size());
  }

  [[noreturn]] void fail(int error) const {
    throw system_error(error, "cannot remove " + beneath_.full_name(path_));
  }

  const Beneath& beneath_;
  std::string path_;
  DirectoryStack stack_;
};

// The mode that a new file begins with, before it has its owner and attributes. Its last one saves
// a change of most files, but must not give our group more than all have, and has to let us open it
// again.
mode_t first_mode(const Entry& entry) {
  const mode_t mode = entry.mode & 0777;
  const bool is_for_all = ((mode >> 3) & ~mode & 07) == 0;
  return is_for_all && (mode & 0600) == 0600 && entry.xattrs.empty() ? mode : 0600;
}

Fd open_target(const std::string& directory, bool create) {
  if (create) make_directories(directory);
  return open_file(directory, O_PATH | O_DIRECTORY);
}

}  // namespace

struct Target::State {
  State(const std::string& given, bool create, RestoreRights wanted)
      : directory(given), rights(wanted), beneath(open_target(given, create), given) {}

  // Calls `make`, which returns 0 or an errno, and clears the way for it while it says EEXIST.
  void create(std::string_view path, bool replace, const std::function<int()>& make) {
    for (int attempt = 0; attempt < kAttempts; ++attempt) {
      const int error = make();
      if (error == 0) return;
      if (error != EEXIST) throw system_error(error, "cannot create " + beneath.full_name(path));
      if (!replace) {
        throw Error(Code::kConflict, beneath.full_name(path) + " exists already",
                    "allow overwriting, or restore into an empty directory");
      }
      clear_way(path);
    }
    throw Error(Code::kConflict, "somebody keeps creating " + beneath.full_name(path));
  }

  void clear_way(std::string_view path) {
    const Beneath::Place place = beneath.place_of(path);
    const int error = remove_one(place.directory.get(), place.name.c_str());
    if (error == 0 || error == ENOENT) return;
    if (error == ENOTEMPTY || error == EEXIST) {
      throw Error(Code::kConflict,
                  beneath.full_name(path) + " is in the way: a directory that is not empty",
                  "move it away, or let the restore delete what is not in the backup");
    }
    throw system_error(error, "cannot replace " + beneath.full_name(path));
  }

  std::string directory;
  RestoreRights rights;
  Beneath beneath;
  OwnerIds ids;
};

Target::Target(const std::string& directory, bool create, RestoreRights rights)
    : state_(std::make_unique<State>(directory, create, rights)) {}

Target::~Target() = default;

const std::string& Target::directory() const { return state_->directory; }

bool Target::stat(std::string_view path, struct stat& status) const {
  int error = 0;
  Fd fd;
  try {
    fd = state_->beneath.try_open(path, O_PATH, 0, error);
  } catch (const Error& way) {
    if (way.code() == Code::kConflict) return false;  // nothing can be below a file
    throw;
  }
  if (fd.valid() && ::fstat(fd.get(), &status) == 0) return true;
  if (error == ENOENT) return false;
  throw system_error(error != 0 ? error : errno,
                     "cannot look at " + state_->beneath.full_name(path));
}

bool Target::holds_something(std::string_view path) const {
  int error = 0;
  const Fd fd = state_->beneath.try_open(path, O_RDONLY | O_DIRECTORY, 0, error);
  Names names;
  return fd.valid() && names.read(fd.get()) == 0 && names.size() > 0;
}

bool Target::make_directory(std::string_view path, bool replace) {
  if (path.empty()) return false;
  bool made = true;
  const Beneath::Place place = state_->beneath.place_of(path);
  const int parent = place.directory.get();
  const char* name = place.name.c_str();
  state_->create(path, replace, [&] {
    if (::mkdirat(parent, name, 0700) != 0) {
      struct stat status {};
      if (errno != EEXIST) return errno;
      if (::fstatat(parent, name, &status, AT_SYMLINK_NOFOLLOW) != 0) return EEXIST;
      if (!S_ISDIR(status.st_mode)) return EEXIST;
      made = false;
    }
    // Its old mode, or an ACL inherited from above, may keep even its owner out.
    if (::geteuid() != 0) make_accessible(parent, name);
    return 0;
  });
  return made;
}

Fd Target::create_file(const Entry& entry, bool replace) {
  Fd fd;
  state_->create(entry.path, replace, [&] {
    int error = entry.path.empty() ? EISDIR : 0;
    if (error == 0) {
      fd =
          state_->beneath.try_open(entry.path, O_RDWR | O_CREAT | O_EXCL, first_mode(entry), error);
    }
    return error;
  });
  return fd;
}

Fd Target::open_existing(std::string_view path) {
  // What a name stands for is looked at before it is really opened: opening a device can have
  // effects of its own.
  struct stat before {};
  if (!stat(path, before) || !S_ISREG(before.st_mode) || before.st_nlink != 1) return {};
  int error = 0;
  Fd fd = state_->beneath.try_open(path, O_RDWR | O_NONBLOCK, 0, error);
  struct stat status {};
  if (!fd.valid() || ::fstat(fd.get(), &status) != 0) return {};
  if (status.st_dev != before.st_dev || status.st_ino != before.st_ino || status.st_nlink != 1) {
    return {};
  }
  return fd;
}

void Target::make_special(const Entry& entry, bool replace) {
  const Beneath::Place place = state_->beneath.place_of(entry.path);
  const int parent = place.directory.get();
  const char* name = place.name.c_str();
  const auto result = [](int outcome) { return outcome == 0 ? 0 : errno; };
  switch (entry.type) {
    case EntryType::kSymlink:
      return state_->create(entry.path, replace, [&] {
        return result(::symlinkat(entry.link_target.c_str(), parent, name));
      });
    case EntryType::kHardlink: {
      if (entry.link_target == entry.path) {
        throw Error(Code::kInvalid, state_->beneath.full_name(entry.path) + " links to itself");
      }
      const Beneath::Place first = state_->beneath.place_of(entry.link_target);
      return state_->create(entry.path, replace, [&] {
        return result(::linkat(first.directory.get(), first.name.c_str(), parent, name, 0));
      });
    }
    case EntryType::kFifo:
      return state_->create(entry.path, replace,
                            [&] { return result(::mkfifoat(parent, name, 0600)); });
    case EntryType::kCharDevice:
    case EntryType::kBlockDevice:
      return state_->create(entry.path, replace, [&] {
        return result(::mknodat(parent, name, format_of(entry.type) | 0600, entry.device));
      });
    case EntryType::kFile:
    case EntryType::kDirectory:
      break;
  }
  throw Error(Code::kInternal, "make_special is not for files and directories");
}

std::string Target::apply_metadata(const Entry& entry, int fd) {
  if (entry.type == EntryType::kHardlink) return {};
  const Beneath& beneath = state_->beneath;
  Fd opened;
  bool path_only = false;
  if (fd < 0) {
    int error = 0;
    if (entry.type == EntryType::kDirectory) {
      opened = beneath.try_open(entry.path, O_RDONLY | O_DIRECTORY, 0, error);
    }
    path_only = !opened.valid();
    if (path_only) opened = beneath.open(entry.path, O_PATH);
    fd = opened.get();
  }
  struct stat status {};
  if (::fstat(fd, &status) != 0) {
    throw system_error(errno, "cannot look at " + beneath.full_name(entry.path));
  }
  if ((status.st_mode & S_IFMT) != format_of(entry.type)) {
    throw Error(Code::kDenied,
                beneath.full_name(entry.path) + " was replaced by something else meanwhile",
                "keep others from writing into the target, and restore again");
  }
  return apply_attributes(entry, fd, path_only, status, state_->rights, state_->ids);
}

std::uint64_t Target::refused_owners() const { return state_->ids.refused(); }

void Target::remove_tree(std::string_view path) {
  struct stat status {};
  if (path.empty() || stat(path, status)) TreeRemoval(state_->beneath, path).run();
}

}  // namespace holdfast
