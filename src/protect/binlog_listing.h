// What a vault has of the binary logs of a MariaDB source.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "source/mariadb/binlog_chunk.h"
#include "vault/log_name.h"
#include "vault/vault.h"

namespace holdfast {

// One chunk of a file, as far as it reaches from its first byte on.
struct StoredChunk {
  std::uint32_t number = 0;
  LogName
      name;  // the object that tells of all of it: the whole, or the piece that reaches furthest
  bool gap = false;  // there are pieces behind a part that is missing
  bool whole() const { return !name.piece.has_value(); }
};

struct StoredBinlog {
  std::string file;  // "binlog.000002"
  BinlogName name;
  std::vector<StoredChunk> chunks;  // 0, 1, 2 ... without a hole
  bool gap = false;                 // there are more behind a hole, or it has no beginning
};

// One history of a server's log: its files by number. Another server, or one that was reset or
// restored, begins another.
struct StoredBinlogs {
  std::string stream;  // docs/FORMAT.md, "Log objects"
  std::vector<StoredBinlog> files;
};

// "mariadb-20251110T120000Z-7", of the first file of a history.
std::string binlog_stream_name(std::uint32_t created, std::uint32_t server);

// From one listing; the newest history last. Throws what the store throws.
std::vector<StoredBinlogs> list_binlogs(const Vault& vault, const std::string& source);

// The facts in the header of an object. Any key will do. Throws kCorrupt, naming it, and what the
// store throws.
BinlogChunkFacts read_chunk_facts(const Vault& vault, const LogName& name);

}  // namespace holdfast
