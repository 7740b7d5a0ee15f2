// What the last backup of a source saw of each file, so that unchanged files are not read again.
// A cache: without it a backup reads everything and stores nothing new.
#pragma once

#include <sys/stat.h>

#include <optional>
#include <string>
#include <vector>

#include "codec/hash.h"
#include "os/file.h"
#include "vault/ids.h"

namespace holdfast {

// Tells whether a file is the one that was read before: content and metadata alike, since every
// change of either moves the ctime.
struct FileStamp {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  std::uint64_t size = 0;
  std::int64_t mtime_ns = 0;
  std::int64_t ctime_ns = 0;
  bool operator==(const FileStamp&) const = default;
};
FileStamp stamp_of(const struct stat& status);

// A change within the same tick of the file system's clock leaves no trace in the stamp: what
// changed less than this before it was read is read again the next time.
bool stamp_is_settled(const FileStamp& stamp, std::int64_t now_ns);

struct CachedFile {
  FileStamp stamp;
  std::string_view path;
  ByteView entry;  // as encode_entry made it
  ByteView refs;   // kRefSize bytes each
};

// Reads a cache in the order it was written, which is the order of compare_paths.
class FileCacheReader {
 public:
  // A missing, damaged or foreign file reads as empty.
  FileCacheReader(const std::string& file, ByteView vault_id);
  // The record for `path`, skipping those before it. Paths must be asked for in ascending order.
  // Views live as long as the reader.
  std::optional<CachedFile> find(std::string_view path);

 private:
  std::optional<CachedFile> next();

  MappedFile file_;
  ByteView records_;
  std::size_t at_ = 0;
  std::optional<CachedFile> current_;
};

// Writes the next cache beside the old one and replaces it at commit().
class FileCacheWriter {
 public:
  // An empty `file` writes nothing. So does one that cannot be written: it is only a cache.
  FileCacheWriter(const std::string& file, ByteView vault_id);
  ~FileCacheWriter();
  void add(const FileStamp& stamp, std::string_view path, ByteView entry,
           const std::vector<Ref>& refs);
  void commit();

 private:
  void write_out();

  std::string file_;
  std::string temporary_;
  Fd fd_;
  Bytes buffer_;
  Sha256 hash_;
};

}  // namespace holdfast
