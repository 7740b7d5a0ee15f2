#include "protect/file_reader.h"

#include <fcntl.h>

#include <algorithm>

#include "base/error.h"
#include "base/human.h"
#include "protect/file_cache.h"
#include "protect/tree_stream.h"
#include "source/files/open_source.h"

namespace holdfast {
namespace {

constexpr int kAttempts = 3;
constexpr std::uint64_t kToTheEnd = ~std::uint64_t{0};

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

// Fills `out` from where `next` and the extents say; less than all only at the end of the content.
std::size_t fill(int fd, const std::string& file, std::vector<Extent>& extents, std::size_t& next,
                 MutableBytes out) {
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

}  // namespace

FileReader::FileReader(WriteSession& session, const BackupJob& job, BackupProgress& progress,
                       Warnings& warnings, std::stop_token stop)
    : session_(session),
      job_(job),
      progress_(progress),
      warnings_(warnings),
      stop_(std::move(stop)),
      writer_(session, ChunkKind::kData) {}

std::optional<ReadObject> FileReader::read(const PlacedFile& placed, const struct stat& status) {
  const std::string& file = placed.file;
  try {
    auto entry = metadata(placed.stored_path, status);
    if (!entry) {
      // A socket belongs to the program that listens on it; there is nothing to bring back.
      return std::nullopt;
    }
    ReadObject object{std::move(*entry), {}, status};
    if (object.entry.type == EntryType::kFile) {
      if (!read_content(placed, object)) return std::nullopt;
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
    if (placed.rules.live) {
      const bool may_be_gone = !placed.rules.required;
      if (error.code() == Code::kNotFound && may_be_gone) return std::nullopt;  // a dropped table
      throw;  // a database with a file less is no database
    }
    warnings_.add(printable(file) + ": " + error.message());
    return std::nullopt;
  }
}

ReadObject FileReader::read(const StreamedFile& stream, Timestamp now) {
  ReadObject object;
  object.entry.path = stream.stored_path;
  object.entry.mode = stream.mode;
  object.entry.mtime_ns = now.time_since_epoch().count();
  const ContentReader reader = stream.open();
  const Source source = [&](MutableBytes out) {
    std::size_t done = 0;
    while (done < out.size()) {
      const std::size_t got = reader(out.subspan(done));
      if (got == 0) break;
      done += got;
    }
    return done;
  };
  object.entry.size = store(source, object.chunks);
  return object;
}

std::vector<ReadObject> FileReader::read(const StreamedTree& tree, Timestamp now) {
  const auto meter = [this](std::size_t bytes) {
    progress_.bytes_read += bytes;
    progress_.bytes += bytes;
    if (stop_.stop_requested()) throw Error(Code::kCancelled, "interrupted");
  };
  TreeCollector collector(session_, writer_, now, meter, [this](std::uint64_t bytes) {
    progress_.found_bytes += bytes;
    progress_.walked = true;
  });
  tree.produce(collector);
  return collector.take();
}

bool FileReader::read_content(const PlacedFile& placed, ReadObject& object) {
  const std::string& file = placed.file;
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
    // Offsets in a live file must stay what they are for who inspects them.
    if (!placed.rules.live) {
      if (auto found = data_extents(fd.get(), before)) {
        extents = std::move(*found);
        object.entry.sparse = true;
      }
    }
    bool sound = true;
    const std::uint64_t length = store_file(fd.get(), placed, extents, object.chunks, sound);
    const struct stat after = status_of(fd.get(), file);
    const bool stable = stamp_of(before) == stamp_of(after);
    if (!stable && !placed.rules.live && attempt < kAttempts) continue;
    if (object.entry.sparse) {
      if (length < total(extents)) truncate(extents, length);
      object.entry.extents = std::move(extents);
    } else {
      object.entry.size = length;
    }
    object.stable = stable && sound;
    if (!stable && !placed.rules.live) {
      object.entry.unstable = true;
      warnings_.add(printable(file) + ": kept changing while it was read");
    }
    return true;
  }
}

std::uint64_t FileReader::store_file(int fd, const PlacedFile& placed, std::vector<Extent> extents,
                                     std::vector<Ref>& chunks, bool& sound) {
  std::size_t next = 0;
  std::uint64_t offset = 0;
  const Source source = [&](MutableBytes out) {
    const std::size_t got = fill(fd, placed.file, extents, next, out);
    if (job_.inspect && !job_.inspect(placed, offset, out.first(got))) sound = false;
    offset += got;
    return got;
  };
  const std::uint32_t fixed_chunk = placed.rules.fixed_chunk;
  return fixed_chunk > 0 ? store_fixed(source, fixed_chunk, chunks) : store(source, chunks);
}

void FileReader::count(std::size_t bytes) {
  progress_.bytes_read += bytes;
  if (stop_.stop_requested()) throw Error(Code::kCancelled, "interrupted");
}

// Reads to where it is compressed; as much as a processor's cache holds while it is looked at.
std::uint64_t FileReader::store_fixed(const Source& source, std::uint32_t fixed_chunk,
                                      std::vector<Ref>& chunks) {
  if (fixed_chunk > ChunkWriter::kRoom) throw Error(Code::kInternal, "a fixed chunk is too long");
  const std::size_t most =
      std::min<std::size_t>(ChunkWriter::kRoom, session_.vault().parameters().frame_bytes);
  const std::size_t batch = std::max<std::size_t>(most / fixed_chunk, 1) * fixed_chunk;
  std::uint64_t length = 0;
  std::vector<ByteView> cut;
  for (bool more = true; more;) {
    const MutableBytes all = writer_.room().first(batch);
    const std::size_t got = source(all);
    more = got == all.size();
    count(got);
    cut.clear();
    for (std::size_t at = 0; at < got; at += fixed_chunk) {
      cut.push_back(all.subspan(at, std::min<std::size_t>(fixed_chunk, got - at)));
    }
    writer_.add(cut, chunks);
    length += got;
  }
  return length;
}

std::uint64_t FileReader::store(const Source& source, std::vector<Ref>& chunks) {
  const Chunker& chunker = session_.vault().chunker();
  const std::size_t maximum = chunker.sizes().maximum;
  buffer_.resize(2 * maximum);
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
    const std::size_t got = source(all.subspan(end));
    more = got == all.size() - end;
    end += got;
    count(got);
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
