// From one file-system object to its entry and chunks.
#pragma once

#include <sys/stat.h>

#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "protect/backup.h"
#include "source/files/metadata.h"
#include "vault/write_session.h"

namespace holdfast {

struct ReadObject {
  Entry entry;
  std::vector<Ref> chunks;
  struct stat status {};  // of the file as it was read
};

// Reads objects and stores their content. One per thread.
class FileReader {
 public:
  FileReader(WriteSession& session, BackupProgress& progress, Warnings& warnings,
             std::stop_token stop);

  // Reads `file` ("/..."), which the backup will know as `stored_path`. Nothing, and a warning,
  // when it vanished or cannot be read; nothing at all for sockets. A file that changes while it is
  // read is read again; one that never stands still is kept as last read, marked, with a warning.
  std::optional<ReadObject> read(const std::string& file, const std::string& stored_path,
                                 const struct stat& status);
  // What stat knows; nothing for sockets.
  std::optional<Entry> metadata(const std::string& stored_path, const struct stat& status) {
    return entry_of(stored_path, status, names_);
  }
  void flush() { writer_.flush(); }

 private:
  bool read_content(const std::string& file, ReadObject& object);
  std::uint64_t store(int fd, const std::string& file, std::vector<Extent>& extents,
                      std::vector<Ref>& chunks);
  std::size_t fill(int fd, const std::string& file, std::vector<Extent>& extents, std::size_t& next,
                   MutableBytes out);

  WriteSession& session_;
  BackupProgress& progress_;
  Warnings& warnings_;
  std::stop_token stop_;
  ChunkWriter writer_;
  OwnerNames names_;
  Bytes buffer_;
};

}  // namespace holdfast
