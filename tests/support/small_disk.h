// A file system with little room, for one test.
#pragma once

#include <sys/mount.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>

namespace holdfast {

// At `directory`, which is made; gone with this object. Needs the right to mount.
class TmpfsMount {
 public:
  TmpfsMount(std::string directory, std::uint64_t bytes) : directory_(std::move(directory)) {
    std::filesystem::create_directories(directory_);
    mounted_ = mount(bytes, 0);
  }
  TmpfsMount(const TmpfsMount&) = delete;
  TmpfsMount& operator=(const TmpfsMount&) = delete;
  ~TmpfsMount() {
    if (mounted_) ::umount2(directory_.c_str(), MNT_DETACH);
  }

  bool mounted() const { return mounted_; }
  // Gives it another size; false when that cannot be.
  bool resize(std::uint64_t bytes) { return mount(bytes, MS_REMOUNT); }

 private:
  bool mount(std::uint64_t bytes, unsigned long flags) const {
    const std::string size = "size=" + std::to_string(bytes >> 10) + "k";
    return ::mount("none", directory_.c_str(), "tmpfs", flags, size.c_str()) == 0;
  }

  const std::string directory_;
  bool mounted_ = false;
};

// Takes all that is left of a small disk by the file `path`.
inline void fill_up(const std::string& path) {
  std::ofstream out(path, std::ios::binary);
  const std::string block(4096, 'x');
  while (out.write(block.data(), static_cast<std::streamsize>(block.size())).flush()) {
  }
}

// What the files below `directory` hold.
inline std::uint64_t bytes_below(const std::string& directory) {
  std::uint64_t bytes = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory)) {
    if (entry.is_regular_file() && !entry.is_symlink())
      bytes += entry.file_size() / 4096 * 4096 + 4096;
  }
  return bytes;
}

}  // namespace holdfast
