// From one file-system object to its entry and chunks.
#pragma once

#include <sys/stat.h>

#include <functional>
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
  bool stable = true;     // it did not change meanwhile, and nothing was wrong with it
};

// Reads objects and stores their content. One per thread.
class FileReader {
 public:
  FileReader(WriteSession& session, const BackupJob& job, BackupProgress& progress,
             Warnings& warnings, std::stop_token stop);

  // Reads `placed.file` ("/..."). Nothing, and a warning, when it vanished or cannot be read;
  // nothing at all for sockets. A file that changes while it is read is read again; one that never
  // stands still is kept as last read, marked, with a warning; live files: see ReadRules.
  std::optional<ReadObject> read(const PlacedFile& placed, const struct stat& status);
  // Stores what `stream` gives. Throws what it throws.
  ReadObject read(const StreamedFile& stream, Timestamp now);
  // The same for many files, in the order of the tree.
  std::vector<ReadObject> read(const StreamedTree& tree, Timestamp now);
  // What stat knows; nothing for sockets.
  std::optional<Entry> metadata(const std::string& stored_path, const struct stat& status) {
    return entry_of(stored_path, status, names_);
  }
  void flush() { writer_.flush(); }

 private:
  // Fills what it can; less than all only at the end of the content.
  using Source = std::function<std::size_t(MutableBytes out)>;

  bool read_content(const PlacedFile& placed, ReadObject& object);
  std::uint64_t store_file(int fd, const PlacedFile& placed, std::vector<Extent> extents,
                           std::vector<Ref>& chunks, bool& sound);
  std::uint64_t store(const Source& source, std::vector<Ref>& chunks);
  std::uint64_t store_fixed(const Source& source, std::uint32_t fixed_chunk,
                            std::vector<Ref>& chunks);
  void count(std::size_t bytes);

  WriteSession& session_;
  const BackupJob& job_;
  BackupProgress& progress_;
  Warnings& warnings_;
  std::stop_token stop_;
  ChunkWriter writer_;
  OwnerNames names_;
  Bytes buffer_;
};

}  // namespace holdfast
