// Chunks of the binary log's files, as they are stored, and what a recovery must know of each
// without reading it.
#pragma once

#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "source/mariadb/binlog_file.h"
#include "source/mariadb/binlog_index.h"
#include "source/mariadb/engine.h"

namespace holdfast {

// A file is cut at multiples of this, wherever its events end.
inline constexpr std::uint32_t kBinlogChunk = std::uint32_t{16} << 20;

// "binlog.000002": the names of one log differ in their number, which may have more digits.
struct BinlogName {
  std::string base;  // "binlog"
  std::uint64_t number = 0;
  auto operator<=>(const BinlogName&) const = default;
};
std::optional<BinlogName> parse_binlog_name(std::string_view file);

// "binlog.000002.0000001F"
std::string binlog_chunk_name(const std::string& file, std::uint32_t chunk);
struct BinlogChunkName {
  std::string file;
  std::uint32_t chunk = 0;
};
std::optional<BinlogChunkName> parse_binlog_chunk_name(std::string_view name);

// What one chunk has, or its beginning.
struct BinlogChunkFacts {
  std::string file;
  std::uint64_t begin = 0;  // in the file, of the chunk
  std::uint64_t end = 0;    // ... of what there is of it
  MariadbEngine engine = MariadbEngine::kMariadb;
  std::string system;              // server_uid, of MySQL server_uuid; may be empty
  std::string server_version;      // "10.11.19-MariaDB-log"; empty when the format is not here
  std::uint32_t created = 0;       // when the file began: the time of its first event, seconds
  std::uint32_t server = 0;        // the server's id, of the same event
  BinlogState from;                // at the last place between two events at or before `begin`
  BinlogState to;                  // ... at or before `end`
  GtidPosition before;             // before its first transaction
  std::uint64_t transactions = 0;  // that end in it
  std::optional<BinlogTransaction> first;
  std::optional<BinlogTransaction> last;
  std::uint32_t latest = 0;  // the greatest time of a transaction, which need not be the last one's
  bool closed = false;       // the server has ended the file here
  bool operator==(const BinlogChunkFacts&) const = default;
};

// Readers of a later version may find more members; unknown ones are ignored. from_json throws
// Error(kCorrupt).
nlohmann::json binlog_facts_to_json(const BinlogChunkFacts& facts);
BinlogChunkFacts binlog_facts_from_json(const nlohmann::json& json);

// Reads a file from its start or from a state on, in pieces of any size, verifies it as
// BinlogFileReader does, and tells of events and of the transactions that they complete.
class BinlogFollower {
 public:
  using Handler = std::function<void(const BinlogEvent& event,
                                     const std::optional<BinlogTransaction>& completed)>;
  explicit BinlogFollower(const BinlogState& state = {});
  BinlogFollower(const BinlogFollower&) = delete;
  BinlogFollower& operator=(const BinlogFollower&) = delete;

  void feed(ByteView bytes, const Handler& handler);
  // Between two events.
  BinlogState state() const;
  bool closed() const { return reader_.closed(); }
  // What the format said; without it, of a state that was given, only the checksums.
  const std::optional<BinlogFormat>& format() const { return reader_.format(); }

 private:
  BinlogTracker tracker_;
  const Handler* handler_ = nullptr;
  BinlogFileReader reader_;
};

// Makes the facts of one chunk while its bytes pass. Chunks of a file share their follower and are
// fed one after another.
class BinlogChunkReader {
 public:
  // `known`: file, begin, engine, system, created and server.
  BinlogChunkReader(const BinlogChunkFacts& known, std::shared_ptr<BinlogFollower> follower);
  void feed(ByteView bytes);
  const BinlogChunkFacts& facts() const { return facts_; }

 private:
  void see(const BinlogEvent& event, const std::optional<BinlogTransaction>& completed);

  BinlogChunkFacts facts_;
  std::shared_ptr<BinlogFollower> follower_;
  bool started_ = false;
};

}  // namespace holdfast
