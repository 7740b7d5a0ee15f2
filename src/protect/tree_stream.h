// From many files out of one producer to entries and chunks.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "protect/backup.h"
#include "protect/file_reader.h"

namespace holdfast {

// Stores what it is given at once, and keeps the entries until the end, when their order is known.
// One thread.
class TreeCollector final : public FileSink {
 public:
  // Called with the bytes of each piece, before it is stored; may throw.
  using Meter = std::function<void(std::size_t bytes)>;
  // Told about how much there will be.
  using Expectation = std::function<void(std::uint64_t bytes)>;

  TreeCollector(const WriteSession& session, ChunkWriter& writer, Timestamp now, Meter meter,
                Expectation expectation);

  void open(const std::string& stored_path, const FileStyle& style) override;
  void write(const std::string& stored_path, ByteView content) override;
  void close(const std::string& stored_path) override;
  void directory(const std::string& stored_path, const FileStyle& style) override;
  void expect(std::uint64_t bytes) override { expectation_(bytes); }

  // All files, and the directories that they need, in the order of the tree. Throws Error(kInvalid)
  // when a file is open still.
  std::vector<ReadObject> take();

 private:
  struct Open {
    ReadObject object;
    std::uint32_t fixed_chunk = 0;
    Bytes waiting;  // for the end of its chunk
  };

  Open& find(const std::string& stored_path);
  void store(Open& file, bool at_end);
  void add_directories(const std::string& stored_path);
  ReadObject object_of(const std::string& stored_path, EntryType type,
                       const FileStyle& style) const;

  const WriteSession& session_;
  ChunkWriter& writer_;
  const Timestamp now_;
  const Meter meter_;
  const Expectation expectation_;
  std::map<std::string, Open> open_;
  std::map<std::string, ReadObject> done_;
};

}  // namespace holdfast
