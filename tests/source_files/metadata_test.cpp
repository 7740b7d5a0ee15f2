#include "source/files/metadata.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cstring>

#include "source/files/open_source.h"
#include "support.h"

namespace holdfast::test {
namespace {

using ::testing::IsEmpty;

TEST(EntryOf, TakesWhatStatKnows) {
  struct stat status {};
  status.st_mode = S_IFREG | 04751;
  status.st_uid = 0;
  status.st_gid = 4294967000U;
  status.st_size = 77;
  status.st_rdev = 5;
  status.st_mtim = {-2, 999'999'999};
  OwnerNames names;
  const auto entry = entry_of("a/b", status, names);
  ASSERT_TRUE(entry);
  EXPECT_EQ(entry->path, "a/b");
  EXPECT_EQ(entry->type, EntryType::kFile);
  EXPECT_EQ(entry->mode, 04751u);
  EXPECT_EQ(entry->user, "root");
  EXPECT_EQ(entry->gid, 4294967000U);
  EXPECT_EQ(entry->group, "");
  EXPECT_EQ(entry->size, 77u);
  EXPECT_EQ(entry->device, 0u);
  EXPECT_EQ(entry->mtime_ns, -1'000'000'001);
}

TEST(EntryOf, TimesBeyondTheRangeAreItsEnds) {
  struct stat status {};
  status.st_mode = S_IFDIR;
  status.st_size = 4096;
  OwnerNames names;
  status.st_mtim = {std::numeric_limits<time_t>::max(), 0};
  EXPECT_EQ(entry_of("", status, names)->mtime_ns, std::numeric_limits<std::int64_t>::max());
  status.st_mtim = {std::numeric_limits<time_t>::min(), 0};
  EXPECT_EQ(entry_of("", status, names)->mtime_ns, std::numeric_limits<std::int64_t>::min());
  EXPECT_EQ(entry_of("", status, names)->size, 0u);
}

TEST(EntryOf, KnowsNoSockets) {
  const Scratch scratch;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = scratch.at("socket");
  std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
  const Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ASSERT_EQ(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  OwnerNames names;
  EXPECT_FALSE(entry_of("socket", status_of(path), names));
}

TEST(ReadXattrs, ReadsByNameAndByDescriptor) {
  const Scratch scratch;
  const std::string path = scratch.file("f");
  EXPECT_THAT(read_xattrs(path.substr(1), -1), IsEmpty());
  const std::string binary("\0\xff\n", 3);
  const std::string large(3000, 'v');
  if (!set_xattr(path, "user.b", binary)) GTEST_SKIP() << "no user attributes here";
  set_xattr(path, "user.a", "");
  set_xattr(path, "user.large", large);
  const std::vector<Xattr> expected{{"user.a", {}},
                                    {"user.b", to_bytes(as_bytes(binary))},
                                    {"user.large", to_bytes(as_bytes(large))}};
  EXPECT_EQ(read_xattrs(path.substr(1), -1), expected);
  const Fd fd = open_source(path.substr(1), O_RDONLY);
  EXPECT_EQ(read_xattrs(path.substr(1), fd.get()), expected);
}

TEST(ReadXattrs, ReadsMoreNamesThanFitAtFirst) {
  const Scratch scratch;
  const std::string path = scratch.file("f");
  const std::string prefix = "user." + std::string(60, 'n');
  for (int i = 0; i < 20; ++i) {
    if (!set_xattr(path, prefix + std::to_string(i), "v")) GTEST_SKIP() << "no user attributes";
  }
  EXPECT_EQ(read_xattrs(path.substr(1), -1).size(), 20u);
}

TEST(ReadXattrs, DoesNotFollowSymlinksAndSaysWhatFails) {
  const Scratch scratch;
  set_xattr(scratch.file("f"), "user.a", "1");
  ASSERT_EQ(::symlink("f", scratch.at("link").c_str()), 0);
  EXPECT_THAT(read_xattrs(scratch.stored() + "/link", -1), IsEmpty());
  EXPECT_EQ(code_of([&] { read_xattrs(scratch.stored() + "/gone", -1); }), Code::kNotFound);
}

TEST(ReadXattrs, FileSystemsWithoutThemHaveNone) {
  EXPECT_THAT(read_xattrs("proc/self/status", -1), IsEmpty());
}

TEST(ReadSymlink, ReadsTextOfAnyLength) {
  const Scratch scratch;
  for (const std::size_t length : {1u, 255u, 256u, 257u, 4000u}) {
    const std::string text(length, '\xfe');
    const std::string path = scratch.at("link" + std::to_string(length));
    ASSERT_EQ(::symlink(text.c_str(), path.c_str()), 0);
    EXPECT_EQ(read_symlink(path.substr(1)), text);
  }
  EXPECT_EQ(code_of([&] { read_symlink(scratch.stored() + "/gone"); }), Code::kNotFound);
  EXPECT_EQ(code_of([&] { read_symlink(scratch.stored()); }), Code::kInvalid);
}

TEST(DataExtents, FindsTheDataOfASparseFile) {
  const Scratch scratch;
  const std::string path = scratch.file("sparse", "");
  const Fd fd = open_file(path, O_RDWR);
  constexpr std::uint64_t kUnit = 1 << 20;
  const Bytes data(kUnit, 7);
  ASSERT_EQ(::ftruncate(fd.get(), 8 * kUnit), 0);
  pwrite_full(fd.get(), data, kUnit, path);
  pwrite_full(fd.get(), data, 5 * kUnit, path);
  sync_file(fd.get(), path);
  const auto extents = data_extents(fd.get(), status_of(path));
  ASSERT_TRUE(extents);
  EXPECT_EQ(*extents, (std::vector<Extent>{{kUnit, kUnit}, {5 * kUnit, kUnit}}));
  EXPECT_EQ(::lseek(fd.get(), 0, SEEK_CUR), 0);
}

TEST(DataExtents, AFileThatIsAllHoleHasNoneButIsSparse) {
  const Scratch scratch;
  const std::string path = scratch.file("hole", "");
  const Fd fd = open_file(path, O_RDWR);
  ASSERT_EQ(::ftruncate(fd.get(), 1 << 20), 0);
  const auto extents = data_extents(fd.get(), status_of(path));
  ASSERT_TRUE(extents);
  EXPECT_THAT(*extents, IsEmpty());
}

TEST(DataExtents, OrdinaryFilesHaveNoHoles) {
  const Scratch scratch;
  for (const std::size_t size : {0u, 1u, 4096u, 100'000u}) {
    const std::string path = scratch.file("f" + std::to_string(size), std::string(size, 'x'));
    const Fd fd = open_file(path, O_RDONLY);
    EXPECT_FALSE(data_extents(fd.get(), status_of(path))) << size;
    EXPECT_EQ(::lseek(fd.get(), 0, SEEK_CUR), 0);
  }
}

}  // namespace
}  // namespace holdfast::test
