#include "os/disk_hints.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <cstdint>

#include "os/file.h"

namespace holdfast {
namespace {

constexpr std::uint64_t kSize = std::uint64_t{1} << 20;

struct stat status_of_hinted(int fd) {
  struct stat status {};
  EXPECT_EQ(::fstat(fd, &status), 0);
  return status;
}

TEST(DiskHints, RoomAheadIsNoLength) {
  const Fd plain = open_unnamed_file(testing::TempDir());
  struct statfs system {};
  ASSERT_EQ(::fstatfs(plain.get(), &system), 0);
  if (system.f_type != BTRFS_SUPER_MAGIC) {
    static_cast<void>(::fallocate(plain.get(), FALLOC_FL_KEEP_SIZE, 0, kSize));
  }
  const Fd hinted = open_unnamed_file(testing::TempDir());
  allocate_ahead(hinted.get(), kSize);
  begin_writeback(hinted.get(), 0, kSize);
  EXPECT_EQ(status_of_hinted(hinted.get()).st_size, 0);
  EXPECT_EQ(status_of_hinted(hinted.get()).st_blocks, status_of_hinted(plain.get()).st_blocks);
}

}  // namespace
}  // namespace holdfast
