#include "protect/tar_writer.h"

#include <locale.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <cerrno>
#include <exception>
#include <utility>

#include "base/error.h"
#include "protect/libarchive.h"

namespace holdfast {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;

// The library reads names by the locale of the thread, and there is none with plain bytes. Names
// that are not UTF-8 it writes as they are.
class Utf8Names {
 public:
  Utf8Names() : before_(::uselocale(locale())) {}
  Utf8Names(const Utf8Names&) = delete;
  Utf8Names& operator=(const Utf8Names&) = delete;
  ~Utf8Names() { ::uselocale(before_); }

 private:
  static locale_t locale() {
    static const locale_t utf8 = ::newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr);
    if (utf8 == nullptr) {
      throw Error(Code::kUnsupported, "this system has no locale C.UTF-8",
                  "install the locales of the C library (Debian: libc-bin)");
    }
    return utf8;
  }

  locale_t before_;
};

struct FreeEntry {
  void operator()(archive_entry* entry) const { archive_entry_free(entry); }
};

mode_t type_of(EntryType type) {
  switch (type) {
    case EntryType::kFile:
    case EntryType::kHardlink:
      return S_IFREG;
    case EntryType::kDirectory:
      return S_IFDIR;
    case EntryType::kSymlink:
      return S_IFLNK;
    case EntryType::kFifo:
      return S_IFIFO;
    case EntryType::kCharDevice:
      return S_IFCHR;
    case EntryType::kBlockDevice:
      return S_IFBLK;
  }
  throw Error(Code::kInternal, "unknown type of an entry");
}

// The library writes seconds, a dot and nanoseconds, and readers take that as one decimal number:
// of times before 1970 both parts are to be negative. Between -1 and 0 it has no sign to write.
void set_time(archive_entry* out, std::int64_t mtime_ns) {
  const bool lost = mtime_ns < 0 && mtime_ns > -kSecond;
  const std::int64_t rest = lost ? 0 : mtime_ns % kSecond;
  archive_entry_set_mtime(out, mtime_ns / kSecond, static_cast<long>(rest < 0 ? -rest : rest));
}

void set_metadata(archive_entry* out, const Entry& entry) {
  archive_entry_set_pathname(out, entry.path.c_str());
  archive_entry_set_mode(out, type_of(entry.type) | static_cast<mode_t>(entry.mode & 07777));
  archive_entry_set_uid(out, entry.uid);
  archive_entry_set_gid(out, entry.gid);
  if (!entry.user.empty()) archive_entry_set_uname(out, entry.user.c_str());
  if (!entry.group.empty()) archive_entry_set_gname(out, entry.group.c_str());
  set_time(out, entry.mtime_ns);
  for (const Xattr& xattr : entry.xattrs) {
    archive_entry_xattr_add_entry(out, xattr.name.c_str(), xattr.value.data(), xattr.value.size());
  }
}

void set_kind(archive_entry* out, const Entry& entry) {
  archive_entry_set_size(out, 0);
  switch (entry.type) {
    case EntryType::kFile:
      archive_entry_set_size(out, static_cast<la_int64_t>(entry.size));
      if (!entry.sparse) break;
      for (const Extent& extent : entry.extents) {
        archive_entry_sparse_add_entry(out, static_cast<la_int64_t>(extent.offset),
                                       static_cast<la_int64_t>(extent.length));
      }
      // Without any data it would not count as sparse.
      if (entry.extents.empty() && entry.size > 0) {
        archive_entry_sparse_add_entry(out, static_cast<la_int64_t>(entry.size), 0);
      }
      break;
    case EntryType::kHardlink:
      archive_entry_set_hardlink(out, entry.link_target.c_str());
      break;
    case EntryType::kSymlink:
      archive_entry_set_symlink(out, entry.link_target.c_str());
      break;
    case EntryType::kCharDevice:
    case EntryType::kBlockDevice:
      archive_entry_set_rdev(out, static_cast<dev_t>(entry.device));
      break;
    case EntryType::kDirectory:
    case EntryType::kFifo:
      break;
  }
}

}  // namespace

// The library's archive, and the way from its callbacks to a sink that may throw.
class TarWriter::Archive {
 public:
  explicit Archive(ByteSink sink) : sink_(std::move(sink)), archive_(archive_write_new()) {
    if (archive_ == nullptr) throw Error(Code::kExhausted, "out of memory");
    check(archive_write_set_format_pax(archive_));
    check(archive_write_set_options(archive_, "pax:xattrheader=SCHILY"));
    check(archive_write_set_bytes_per_block(archive_, 0));
    check(archive_write_open(archive_, this, nullptr, &Archive::take, nullptr));
  }
  Archive(const Archive&) = delete;
  Archive& operator=(const Archive&) = delete;
  ~Archive() {
    // Else it would write the end of the archive now.
    if (!closed_) archive_write_fail(archive_);
    archive_write_free(archive_);
  }

  void header(const Entry& entry) {
    const Utf8Names names;
    const std::unique_ptr<archive_entry, FreeEntry> out(archive_entry_new());
    if (!out) throw Error(Code::kExhausted, "out of memory");
    set_metadata(out.get(), entry);
    set_kind(out.get(), entry);
    check(archive_write_header(archive_, out.get()));
  }
  void data(ByteView bytes) {
    while (!bytes.empty()) {
      const la_ssize_t taken = archive_write_data(archive_, bytes.data(), bytes.size());
      if (taken <= 0) check(ARCHIVE_FATAL);
      bytes = bytes.subspan(static_cast<std::size_t>(taken));
    }
  }
  void end_entry() { check(archive_write_finish_entry(archive_)); }
  void close() {
    check(archive_write_close(archive_));
    closed_ = true;
  }

 private:
  static la_ssize_t take(archive* a, void* self, const void* data, std::size_t size) {
    auto& archive = *static_cast<Archive*>(self);
    try {
      archive.sink_({static_cast<const std::uint8_t*>(data), size});
      return static_cast<la_ssize_t>(size);
    } catch (...) {
      archive.failure_ = std::current_exception();
      archive_set_error(a, EIO, "the sink failed");
      return -1;
    }
  }

  // A warning is for names that are not UTF-8, which are written as bytes.
  void check(int result) {
    if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
    if (result == ARCHIVE_OK || result == ARCHIVE_WARN) return;
    const char* why = archive_error_string(archive_);
    throw Error(Code::kInternal, std::string("libarchive: ") + (why != nullptr ? why : "failed"));
  }

  const ByteSink sink_;
  archive* const archive_;
  std::exception_ptr failure_;
  bool closed_ = false;
};

TarWriter::TarWriter(ByteSink sink) : archive_(std::make_unique<Archive>(std::move(sink))) {}

TarWriter::~TarWriter() = default;

void TarWriter::begin(const Entry& entry) {
  end_entry();
  archive_->header(entry);
  content_.begin(entry);
  open_ = true;
}

// Holes are given as zeros, which the library counts and leaves out.
void TarWriter::content(ByteView data) {
  content_.add(data, [this](ByteView bytes) { archive_->data(bytes); });
}

void TarWriter::end_entry() {
  if (!open_) return;
  content_.end([this](ByteView bytes) { archive_->data(bytes); });
  archive_->end_entry();
  open_ = false;
}

void TarWriter::finish() {
  end_entry();
  archive_->close();
}

}  // namespace holdfast
