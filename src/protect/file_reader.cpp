#include "protect/file_reader.h"

#include <fcntl.h>

#include <algorithm>

#include "base/error.h"
#include "base/human.h"
#include "protect/file_cache.h"
#include "source/files/open_source.h"

namespace holdfast {
namespace {

constexpr int kAttempts = 3;
constexpr std::size_t kMaxExtents = 100'000;
constexpr std::uint64_t kToTheEnd = ~std::uint64_t{0};

struct stat status_of(int fd, const std::string& file) {
  struct stat status {};
  if (::fstat(fd, &status) != 0) throw system_error(errno, "cannot stat " + file);
  return status;
}

std::uint64_t total(const std::vector<Extent>& extents) {
  std::uint64_t sum = 0;
  for (const Extent& extent : extents) sum += extent.length;
  return sum;
}

// Shortens `extents` to their first `length` bytes: of a file that shrank while it was read.
void truncate(std::vector<Extent>& extents, std::uint64_t length) {
  std::size_t kept = 0;
  for (; kept < extents.size() && length > 0; ++kept) {
    extents[kept].length = std::min(extents[kept].length, length);
    length -= extents[kept].length;
  }
  extents.resize(kept);
}

bool may_be_sparse(const struct stat& status) {
  return static_cast<std::uint64_t>(status.st_blocks) * 512 <
         static_cast<std::uint64_t>(status.st_size);
}

}  // namespace

FileReader::FileReader(WriteSession& session, BackupProgress& progress, Warnings& warnings,
                       std::stop_token stop)
    : session_(session),
      progress_(progress),
      warnings_(warnings),
      stop_(std::move(stop)),
      writer_(session, ChunkKind::kData),
      buffer_(2 * std::size_t{session.vault().parameters().chunks.maximum}) {}

std::optional<ReadObject> FileReader::read(const std::string& file, const std::string& stored_path,
                                           const struct stat& status) {
  try {
    auto entry = metadata(stored_path, status);
    if (!entry) {
      // A socket belongs to the program that listens on it; there is nothing to bring back.
      return std::nullopt;
    }
    ReadObject object{std::move(*entry), {}, status};
    if (object.entry.type == EntryType::kFile) {
      if (!read_content(file, object)) return std::nullopt;
    } else {
      if (object.entry.type == EntryType::kSymlink) {
        object.entry.link_target = read_symlink(file.substr(1));
      }
      object.entry.xattrs = read_xattrs(file.substr(1), -1);
    }
    return object;
  } catch (const Error& error) {
    if (error.code() == Code::kCancelled) throw;
    if (session_.failed()) throw;
    warnings_.add(printable(file) + ": " + error.message());
    return std::nullopt;
  }
}

bool FileReader::read_content(const std::string& file, ReadObject& object) {
  for (int attempt = 1;; ++attempt) {
    const Fd fd = open_source(file.substr(1), O_RDONLY | O_NOCTTY);
    const struct stat before = status_of(fd.get(), file);
    if (!S_ISREG(before.st_mode)) {
      warnings_.add(printable(file) + ": is no longer a file");
      return false;
    }
    object.entry = metadata(object.entry.path, before).value();
    object.status = before;
    object.chunks.clear();
    object.entry.xattrs = read_xattrs(file.substr(1), fd.get());
    std::vector<Extent> extents{{0, kToTheEnd}};
    if (may_be_sparse(before)) {
      auto found = data_extents(fd.get(), before);
      // A file with more holes than its entry has room for is stored whole: zeros compress well.
      if (found && found->size() <= kMaxExtents) {
        extents = std::move(*found);
        object.entry.sparse = true;
      }
    }
    const std::uint64_t length = store(fd.get(), file, extents, object.chunks);
    const struct stat after = status_of(fd.get(), file);
    const bool stable = stamp_of(before) == stamp_of(after);
    if (!stable && attempt < kAttempts) continue;
    if (object.entry.sparse) {
      if (length < total(extents)) truncate(extents, length);
      object.entry.extents = std::move(extents);
    } else {
      object.entry.size = length;
    }
    object.entry.unstable = !stable;
    if (!stable) warnings_.add(printable(file) + ": kept changing while it was read");
    return true;
  }
}

// Fills `out` from where `next` and the extents say; less than all only at the end of the content.
std::size_t FileReader::fill(int fd, const std::string& file, std::vector<Extent>& extents,
                             std::size_t& next, MutableBytes out) {
  std::size_t done = 0;
  while (done < out.size() && next < extents.size()) {
    Extent& left = extents[next];
    const std::size_t want =
        static_cast<std::size_t>(std::min<std::uint64_t>(out.size() - done, left.length));
    const std::size_t got = pread_full(fd, out.subspan(done, want), left.offset, file);
    done += got;
    left.offset += got;
    if (left.length != kToTheEnd) left.length -= got;
    if (got < want) {
      next = extents.size();  // the end of the file
    } else if (left.length == 0) {
      ++next;
    }
  }
  return done;
}

std::uint64_t FileReader::store(int fd, const std::string& file, std::vector<Extent>& extents,
                                std::vector<Ref>& chunks) {
  const Chunker& chunker = session_.vault().chunker();
  const std::size_t maximum = chunker.sizes().maximum;
  std::vector<Extent> left = extents;
  std::size_t next = 0;
  std::size_t begin = 0;
  std::size_t end = 0;
  std::uint64_t length = 0;
  std::vector<ByteView> cut;
  for (bool more = true; more;) {
    const MutableBytes all(buffer_);
    std::copy(all.begin() + static_cast<std::ptrdiff_t>(begin),
              all.begin() + static_cast<std::ptrdiff_t>(end), all.begin());
    end -= begin;
    begin = 0;
    const std::size_t got = fill(fd, file, left, next, all.subspan(end));
    more = got == all.size() - end;
    end += got;
    progress_.bytes_read += got;
    if (stop_.stop_requested()) throw Error(Code::kCancelled, "interrupted");
    // What is less than the longest chunk waits for more, unless there is no more.
    cut.clear();
    while (begin < end && (!more || end - begin >= maximum)) {
      const std::size_t size = chunker.cut(all.subspan(begin, end - begin));
      cut.push_back(all.subspan(begin, size));
      begin += size;
    }
    writer_.add(cut, chunks);
    length += begin;
  }
  return length;
}

}  // namespace holdfast
