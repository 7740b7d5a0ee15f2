#include "protect/file_cache.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/error.h"
#include "base/path.h"

namespace holdfast {
namespace {

constexpr std::string_view kMagic = "HFCACHE1";
constexpr std::size_t kHeadSize = 8 + 16;
constexpr std::size_t kTailSize = 32;
constexpr std::size_t kWriteSize = 1u << 20;

std::int64_t nanoseconds(const timespec& time) {
  return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

}  // namespace

FileStamp stamp_of(const struct stat& status) {
  return {status.st_dev, status.st_ino, static_cast<std::uint64_t>(status.st_size),
          nanoseconds(status.st_mtim), nanoseconds(status.st_ctim)};
}

bool stamp_is_settled(const FileStamp& stamp, std::int64_t now_ns) {
  constexpr std::int64_t kFine = 100'000'000;      // several ticks of the slowest kernel clock
  constexpr std::int64_t kCoarse = 3'000'000'000;  // file systems that count in (two) seconds
  const bool coarse = stamp.ctime_ns % 1'000'000'000 == 0;
  return now_ns - stamp.ctime_ns > (coarse ? kCoarse : kFine);
}

FileCacheReader::FileCacheReader(const std::string& file, ByteView vault_id) {
  if (file.empty()) return;
  try {
    file_ = MappedFile(file);
  } catch (const Error&) {
    return;
  }
  const ByteView all = file_.view();
  if (all.size() < kHeadSize + kTailSize || as_text(all.first(8)) != kMagic ||
      !equal_constant_time(all.subspan(8, 16), vault_id)) {
    return;
  }
  const ByteView body = all.first(all.size() - kTailSize);
  if (equal_constant_time(sha256(body), all.last(kTailSize))) records_ = body.subspan(kHeadSize);
}

std::optional<CachedFile> FileCacheReader::next() {
  if (at_ >= records_.size()) return std::nullopt;
  WireReader in(records_.subspan(at_));
  CachedFile file;
  file.path = in.string();
  file.stamp.device = in.varint();
  file.stamp.inode = in.varint();
  file.stamp.size = in.varint();
  file.stamp.mtime_ns = in.signed_varint();
  file.stamp.ctime_ns = in.signed_varint();
  file.entry = as_bytes(in.string());
  file.refs = as_bytes(in.string());
  at_ += in.position();
  return file;
}

std::optional<CachedFile> FileCacheReader::find(std::string_view path) {
  for (;;) {
    if (!current_) current_ = next();
    if (!current_) return std::nullopt;
    const auto order = compare_paths(current_->path, path);
    if (order > 0) return std::nullopt;
    if (order == 0) return std::exchange(current_, std::nullopt);
    current_.reset();
  }
}

FileCacheWriter::FileCacheWriter(const std::string& file, ByteView vault_id) : file_(file) {
  if (file_.empty()) return;
  temporary_ = file_ + ".tmp-" + std::to_string(::getpid());
  try {
    const auto slash = file_.find_last_of('/');
    if (slash != std::string::npos) make_directories(file_.substr(0, slash), 0700);
    fd_ = open_file(temporary_, O_WRONLY | O_CREAT | O_TRUNC, 0600);
  } catch (const Error&) {
    return;
  }
  append(buffer_, as_bytes(kMagic));
  append(buffer_, vault_id);
}

FileCacheWriter::~FileCacheWriter() {
  if (fd_.valid()) ::unlink(temporary_.c_str());
}

void FileCacheWriter::add(const FileStamp& stamp, std::string_view path, ByteView entry,
                          const std::vector<Ref>& refs) {
  if (!fd_.valid()) return;
  WireWriter out(buffer_);
  out.string(path);
  out.varint(stamp.device);
  out.varint(stamp.inode);
  out.varint(stamp.size);
  out.signed_varint(stamp.mtime_ns);
  out.signed_varint(stamp.ctime_ns);
  out.string(as_text(entry));
  out.varint(refs.size() * kRefSize);
  for (const Ref& ref : refs) write_ref(out, ref);
  if (buffer_.size() >= kWriteSize) write_out();
}

void FileCacheWriter::write_out() {
  try {
    hash_.update(buffer_);
    write_full(fd_.get(), buffer_, temporary_);
  } catch (const Error&) {
    ::unlink(temporary_.c_str());
    fd_.reset();
  }
  buffer_.clear();
}

void FileCacheWriter::commit() {
  if (!fd_.valid()) return;
  hash_.update(buffer_);
  const Digest digest = hash_.finish();
  append(buffer_, digest);
  try {
    write_full(fd_.get(), buffer_, temporary_);
    ::rename(temporary_.c_str(), file_.c_str());
  } catch (const Error&) {
    ::unlink(temporary_.c_str());
  }
  fd_.reset();
}

}  // namespace holdfast
