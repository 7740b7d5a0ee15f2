#include "os/disk_hints.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

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
  if (::fallocate(plain.get(), FALLOC_FL_KEEP_SIZE, 0, kSize) != 0) {
    GTEST_SKIP() << "the file system of " << testing::TempDir() << " gives no room ahead";
  }
  const Fd hinted = open_unnamed_file(testing::TempDir());
  allocate_ahead(hinted.get(), kSize);
  begin_writeback(hinted.get(), 0, kSize);
  EXPECT_EQ(status_of_hinted(hinted.get()).st_size, 0);
  EXPECT_EQ(status_of_hinted(hinted.get()).st_blocks, status_of_hinted(plain.get()).st_blocks);
}

TEST(DiskHints, AreNoErrorsWhereTheyMeanNothing) {
  int ends[2] = {-1, -1};
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  const Fd in(ends[0]);
  const Fd out(ends[1]);
  allocate_ahead(out.get(), kSize);
  begin_writeback(out.get(), 0, kSize);
  allocate_ahead(-1, kSize);
}

}  // namespace
}  // namespace holdfast
