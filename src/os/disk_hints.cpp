#include "os/disk_hints.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/vfs.h>

namespace holdfast {

void allocate_ahead(int fd, std::uint64_t size) {
  struct statfs system {};
  if (::fstatfs(fd, &system) != 0 || system.f_type == BTRFS_SUPER_MAGIC) return;
  static_cast<void>(::fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, static_cast<off_t>(size)));
}

void begin_writeback(int fd, std::uint64_t offset, std::uint64_t length) {
  static_cast<void>(::sync_file_range(fd, static_cast<off64_t>(offset),
                                      static_cast<off64_t>(length), SYNC_FILE_RANGE_WRITE));
}

}  // namespace holdfast
