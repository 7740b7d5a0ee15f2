#include "store/file_tree.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <memory>
#include <utility>

#include "base/error.h"
#include "os/clock.h"
#include "os/file.h"

namespace holdfast {
namespace {

constexpr Duration kLeftoverAge = std::chrono::hours{24};
constexpr int kNoFollow = O_NOFOLLOW | O_NONBLOCK;  // the latter so that a FIFO cannot hang us

Timestamp to_timestamp(const timespec& time) {
  return Timestamp{std::chrono::seconds{time.tv_sec} + std::chrono::nanoseconds{time.tv_nsec}};
}

ObjectInfo info_of(std::string_view key, const struct stat& status) {
  const Timestamp modified = to_timestamp(status.st_mtim);
  return {std::string(key), static_cast<std::uint64_t>(status.st_size), modified,
          fmt::format("{:x}-{:x}-{:x}", status.st_ino, modified.time_since_epoch().count(),
                      status.st_size)};
}

std::string parent_of(const std::string& path) { return path.substr(0, path.find_last_of('/')); }

std::optional<struct stat> regular_file(const std::string& path) {
  struct stat status {};
  if (::lstat(path.c_str(), &status) != 0) {
    if (errno == ENOENT || errno == ENOTDIR) return std::nullopt;
    throw system_error(errno, "cannot stat " + path);
  }
  if (!S_ISREG(status.st_mode)) return std::nullopt;
  return status;
}

bool same_file(const std::string& a, const std::string& b) {
  const auto status_a = regular_file(a);
  const auto status_b = regular_file(b);
  return status_a && status_b && status_a->st_dev == status_b->st_dev &&
         status_a->st_ino == status_b->st_ino;
}

enum class Naming { kNamed, kTaken, kNoParent };

Naming naming_failure(int error, const std::string& to) {
  if (error == EEXIST) return Naming::kTaken;
  if (error == ENOENT) return Naming::kNoParent;
  throw system_error(error, "cannot create " + to);
}

// Gives a file another name, never one that is in use.
Naming rename_to_new(const std::string& from, const std::string& to) {
  if (::link(from.c_str(), to.c_str()) == 0 || (errno == EEXIST && same_file(from, to))) {
    // The second case: a network file system did it, lost the answer and tried again.
    ::unlink(from.c_str());
    return Naming::kNamed;
  }
  // Some file systems have no hard links; those may know this instead.
  const bool no_links = errno == EPERM || errno == EOPNOTSUPP || errno == ENOSYS;
  if (!no_links) return naming_failure(errno, to);
  if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0) {
    return Naming::kNamed;
  }
  if (errno == EINVAL || errno == ENOSYS) {
    throw Error(Code::kUnsupported,
                "cannot create " + to + ": this file system cannot create a file atomically",
                "keep the vault on a file system with hard links, such as ext4, XFS or NFS");
  }
  return naming_failure(errno, to);
}

void remove_if_abandoned(const std::string& path) {
  const auto status = regular_file(path);
  if (!status || system_clock().now() - to_timestamp(status->st_mtim) < kLeftoverAge) return;
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | kNoFollow);
  if (fd < 0) return;
  const Fd owner(fd);
  if (::flock(fd, LOCK_EX | LOCK_NB) == 0) ::unlink(path.c_str());
}

struct CloseDirectory {
  void operator()(DIR* directory) const { ::closedir(directory); }
};
using Directory = std::unique_ptr<DIR, CloseDirectory>;

// Null when there is no such directory; a symbolic link is none.
Directory open_directory(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0) {
    if (errno == ENOENT || errno == ENOTDIR || errno == ELOOP) return nullptr;
    throw system_error(errno, "cannot open " + path);
  }
  Directory directory(::fdopendir(fd));
  if (directory == nullptr) {
    const int error = errno;
    ::close(fd);
    throw system_error(error, "cannot open " + path);
  }
  return directory;
}

// The next entry, null at the end.
const dirent* next_entry(DIR* directory, const std::string& path) {
  errno = 0;
  const dirent* entry = ::readdir(directory);
  if (entry == nullptr && errno != 0) throw system_error(errno, "cannot read " + path);
  return entry;
}

bool is_directory(const dirent& entry, const std::string& parent) {
  if (entry.d_type != DT_UNKNOWN) return entry.d_type == DT_DIR;
  struct stat status {};
  const std::string path = parent + "/" + entry.d_name;
  return ::lstat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode);
}

bool may_hold_objects(const dirent& entry, bool top_level) {
  return !(top_level && is_reserved_key(entry.d_name)) && is_object_name(entry.d_name);
}

// True when it was created, false when it existed.
bool make_directory(const std::string& path, std::string_view key) {
  if (::mkdir(path.c_str(), 0777) == 0) return true;
  if (errno != EEXIST) throw system_error(errno, "cannot create directory " + path);
  struct stat status {};
  if (::lstat(path.c_str(), &status) != 0) throw system_error(errno, "cannot stat " + path);
  if (!S_ISDIR(status.st_mode)) {
    throw Error(Code::kConflict,
                fmt::format("cannot create object {}: {} is not a directory", key, path));
  }
  return false;
}

// Something that is no object has the object's name.
void require_no_obstacle(std::string_view key, const std::string& path) {
  if (path_exists(path) && !regular_file(path)) {
    throw Error(Code::kConflict,
                fmt::format("cannot create object {}: {} is not a regular file", key, path));
  }
}

}  // namespace

bool is_object_name(const std::string& name) {
  try {
    check_key(name);
    return true;
  } catch (const Error&) {
    return false;
  }
}

// lost+found belongs to the file system's checker, and only root may look into it.
bool is_reserved_key(std::string_view key) {
  return key.starts_with('.') || key.substr(0, key.find('/')) == "lost+found";
}

// Runs `action`, which creates a file in the staging directory, and makes that when it is absent.
template <typename Action>
std::invoke_result_t<const Action&> FileTree::in_staging(const Action& action) {
  try {
    return action();
  } catch (const Error& error) {
    if (error.code() != Code::kNotFound) throw;
  }
  if (::mkdir(staging().c_str(), 0777) != 0 && errno != EEXIST) {
    throw system_error(errno, "cannot create directory " + staging());
  }
  return action();
}

std::string FileTree::path_of(std::string_view key) const {
  check_key(key);
  if (is_reserved_key(key)) {
    throw Error(Code::kInvalid, "the key " + std::string(key) + " is reserved");
  }
  return fmt::format("{}/{}", root_, key);
}

TemporaryFile FileTree::make_temporary() {
  const std::string path = fmt::format("{}/{}-{:016x}", staging(), ::getpid(), random_word());
  return in_staging([&] { return TemporaryFile(path); });
}

void FileTree::exclusively(const std::function<void()>& action) {
  const auto open_lock = [&] {
    return in_staging([&] { return open_file(staging() + "/.lock", O_RDWR | O_CREAT, 0666); });
  };
  lock_.run(open_lock, action);
}

// Creates the directories of a key, durably. A directory that exists may be another writer's who
// has not synced it yet; so each is synced here once. `again` distrusts what is known.
void FileTree::make_parents(std::string_view key, bool again) {
  for (std::size_t slash = key.find('/'); slash != std::string_view::npos;
       slash = key.find('/', slash + 1)) {
    const std::string path = fmt::format("{}/{}", root_, key.substr(0, slash));
    const std::lock_guard lock(directories_mutex_);
    const bool known = directories_.contains(path);
    if (known && !again) continue;
    const bool made = make_directory(path, key);
    if (known && !made) continue;
    sync_directory(parent_of(path));
    directories_.insert(path);
  }
}

bool FileTree::create(std::string_view key, TemporaryFile& file) {
  const std::string path = path_of(key);
  file.sync();
  make_parents(key, false);
  Naming outcome = rename_to_new(file.path(), path);
  if (outcome == Naming::kNoParent) {
    make_parents(key, true);
    outcome = rename_to_new(file.path(), path);
  }
  if (outcome == Naming::kNoParent) throw system_error(ENOENT, "cannot create " + path);
  if (outcome == Naming::kTaken) require_no_obstacle(key, path);
  settle(key);
  if (outcome == Naming::kTaken) return false;
  file.release();
  return true;
}

void FileTree::settle(std::string_view key) const { sync_directory(parent_of(path_of(key))); }

void FileTree::overwrite(std::string_view key, TemporaryFile& file) {
  const std::string path = path_of(key);
  make_parents(key, true);
  require_no_obstacle(key, path);
  // Before, so that a network file system need not keep the old file under a foreign name.
  cache_.forget(key);
  if (::rename(file.path().c_str(), path.c_str()) != 0) {
    throw system_error(errno, "cannot replace " + path);
  }
  cache_.forget(key);
  settle(key);
  file.release();
}

void FileTree::remove(std::string_view key) {
  const std::string path = path_of(key);
  if (!regular_file(path)) return;
  cache_.forget(key);
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) {
    throw system_error(errno, "cannot remove " + path);
  }
  cache_.forget(key);
}

std::optional<ObjectInfo> FileTree::stat(std::string_view key) const {
  const auto status = regular_file(path_of(key));
  if (!status) return std::nullopt;
  return info_of(key, *status);
}

Fd FileTree::open(std::string_view key) const {
  const std::string path = path_of(key);
  const auto absent = [&] {
    return Error(Code::kNotFound, fmt::format("there is no object {} in {}", key, root_));
  };
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | kNoFollow);
  if (fd < 0) {
    if (errno == ENOENT || errno == ENOTDIR || errno == ELOOP || errno == ENXIO) throw absent();
    throw system_error(errno, "cannot open " + path);
  }
  Fd owner(fd);
  struct stat status {};
  if (::fstat(fd, &status) != 0) throw system_error(errno, "cannot stat " + path);
  if (!S_ISREG(status.st_mode)) throw absent();
  return owner;
}

DescriptorCache::Shared FileTree::open_shared(std::string_view key) {
  const std::uint64_t epoch = cache_.epoch();
  if (auto cached = cache_.find(key)) {
    struct stat status {};
    // Without a name it is a version that another process replaced or removed.
    if (::fstat(cached->get(), &status) == 0 && status.st_nlink > 0) return cached;
  }
  auto opened = std::make_shared<const Fd>(open(key));
  cache_.insert(key, opened, epoch);
  return opened;
}

// Names, with a '/' behind those of directories: sorted like that, walking them in turn gives the
// keys in byte order ("a-b" < "a/b" < "a0").
std::vector<std::string> FileTree::children(const std::string& parent,
                                            std::string_view prefix) const {
  std::vector<std::string> names;
  std::string path = root_ + "/" + parent;
  path.pop_back();
  const Directory directory = open_directory(path);
  if (directory == nullptr) return names;
  while (const dirent* entry = next_entry(directory.get(), path)) {
    const bool wanted = std::string_view(entry->d_name).starts_with(prefix);
    if (!wanted || !may_hold_objects(*entry, parent.empty())) continue;
    names.emplace_back(entry->d_name);
    if (is_directory(*entry, path)) names.back().push_back('/');
  }
  std::sort(names.begin(), names.end());
  return names;
}

void FileTree::walk(const std::string& parent, std::string_view prefix,
                    const std::function<void(const ObjectInfo&)>& visit) const {
  for (const std::string& name : children(parent, prefix)) {
    const std::string key = parent + name;
    if (key.ends_with('/')) {
      walk(key, {}, visit);
    } else if (const auto info = stat(key)) {
      visit(*info);
    }
  }
}

void FileTree::remove_leftovers() const {
  const Directory directory = open_directory(staging());
  if (directory == nullptr) return;
  while (const dirent* entry = next_entry(directory.get(), staging())) {
    const std::string name = entry->d_name;
    if (name.front() != '.') remove_if_abandoned(staging() + "/" + name);
  }
}

}  // namespace holdfast
