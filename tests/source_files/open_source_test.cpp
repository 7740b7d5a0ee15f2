#include "source/files/open_source.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <limits.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/path.h"
#include "source/files/metadata.h"
#include "support.h"

namespace holdfast::test {
namespace {

TEST(OpenSource, OpensPathsOfAnyLength) {
  const Scratch scratch;
  const std::string name(255, 'n');
  constexpr int kLevels = 40;
  make_deep_tree(scratch.path(), name, kLevels);
  std::string directory = scratch.stored();
  for (int i = 0; i < kLevels; ++i) directory = join_path(directory, name);
  ASSERT_GT(directory.size(), 2u * PATH_MAX);

  const Fd fd = open_source(directory + "/leaf", O_RDWR);
  std::uint8_t content[8];
  EXPECT_EQ(read_full(fd.get(), content, "leaf"), 4u);
  const Fd parent = open_source(directory, O_RDONLY | O_DIRECTORY);
  ASSERT_EQ(::symlinkat("text", parent.get(), "link"), 0);
  EXPECT_EQ(read_symlink(directory + "/link"), "text");
  if (::fsetxattr(fd.get(), "user.a", "1", 1, 0) == 0) {
    EXPECT_EQ(read_xattrs(directory + "/leaf", -1).size(), 1u);
  }
  EXPECT_EQ(code_of([&] { open_source(directory + "/gone", O_RDONLY); }), Code::kNotFound);
  EXPECT_EQ(code_of([&] { open_source(directory + "/gone/gone", O_RDONLY); }), Code::kNotFound);
}

TEST(OpenSource, NeitherFollowsLinksNorWaitsForWriters) {
  const Scratch scratch;
  scratch.file("f");
  ASSERT_EQ(::symlink("f", scratch.at("link").c_str()), 0);
  ASSERT_EQ(::mkfifo(scratch.at("fifo").c_str(), 0600), 0);
  EXPECT_EQ(code_of([&] { open_source(scratch.stored() + "/link", O_RDONLY); }), Code::kInvalid);
  EXPECT_TRUE(open_source(scratch.stored() + "/fifo", O_RDONLY).valid());
  EXPECT_TRUE(open_source("", O_RDONLY | O_DIRECTORY).valid());
}

TEST(OpenSource, OpensFilesOfOthers) {
  const Scratch scratch;
  scratch.file("f", "hello");
  as_nobody([&] {
    const Fd fd = open_source(scratch.stored() + "/f", O_RDONLY);
    std::uint8_t content[8];
    EXPECT_EQ(read_full(fd.get(), content, "f"), 5u);
  });
}

}  // namespace
}  // namespace holdfast::test
