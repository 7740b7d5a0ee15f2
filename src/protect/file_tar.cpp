#include "protect/file_tar.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <unordered_map>

#include "base/error.h"
#include "base/human.h"
#include "base/path.h"
#include "protect/file_cache.h"
#include "protect/tar_writer.h"
#include "source/files/metadata.h"
#include "source/files/open_source.h"

namespace holdfast {
namespace {

constexpr std::size_t kReadSize = std::size_t{1} << 20;

class FileTar {
 public:
  FileTar(const BackupJob& job, const ByteSink& sink, TarTally& tally, Warnings& warnings,
          std::stop_token stop)
      : job_(job),
        tally_(tally),
        warnings_(warnings),
        stop_(std::move(stop)),
        tar_(sink),
        buffer_(kReadSize) {}

  void run() {
    for (const PlacedFile& one : job_.placed) placed_.push_back(&one);
    std::sort(placed_.begin(), placed_.end(), [](const PlacedFile* a, const PlacedFile* b) {
      return compare_paths(a->stored_path, b->stored_path) < 0;
    });
    if (!job_.walk.roots.empty()) {
      walk(
          job_.walk,
          [this](WalkItem&& item) {
            add_placed_before(&item.path);
            add("/" + item.path, item.path, item.status);
          },
          [this](const std::string& path, const Error& error) {
            warnings_.add("/" + printable(path) + ": " + error.message());
          },
          stop_);
    }
    add_placed_before(nullptr);
    tar_.finish();
  }

 private:
  void check_stop() const {
    if (stop_.stop_requested()) throw Error(Code::kCancelled, "interrupted");
  }

  void add_placed_before(const std::string* path) {
    for (; next_placed_ < placed_.size(); ++next_placed_) {
      const PlacedFile& placed = *placed_[next_placed_];
      if (path != nullptr && compare_paths(placed.stored_path, *path) > 0) return;
      struct stat status {};
      if (::lstat(placed.file.c_str(), &status) == 0) {
        add(placed.file, placed.stored_path, status);
      } else {
        warnings_.add(system_error(errno, "cannot stat " + printable(placed.file)).message());
      }
    }
  }

  // `file` begins with '/'.
  void add(const std::string& file, const std::string& stored_path, const struct stat& status) {
    check_stop();
    if (stored_path.empty() || add_link(stored_path, status)) return;
    if (S_ISREG(status.st_mode)) return add_file(file, stored_path, status);
    std::optional<Entry> entry;
    try {
      entry = entry_of(stored_path, status, names_);
      if (!entry) {
        ++tally_.sockets;
        return;
      }
      if (entry->type == EntryType::kSymlink) entry->link_target = read_symlink(file.substr(1));
      entry->xattrs = read_xattrs(file.substr(1), -1);
    } catch (const Error& error) {
      return warnings_.add(printable(file) + ": " + error.message());
    }
    begin(*entry);
    if (!S_ISDIR(status.st_mode)) note_first_name(stored_path, status);
  }

  void note_first_name(const std::string& stored_path, const struct stat& status) {
    if (status.st_nlink > 1) first_names_.try_emplace(inode_of(status), stored_path);
  }

  // True when the file is in the archive already, under another name.
  bool add_link(const std::string& stored_path, const struct stat& status) {
    if (S_ISDIR(status.st_mode) || status.st_nlink < 2) return false;
    const auto first = first_names_.find(inode_of(status));
    if (first == first_names_.end()) return false;
    Entry entry = entry_of(stored_path, status, names_).value();
    entry.type = EntryType::kHardlink;
    entry.link_target = first->second;
    begin(entry);
    return true;
  }

  static std::string inode_of(const struct stat& status) {
    return std::to_string(status.st_dev) + ":" + std::to_string(status.st_ino);
  }

  // What is thrown behind it is the sink's or a stop, and ends the archive.
  void begin(const Entry& entry) {
    tar_.begin(entry);
    ++tally_.entries;
  }

  void add_file(const std::string& file, const std::string& stored_path,
                const struct stat& walked) {
    Fd fd;
    Entry entry;
    struct stat before {};
    try {
      fd = open_source(file.substr(1), O_RDONLY | O_NOCTTY);
      before = status_of(fd.get(), file);
      if (!S_ISREG(before.st_mode)) throw Error(Code::kNotFound, "is no longer a file");
      entry = entry_of(stored_path, before, names_).value();
      entry.xattrs = read_xattrs(file.substr(1), fd.get());
      find_holes(fd.get(), before, entry);
    } catch (const Error& error) {
      return warnings_.add(printable(file) + ": " + error.message());
    }
    begin(entry);
    note_first_name(stored_path, walked);
    if (!entry.sparse) entry.extents = {{0, entry.size}};
    std::string problem;
    for (const Extent& extent : entry.extents) copy(fd.get(), file, extent, problem);
    if (problem.empty() && stamp_of(before) != stamp_of(status_of(fd.get(), file))) {
      problem = "changed while it was read";
    }
    if (!problem.empty()) warnings_.add(printable(file) + ": " + problem);
  }

  static void find_holes(int fd, const struct stat& status, Entry& entry) {
    auto found = data_extents(fd, status);
    if (!found) return;
    entry.sparse = true;
    entry.extents = std::move(*found);
  }

  // As many bytes as the archive was told, whatever has become of the file.
  void copy(int fd, const std::string& file, const Extent& extent, std::string& problem) {
    for (std::uint64_t done = 0; done < extent.length;) {
      check_stop();
      const auto want =
          static_cast<std::size_t>(std::min<std::uint64_t>(buffer_.size(), extent.length - done));
      const MutableBytes out = MutableBytes(buffer_).first(want);
      std::size_t got = 0;
      if (problem.empty()) {
        try {
          got = pread_full(fd, out, extent.offset + done, file);
          if (got < want) problem = "became shorter while it was read: what is missing is zeros";
        } catch (const Error& error) {
          problem = error.message() + ": what is missing is zeros";
        }
      }
      std::fill(out.begin() + static_cast<std::ptrdiff_t>(got), out.end(), std::uint8_t{0});
      tar_.content(out);
      tally_.bytes += want;
      done += want;
    }
  }

  const BackupJob& job_;
  TarTally& tally_;
  Warnings& warnings_;
  std::stop_token stop_;
  TarWriter tar_;
  Bytes buffer_;
  OwnerNames names_;
  std::vector<const PlacedFile*> placed_;
  std::size_t next_placed_ = 0;
  std::unordered_map<std::string, std::string> first_names_;
};

}  // namespace

void write_tar_of(const BackupJob& job, const ByteSink& sink, TarTally& tally, Warnings& warnings,
                  std::stop_token stop) {
  FileTar(job, sink, tally, warnings, std::move(stop)).run();
}

}  // namespace holdfast
