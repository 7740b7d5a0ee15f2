#include "source/files/attributes.h"

#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string_view>
#include <system_error>
#include <vector>

#include "base/human.h"

namespace holdfast {

namespace {

constexpr std::size_t kMostRecordBytes = 1 << 20;

// A descriptor of any kind. Most calls refuse O_PATH descriptors, the only kind that a symlink, or
// a directory that we may not read, can have; those go through /proc/self/fd, which leads to the
// very same object.
class Object {
 public:
  Object(int fd, bool path_only) : fd_(fd), path_only_(path_only) {
    if (path_only) name_ = "/proc/self/fd/" + std::to_string(fd);
  }

  int stat(struct stat& status) const { return ::fstat(fd_, &status); }
  int chown(uid_t uid, gid_t gid) const { return ::fchownat(fd_, "", uid, gid, AT_EMPTY_PATH); }
  int chmod(mode_t mode) const {
    return path_only_ ? ::chmod(name_.c_str(), mode) : ::fchmod(fd_, mode);
  }
  int set_times(const struct timespec (&times)[2]) const {
    return path_only_ ? ::utimensat(AT_FDCWD, name_.c_str(), times, 0) : ::futimens(fd_, times);
  }
  ssize_t list_xattrs(char* out, std::size_t size) const {
    return path_only_ ? ::listxattr(name_.c_str(), out, size) : ::flistxattr(fd_, out, size);
  }
  ssize_t get_xattr(const char* name, void* out, std::size_t size) const {
    return path_only_ ? ::getxattr(name_.c_str(), name, out, size)
                      : ::fgetxattr(fd_, name, out, size);
  }
  int set_xattr(const Xattr& attribute) const {
    const char* name = attribute.name.c_str();
    const void* data = attribute.value.data();
    const std::size_t size = attribute.value.size();
    return path_only_ ? ::setxattr(name_.c_str(), name, data, size, 0)
                      : ::fsetxattr(fd_, name, data, size, 0);
  }
  int remove_xattr(const char* name) const {
    return path_only_ ? ::removexattr(name_.c_str(), name) : ::fremovexattr(fd_, name);
  }

 private:
  int fd_;
  bool path_only_;
  std::string name_;
};

// Gathers what could not be set.
class Complaints {
 public:
  void add(std::string_view what, int error) {
    add(std::string(what) + ": " + std::generic_category().message(error));
  }
  void add(std::string_view text) {
    if (!text_.empty()) text_ += "; ";
    text_ += text;
  }
  std::string take() { return std::move(text_); }

 private:
  std::string text_;
};

struct Owner {
  uid_t uid;
  gid_t gid;
};

Owner wanted_owner(const Entry& entry, const RestoreRights& rights, OwnerIds& ids) {
  if (rights.numeric_ids) return {entry.uid, entry.gid};
  return {ids.user(entry.user, entry.uid), ids.group(entry.group, entry.gid)};
}

// Creation gave most objects the right owner already, which saves a journalled change each.
void set_owner(const Object& object, const Owner& wanted, struct stat& status, OwnerIds& ids,
               Complaints& out) {
  if (status.st_uid == wanted.uid && status.st_gid == wanted.gid) return;
  if (object.chown(wanted.uid, wanted.gid) != 0) {
    const int error = errno;
    // The owner of a file may still give it to a group of his.
    if (error == EPERM && status.st_gid != wanted.gid) {
      object.chown(static_cast<uid_t>(-1), wanted.gid);
    }
    if (error == EPERM) {
      ids.refuse();
    } else {
      out.add("owner " + std::to_string(wanted.uid) + ":" + std::to_string(wanted.gid), error);
    }
  }
  if (object.stat(status) != 0) out.add("stat", errno);
}

// Attributes that describe the object; the rest are labels that the system gives as it sees fit.
bool is_removable(std::string_view name) {
  return name.starts_with("user.") || name.starts_with("trusted.") ||
         name.starts_with("system.posix_acl_") || name == "security.capability";
}

std::vector<std::string> present_xattrs(const Object& object, Complaints& out) {
  std::vector<char> list(1024);
  ssize_t size = object.list_xattrs(list.data(), list.size());
  while (size < 0 && errno == ERANGE && list.size() < (1 << 20)) {
    list.resize(list.size() * 4);
    size = object.list_xattrs(list.data(), list.size());
  }
  std::vector<std::string> names;
  if (size < 0 && errno != EOPNOTSUPP) out.add("extended attributes", errno);
  for (std::string_view rest(list.data(), static_cast<std::size_t>(std::max<ssize_t>(size, 0)));
       !rest.empty();) {
    names.emplace_back(rest.substr(0, rest.find('\0')));
    rest.remove_prefix(std::min(rest.size(), names.back().size() + 1));
  }
  return names;
}

bool has_value(const Object& object, const Xattr& attribute) {
  Bytes value(attribute.value.size() + 1);
  const ssize_t size = object.get_xattr(attribute.name.c_str(), value.data(), value.size());
  return size == static_cast<ssize_t>(attribute.value.size()) &&
         std::equal(attribute.value.begin(), attribute.value.end(), value.begin());
}

// Returns whether the object has or had any: an ACL comes with a mode.
bool set_xattrs(const Object& object, const Entry& entry, Complaints& out) {
  const std::vector<std::string> present = present_xattrs(object, out);
  for (const std::string& name : present) {
    const bool wanted = std::any_of(entry.xattrs.begin(), entry.xattrs.end(),
                                    [&](const Xattr& xattr) { return xattr.name == name; });
    if (!wanted && is_removable(name) && object.remove_xattr(name.c_str()) != 0) {
      out.add("removing the attribute " + printable(name), errno);
    }
  }
  for (const Xattr& xattr : entry.xattrs) {
    // Equal labels, such as SELinux's, often cannot be set but need not be.
    const bool listed = std::find(present.begin(), present.end(), xattr.name) != present.end();
    if (listed && has_value(object, xattr)) continue;
    if (object.set_xattr(xattr) != 0) out.add("attribute " + printable(xattr.name), errno);
  }
  return !present.empty() || !entry.xattrs.empty();
}

// Set-id bits on a file that belongs to somebody else than in the backup would hand out rights that
// nobody gave.
mode_t safe_mode(const Entry& entry, const Owner& wanted, const struct stat& status,
                 Complaints& out) {
  mode_t mode = entry.mode & 07777;
  if (entry.type == EntryType::kDirectory) return mode;
  mode_t unsafe = 0;
  if (status.st_uid != wanted.uid) unsafe |= S_ISUID;
  if (status.st_uid != wanted.uid || status.st_gid != wanted.gid) unsafe |= S_ISGID;
  if ((mode & unsafe) != 0) out.add("set-id bits left out, as the owner is another");
  return mode & ~unsafe;
}

void set_mode(const Object& object, mode_t mode, struct stat& status, Complaints& out) {
  if ((status.st_mode & 07777) == mode) return;
  if (object.chmod(mode) != 0) return out.add("mode", errno);
  // The kernel drops the set-group-id bit silently for a group that is not ours.
  if ((mode & 06000) == 0) return;
  if (object.stat(status) == 0 && (status.st_mode & 07777) != mode) out.add("mode: not all bits");
}

void set_times(const Object& object, std::int64_t mtime_ns, Complaints& out) {
  constexpr std::int64_t kSecond = 1'000'000'000;
  std::int64_t seconds = mtime_ns / kSecond;
  std::int64_t rest = mtime_ns % kSecond;
  if (rest < 0) {
    rest += kSecond;
    --seconds;
  }
  const struct timespec times[2] = {{0, UTIME_OMIT},
                                    {static_cast<time_t>(seconds), static_cast<long>(rest)}};
  if (object.set_times(times) != 0) out.add("modification time", errno);
}

}  // namespace

uid_t OwnerIds::user(const std::string& name, uid_t fallback) {
  if (name.empty()) return fallback;
  const std::lock_guard lock(mutex_);
  const auto [at, added] = users_.try_emplace(name);
  if (added) {
    std::vector<char> buffer(1024);
    struct passwd record {};
    struct passwd* found = nullptr;
    while (::getpwnam_r(name.c_str(), &record, buffer.data(), buffer.size(), &found) == ERANGE &&
           buffer.size() < kMostRecordBytes) {
      buffer.resize(buffer.size() * 2);
    }
    if (found != nullptr) at->second = found->pw_uid;
  }
  return at->second.value_or(fallback);
}

gid_t OwnerIds::group(const std::string& name, gid_t fallback) {
  if (name.empty()) return fallback;
  const std::lock_guard lock(mutex_);
  const auto [at, added] = groups_.try_emplace(name);
  if (added) {
    std::vector<char> buffer(1024);
    struct group record {};
    struct group* found = nullptr;
    while (::getgrnam_r(name.c_str(), &record, buffer.data(), buffer.size(), &found) == ERANGE &&
           buffer.size() < kMostRecordBytes) {
      buffer.resize(buffer.size() * 2);
    }
    if (found != nullptr) at->second = found->gr_gid;
  }
  return at->second.value_or(fallback);
}

std::string apply_attributes(const Entry& entry, int fd, bool path_only, struct stat status,
                             const RestoreRights& rights, OwnerIds& ids) {
  const Object object(fd, path_only);
  Complaints complaints;
  const Owner wanted = wanted_owner(entry, rights, ids);
  // A change of owner clears capabilities and set-id bits, so it is first. Attributes come before
  // the mode, which may take our own right to write them; an ACL and the mode that goes with it
  // agree in either order. Times are last, as writing anything may move them.
  if (rights.owner) set_owner(object, wanted, status, ids, complaints);
  if (rights.xattrs && set_xattrs(object, entry, complaints) && object.stat(status) != 0) {
    complaints.add("stat", errno);
  }
  if (entry.type != EntryType::kSymlink) {
    set_mode(object, safe_mode(entry, wanted, status, complaints), status, complaints);
  }
  set_times(object, entry.mtime_ns, complaints);
  return complaints.take();
}

}  // namespace holdfast
