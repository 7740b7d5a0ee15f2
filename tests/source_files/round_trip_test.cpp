// Capture a tree, restore it elsewhere, capture that: nothing may differ.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <map>

#include "base/path.h"
#include "source/files/metadata.h"
#include "source/files/open_source.h"
#include "source/files/target.h"
#include "source/files/walker.h"
#include "support.h"

namespace holdfast::test {
namespace {

struct Captured {
  Entry entry;
  Bytes content;
  bool operator==(const Captured&) const = default;
};

void read_content(const std::string& path, Captured& captured, const struct stat& status) {
  const Fd fd = open_source(path, O_RDONLY);
  if (auto extents = data_extents(fd.get(), status)) {
    captured.entry.sparse = true;
    captured.entry.extents = std::move(*extents);
  }
  captured.content.resize(captured.entry.size);
  EXPECT_EQ(read_full(fd.get(), captured.content, path), captured.entry.size);
}

// Everything below `root`, by paths relative to it.
std::vector<Captured> capture(const std::string& root) {
  std::vector<Captured> all;
  std::map<std::pair<dev_t, ino_t>, std::string> first_names;
  OwnerNames names;
  const auto visit = [&](WalkItem&& item) {
    if (item.ancestor) return;
    const std::string relative =
        item.path == root ? std::string() : item.path.substr(root.size() + 1);
    Captured captured{.entry = entry_of(relative, item.status, names).value(), .content = {}};
    captured.entry.xattrs = read_xattrs(item.path, -1);
    if (S_ISLNK(item.status.st_mode)) captured.entry.link_target = read_symlink(item.path);
    if (S_ISREG(item.status.st_mode)) read_content(item.path, captured, item.status);
    if (S_ISREG(item.status.st_mode) && item.status.st_nlink > 1) {
      const auto [first, added] =
          first_names.try_emplace({item.status.st_dev, item.status.st_ino}, relative);
      if (!added) {
        captured.entry.type = EntryType::kHardlink;
        captured.entry.link_target = first->second;
      }
    }
    all.push_back(std::move(captured));
  };
  walk({.roots = {root}}, visit,
       [](const std::string&, const Error& error) { ADD_FAILURE() << error.what(); }, {});
  return all;
}

void restore_file(Target& target, const Captured& captured) {
  const Entry& entry = captured.entry;
  const Fd fd = target.create_file(entry, false);
  ASSERT_EQ(::ftruncate(fd.get(), static_cast<off_t>(entry.size)), 0);
  std::vector<Extent> extents = entry.extents;
  if (!entry.sparse) extents = {{0, entry.size}};
  for (const Extent& extent : extents) {
    pwrite_full(fd.get(), ByteView(captured.content).subspan(extent.offset, extent.length),
                extent.offset, entry.path);
  }
  EXPECT_EQ(target.apply_metadata(entry, fd.get()), "") << entry.path;
}

void restore(const std::vector<Captured>& all, Target& target) {
  for (const Captured& captured : all) {
    const Entry& entry = captured.entry;
    if (entry.type == EntryType::kDirectory) {
      target.make_directory(entry.path, false);
    } else if (entry.type == EntryType::kFile) {
      restore_file(target, captured);
    } else {
      target.make_special(entry, false);
      EXPECT_EQ(target.apply_metadata(entry, -1), "") << entry.path;
    }
  }
  for (auto at = all.rbegin(); at != all.rend(); ++at) {
    if (at->entry.type != EntryType::kDirectory) continue;
    EXPECT_EQ(target.apply_metadata(at->entry, -1), "") << at->entry.path;
  }
}

void set_time(const std::string& path, time_t seconds, long nanoseconds) {
  const timespec times[2] = {{0, UTIME_OMIT}, {seconds, nanoseconds}};
  ASSERT_EQ(::utimensat(AT_FDCWD, path.c_str(), times, AT_SYMLINK_NOFOLLOW), 0) << path;
}

// u::rw-, u:1234:r--, g::r--, m::rw-, o::---, as acl(5) is stored in Linux.
const std::string kAcl(
    "\2\0\0\0"
    "\1\0\6\0\xff\xff\xff\xff"
    "\2\0\4\0\xd2\4\0\0"
    "\4\0\4\0\xff\xff\xff\xff"
    "\x10\0\6\0\xff\xff\xff\xff"
    "\x20\0\0\0\xff\xff\xff\xff",
    44);

void make_source(const Scratch& source) {
  source.file("plain", "hello");
  source.file("empty", "");
  source.file(std::string(255, 'n'), "long name");
  source.file("\xff\xfe not UTF-8", "bytes");
  source.file("new\nline", "line");
  source.file("d/e/f/deep", "deep");
  source.file("attributes", "a");
  set_xattr(source.at("attributes"), "user.empty", "");
  set_xattr(source.at("attributes"), "user.binary", std::string("\0\1\xff", 3));
  source.file("acl", "b");
  set_xattr(source.at("acl"), "system.posix_acl_access", kAcl);
  source.directory("acl-directory");
  set_xattr(source.at("acl-directory"), "system.posix_acl_default", kAcl);
  source.file("acl-directory/inherits", "c");
  source.file("read-only", "r");
  set_xattr(source.at("read-only"), "user.a", "1");
  ASSERT_EQ(::chmod(source.at("read-only").c_str(), 0444), 0);
  source.file("sticky/x");
  ASSERT_EQ(::chmod(source.at("sticky").c_str(), 03775), 0);
  source.file("set-id");
  ASSERT_EQ(::chmod(source.at("set-id").c_str(), 06755), 0);
  source.file("first-name", "linked");
  ASSERT_EQ(::link(source.at("first-name").c_str(), source.at("second-name").c_str()), 0);
  ASSERT_EQ(::symlink("no/such/thing", source.at("symlink").c_str()), 0);
  ASSERT_EQ(::symlink("d", source.at("symlink-to-directory").c_str()), 0);
  ASSERT_EQ(::mkfifo(source.at("fifo").c_str(), 0640), 0);
  const Fd sparse = open_file(source.file("sparse", ""), O_RDWR);
  ASSERT_EQ(::ftruncate(sparse.get(), 5 << 20), 0);
  pwrite_full(sparse.get(), Bytes(1 << 20, 9), 2 << 20, "sparse");
  const Fd hole = open_file(source.file("hole", ""), O_RDWR);
  ASSERT_EQ(::ftruncate(hole.get(), 1 << 20), 0);
  set_time(source.at("plain"), -2, 500'000'001);
  set_time(source.at("empty"), 0, 0);
  set_time(source.at("symlink"), 4'000'000'000, 999'999'999);
  set_time(source.at("fifo"), 1'234'567, 1);
  set_time(source.at("d/e"), -1'000'000'000, 999'999'999);
  set_time(source.path(), 1'000'000'000, 7);
}

// What only root can make.
void make_source_of_root(const Scratch& source) {
  ASSERT_EQ(::mknod(source.at("char").c_str(), S_IFCHR | 0620, makedev(1, 3)), 0);
  ASSERT_EQ(::mknod(source.at("block").c_str(), S_IFBLK | 0600, makedev(7, 300)), 0);
  source.file("others");
  ASSERT_EQ(::chown(source.at("others").c_str(), 12345, 54321), 0);
  ASSERT_EQ(::chmod(source.at("others").c_str(), 06711), 0);
  ASSERT_EQ(::lchown(source.at("symlink").c_str(), 12345, 54321), 0);
  ASSERT_EQ(::lchown(source.at("fifo").c_str(), 12345, 54321), 0);
  set_xattr(source.at("symlink"), "trusted.of-link", "t");
  source.file("capability");
  ASSERT_EQ(::chown(source.at("capability").c_str(), 12345, 54321), 0);
  // cap_net_bind_service+ep, VFS_CAP_REVISION_2
  set_xattr(source.at("capability"), "security.capability",
            std::string("\1\0\0\2\0\4\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 20));
  ASSERT_EQ(::mkdir(source.at("closed").c_str(), 0000), 0);
}

void expect_same(const std::vector<Captured>& a, const std::vector<Captured>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    const Entry& x = a[i].entry;
    const Entry& y = b[i].entry;
    EXPECT_EQ(x.path, y.path);
    EXPECT_EQ(x.type, y.type) << x.path;
    EXPECT_EQ(x.mode, y.mode) << x.path;
    EXPECT_EQ(x.uid, y.uid) << x.path;
    EXPECT_EQ(x.gid, y.gid) << x.path;
    EXPECT_EQ(x.mtime_ns, y.mtime_ns) << x.path;
    EXPECT_EQ(x.link_target, y.link_target) << x.path;
    EXPECT_EQ(x.device, y.device) << x.path;
    EXPECT_EQ(x.xattrs, y.xattrs) << x.path;
    EXPECT_EQ(x.extents, y.extents) << x.path;
    EXPECT_TRUE(a[i] == b[i]) << x.path;
  }
}

void round_trip(const Scratch& source, const Scratch& target) {
  const std::vector<Captured> before = capture(source.stored());
  ASSERT_GE(before.size(), 25u);
  const std::string directory = target.at("new/restored");
  Target restored(directory, true, {});
  restore(before, restored);
  expect_same(before, capture(directory.substr(1)));
}

TEST(RoundTrip, KeepsEverything) {
  const Scratch source;
  const Scratch target;
  make_source(source);
  if (is_root()) make_source_of_root(source);
  round_trip(source, target);
}

TEST(RoundTrip, KeepsEverythingWithoutOpenat2) {
  const Scratch source;
  const Scratch target;
  make_source(source);
  if (is_root()) make_source_of_root(source);
  without_openat2([&] { round_trip(source, target); });
}

TEST(RoundTrip, KeepsWhatAnOrdinaryUserCan) {
  as_nobody([] {
    const Scratch source;
    const Scratch target;
    make_source(source);
    round_trip(source, target);
  });
}

TEST(RoundTrip, DropsAclsInheritedFromTheTarget) {
  const Scratch source;
  const Scratch target;
  source.file("d/f");
  if (!set_xattr(target.path(), "system.posix_acl_default", kAcl)) GTEST_SKIP() << "no ACLs here";
  const std::vector<Captured> before = capture(source.stored());
  Target restored(target.path(), false, {});
  restore(before, restored);
  expect_same(before, capture(target.stored()));
}

}  // namespace
}  // namespace holdfast::test
