#include "source/files/metadata.h"

#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <limits>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/human.h"
#include "source/files/open_source.h"

namespace holdfast {

namespace {

constexpr std::size_t kMostLookupBytes = 1 << 20;
constexpr std::size_t kMaxExtents = 100'000;

// Runs `lookup(buffer)` with growing buffers until it is not ERANGE.
template <typename Lookup>
void with_lookup_buffer(Lookup lookup) {
  std::vector<char> buffer(1024);
  while (lookup(buffer) == ERANGE && buffer.size() < kMostLookupBytes) {
    buffer.resize(buffer.size() * 2);
  }
}

std::int64_t nanoseconds_of(const struct timespec& time) {
  constexpr std::int64_t kSecond = 1'000'000'000;
  std::int64_t result = 0;
  if (__builtin_mul_overflow(static_cast<std::int64_t>(time.tv_sec), kSecond, &result) ||
      __builtin_add_overflow(result, static_cast<std::int64_t>(time.tv_nsec), &result)) {
    return time.tv_sec < 0 ? std::numeric_limits<std::int64_t>::min()
                           : std::numeric_limits<std::int64_t>::max();
  }
  return result;
}

std::optional<EntryType> type_of(mode_t mode) {
  switch (mode & S_IFMT) {
    case S_IFREG:
      return EntryType::kFile;
    case S_IFDIR:
      return EntryType::kDirectory;
    case S_IFLNK:
      return EntryType::kSymlink;
    case S_IFIFO:
      return EntryType::kFifo;
    case S_IFCHR:
      return EntryType::kCharDevice;
    case S_IFBLK:
      return EntryType::kBlockDevice;
    default:
      return std::nullopt;
  }
}

// The two calls that read attributes, by descriptor or by name.
class XattrReader {
 public:
  XattrReader(const std::string& path, int fd) : path_(path), fd_(fd) {
    if (fd_ >= 0) return;
    place_ = shorten(path);
    // There is no lgetxattrat before Linux 6.13.
    if (place_.directory.valid()) {
      place_.name = "/proc/self/fd/" + std::to_string(place_.directory.get()) + "/" + place_.name;
    }
  }

  ssize_t list(char* out, std::size_t size) const {
    return fd_ >= 0 ? ::flistxattr(fd_, out, size) : ::llistxattr(place_.name.c_str(), out, size);
  }
  ssize_t get(const char* name, void* out, std::size_t size) const {
    return fd_ >= 0 ? ::fgetxattr(fd_, name, out, size)
                    : ::lgetxattr(place_.name.c_str(), name, out, size);
  }
  [[noreturn]] void fail(int error, const std::string& what) const {
    throw system_error(error, "cannot read " + what + " of /" + printable(path_));
  }

 private:
  const std::string& path_;
  int fd_;
  ShortPath place_;
};

// Calls `read(data, size)` with a buffer that grows as long as the answer is ERANGE; an attribute
// may grow between asking for its size and reading it. Returns an errno, 0 with the bytes in `out`.
template <typename Read>
int read_growing(Bytes& out, Read read) {
  out.resize(256);
  for (;;) {
    const ssize_t got = read(out.data(), out.size());
    if (got >= 0) {
      out.resize(static_cast<std::size_t>(got));
      return 0;
    }
    if (errno != ERANGE) return errno;
    const ssize_t needed = read(nullptr, 0);
    if (needed < 0) return errno;
    out.resize(static_cast<std::size_t>(needed) + 256);
  }
}

}  // namespace

const std::string& OwnerNames::user(std::uint32_t uid) {
  const auto [at, added] = users_.try_emplace(uid);
  if (!added) return at->second;
  with_lookup_buffer([&, &name = at->second](std::vector<char>& buffer) {
    struct passwd record {};
    struct passwd* found = nullptr;
    const int error = ::getpwuid_r(uid, &record, buffer.data(), buffer.size(), &found);
    if (error == 0 && found != nullptr) name = found->pw_name;
    return error;
  });
  return at->second;
}

const std::string& OwnerNames::group(std::uint32_t gid) {
  const auto [at, added] = groups_.try_emplace(gid);
  if (!added) return at->second;
  with_lookup_buffer([&, &name = at->second](std::vector<char>& buffer) {
    struct group record {};
    struct group* found = nullptr;
    const int error = ::getgrgid_r(gid, &record, buffer.data(), buffer.size(), &found);
    if (error == 0 && found != nullptr) name = found->gr_name;
    return error;
  });
  return at->second;
}

std::optional<Entry> entry_of(const std::string& path, const struct stat& status,
                              OwnerNames& names) {
  const std::optional<EntryType> type = type_of(status.st_mode);
  if (!type) return std::nullopt;
  Entry entry;
  entry.path = path;
  entry.type = *type;
  entry.mode = status.st_mode & 07777;
  entry.uid = status.st_uid;
  entry.gid = status.st_gid;
  entry.user = names.user(status.st_uid);
  entry.group = names.group(status.st_gid);
  entry.mtime_ns = nanoseconds_of(status.st_mtim);
  if (*type == EntryType::kFile) entry.size = static_cast<std::uint64_t>(status.st_size);
  if (*type == EntryType::kCharDevice || *type == EntryType::kBlockDevice) {
    entry.device = status.st_rdev;
  }
  return entry;
}

std::vector<Xattr> read_xattrs(const std::string& path, int fd) {
  const XattrReader reader(path, fd);
  char small[512];
  const ssize_t listed = reader.list(small, sizeof small);
  if (listed == 0 || (listed < 0 && errno == EOPNOTSUPP)) return {};
  if (listed < 0 && errno != ERANGE) reader.fail(errno, "the extended attributes");

  Bytes names(small, small + std::max<ssize_t>(listed, 0));
  if (listed < 0) {
    const int error = read_growing(names, [&](std::uint8_t* out, std::size_t size) {
      return reader.list(reinterpret_cast<char*>(out), size);
    });
    if (error != 0) reader.fail(error, "the extended attributes");
  }
  std::vector<Xattr> attributes;
  for (std::string_view rest = as_text(names); !rest.empty();) {
    Xattr attribute;
    attribute.name = rest.substr(0, rest.find('\0'));
    rest.remove_prefix(std::min(rest.size(), attribute.name.size() + 1));
    const int error = read_growing(attribute.value, [&](std::uint8_t* out, std::size_t size) {
      return reader.get(attribute.name.c_str(), out, size);
    });
    if (error == ENODATA || error == EOPNOTSUPP) continue;  // removed since it was listed
    if (error != 0) reader.fail(error, "the attribute " + printable(attribute.name));
    attributes.push_back(std::move(attribute));
  }
  std::sort(attributes.begin(), attributes.end(),
            [](const Xattr& a, const Xattr& b) { return a.name < b.name; });
  return attributes;
}

std::string read_symlink(const std::string& path) {
  const ShortPath place = shorten(path);
  std::string target(256, '\0');
  for (;;) {
    const ssize_t got = ::readlinkat(place.at(), place.name.c_str(), target.data(), target.size());
    if (got < 0) throw system_error(errno, "cannot read the symlink /" + printable(path));
    const bool whole = static_cast<std::size_t>(got) < target.size();
    target.resize(whole ? static_cast<std::size_t>(got) : target.size() * 2);
    if (whole) return target;
  }
}

struct stat status_of(int fd, const std::string& file) {
  struct stat status {};
  if (::fstat(fd, &status) != 0) throw system_error(errno, "cannot stat " + printable(file));
  return status;
}

std::optional<std::vector<Extent>> data_extents(int fd, const struct stat& status) {
  // Enough blocks for all bytes: no holes worth three system calls per file.
  if (status.st_size <= 0 || status.st_blocks >= (status.st_size + 511) / 512) return std::nullopt;
  const off_t size = status.st_size;
  if (const off_t hole = ::lseek(fd, 0, SEEK_HOLE); hole < 0 || hole >= size) {
    ::lseek(fd, 0, SEEK_SET);
    return std::nullopt;
  }
  std::vector<Extent> extents;
  for (off_t at = 0; at < size;) {
    const off_t data = ::lseek(fd, at, SEEK_DATA);
    if (data < 0 || data >= size) {
      if (data < 0 && errno != ENXIO) throw system_error(errno, "cannot look for holes");
      break;
    }
    off_t hole = ::lseek(fd, data, SEEK_HOLE);
    if (hole < 0) throw system_error(errno, "cannot look for holes");
    hole = std::min(hole, size);
    extents.push_back({static_cast<std::uint64_t>(data), static_cast<std::uint64_t>(hole - data)});
    at = hole;
  }
  ::lseek(fd, 0, SEEK_SET);
  if (extents.size() > kMaxExtents) return std::nullopt;
  return extents;
}

}  // namespace holdfast
