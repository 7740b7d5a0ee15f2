#include "protect/snapshot.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <stdexcept>

namespace holdfast::test {
namespace {

[[noreturn]] void fail(const std::string& what, const std::string& path) {
  throw std::runtime_error(what + " " + path + ": " + std::strerror(errno));
}

struct Descriptor {
  explicit Descriptor(int number) : fd(number) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (fd >= 0) ::close(fd);
  }
  int fd;
};

class Taker {
 public:
  Snapshot take(const std::string& directory) {
    const Descriptor top(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (top.fd < 0) fail("cannot open", directory);
    struct stat status {};
    if (::fstat(top.fd, &status) != 0) fail("cannot stat", directory);
    see(AT_FDCWD, directory, "", status);
    enter(top.fd, "");
    return std::move(snapshot_);
  }

 private:
  void enter(int directory, const std::string& path) {
    for (const std::string& name : names(directory, path)) {
      const std::string child = path.empty() ? name : path + "/" + name;
      struct stat status {};
      if (::fstatat(directory, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
        fail("cannot stat", child);
      }
      if (S_ISSOCK(status.st_mode)) continue;
      see(directory, name, child, status);
      if (!S_ISDIR(status.st_mode)) continue;
      const Descriptor next(
          ::openat(directory, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
      if (next.fd < 0) fail("cannot open", child);
      enter(next.fd, child);
    }
  }

  static std::vector<std::string> names(int directory, const std::string& path) {
    DIR* stream = ::fdopendir(::dup(directory));
    if (stream == nullptr) fail("cannot list", path);
    ::rewinddir(stream);
    std::vector<std::string> all;
    while (const dirent* entry = ::readdir(stream)) {
      const std::string name = entry->d_name;
      if (name != "." && name != "..") all.push_back(name);
    }
    ::closedir(stream);
    std::sort(all.begin(), all.end());
    return all;
  }

  void see(int directory, const std::string& name, const std::string& path,
           const struct stat& status) {
    SeenObject object;
    object.mode = status.st_mode;
    object.uid = status.st_uid;
    object.gid = status.st_gid;
    if (S_ISCHR(status.st_mode) || S_ISBLK(status.st_mode)) object.device = status.st_rdev;
    object.mtime_ns = std::int64_t{status.st_mtim.tv_sec} * 1'000'000'000 + status.st_mtim.tv_nsec;
    if (!S_ISDIR(status.st_mode) && status.st_nlink > 1) {
      const auto [first, added] = first_names_.try_emplace({status.st_dev, status.st_ino}, path);
      object.first_name = first->second;
    }
    if (S_ISREG(status.st_mode)) {
      see_file(directory, name, path, status, object);
    } else if (S_ISLNK(status.st_mode)) {
      char text[4096];
      const ssize_t length = ::readlinkat(directory, name.c_str(), text, sizeof text);
      if (length < 0) fail("cannot read the link", path);
      object.content.assign(text, static_cast<std::size_t>(length));
    }
    if (S_ISREG(status.st_mode) || S_ISDIR(status.st_mode)) {
      const Descriptor fd(
          ::openat(directory, name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
      if (fd.fd < 0) fail("cannot open", path);
      see_xattrs(fd.fd, path, object);
    }
    snapshot_.emplace(path, std::move(object));
  }

  void see_file(int directory, const std::string& name, const std::string& path,
                const struct stat& status, SeenObject& object) {
    const Descriptor fd(::openat(directory, name.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
    if (fd.fd < 0) fail("cannot open", path);
    object.content.resize(static_cast<std::size_t>(status.st_size));
    for (std::size_t at = 0; at < object.content.size();) {
      const ssize_t got = ::pread(fd.fd, object.content.data() + at, object.content.size() - at,
                                  static_cast<off_t>(at));
      if (got <= 0) fail("cannot read", path);
      at += static_cast<std::size_t>(got);
    }
    for (off_t end = 0; end < status.st_size;) {
      const off_t begin = ::lseek(fd.fd, end, SEEK_DATA);
      if (begin < 0) break;
      end = ::lseek(fd.fd, begin, SEEK_HOLE);
      object.data.emplace_back(begin, end);
    }
  }

  static void see_xattrs(int fd, const std::string& path, SeenObject& object) {
    std::string list(65536, '\0');
    const ssize_t size = ::flistxattr(fd, list.data(), list.size());
    if (size < 0 && errno == EOPNOTSUPP) return;
    if (size < 0) fail("cannot list the attributes of", path);
    for (std::size_t at = 0; at < static_cast<std::size_t>(size);) {
      const std::string name = list.c_str() + at;
      at += name.size() + 1;
      std::string value(65536, '\0');
      const ssize_t length = ::fgetxattr(fd, name.c_str(), value.data(), value.size());
      if (length < 0) fail("cannot read an attribute of", path);
      value.resize(static_cast<std::size_t>(length));
      object.xattrs[name] = value;
    }
  }

  Snapshot snapshot_;
  std::map<std::pair<dev_t, ino_t>, std::string> first_names_;
};

bool is_below(const std::string& path, const std::string& top) {
  return top.empty() || path == top || path.starts_with(top + "/");
}

std::string what_differs(const SeenObject& expected, const SeenObject& found) {
  std::string text;
  const auto add = [&](bool differs, const std::string& what) {
    if (differs) text += (text.empty() ? "" : ", ") + what;
  };
  const auto numbers = [](auto a, auto b) {
    return " " + std::to_string(b) + " instead of " + std::to_string(a);
  };
  add(expected.mode != found.mode, "mode" + numbers(expected.mode, found.mode));
  add(expected.uid != found.uid, "uid" + numbers(expected.uid, found.uid));
  add(expected.gid != found.gid, "gid" + numbers(expected.gid, found.gid));
  add(expected.device != found.device, "device" + numbers(expected.device, found.device));
  add(expected.mtime_ns != found.mtime_ns, "mtime" + numbers(expected.mtime_ns, found.mtime_ns));
  add(expected.content.size() != found.content.size(),
      "size" + numbers(expected.content.size(), found.content.size()));
  add(expected.content != found.content, "content");
  add(expected.first_name != found.first_name,
      "first name '" + found.first_name + "' instead of '" + expected.first_name + "'");
  add(expected.xattrs != found.xattrs, "attributes");
  add(expected.data != found.data, "holes");
  return text;
}

}  // namespace

Snapshot take_snapshot(const std::string& directory) { return Taker().take(directory); }

void erase_below(Snapshot& snapshot, const std::string& path) {
  std::erase_if(snapshot, [&](const auto& item) { return is_below(item.first, path); });
}

Snapshot subtree(const Snapshot& snapshot, const std::string& path) {
  Snapshot part;
  for (const auto& [name, object] : snapshot) {
    if (!is_below(name, path)) continue;
    const std::size_t cut = path.empty() ? 0 : path.size() + (name.size() > path.size() ? 1 : 0);
    SeenObject moved = object;
    if (is_below(moved.first_name, path) && moved.first_name.size() > path.size()) {
      moved.first_name = moved.first_name.substr(path.empty() ? 0 : path.size() + 1);
    }
    part.emplace(name.substr(cut), std::move(moved));
  }
  return part;
}

std::string difference(const Snapshot& expected, const Snapshot& found) {
  std::string text;
  int lines = 0;
  const auto add = [&](const std::string& line) {
    if (++lines <= 8) text += line + "\n";
  };
  for (const auto& [path, object] : expected) {
    const auto other = found.find(path);
    if (other == found.end()) {
      add("missing: '" + path + "'");
    } else if (object != other->second) {
      add("'" + path + "' differs: " + what_differs(object, other->second));
    }
  }
  for (const auto& [path, object] : found) {
    if (!expected.contains(path)) add("not expected: '" + path + "'");
  }
  if (lines > 8) text += "... and " + std::to_string(lines - 8) + " more\n";
  return text;
}

}  // namespace holdfast::test
