// Where the reception of a binary log begins, or goes on.
#pragma once

#include <functional>
#include <optional>
#include <stop_token>
#include <string>

#include "protect/binlog_listing.h"
#include "source/mariadb/binlog_stream.h"

namespace holdfast {

struct BinlogPlace {
  std::string stream;
  BinlogStart start;          // what to ask the server for
  BinlogBeginning beginning;  // of the file
  BinlogState state;          // at `start`
  // The chunk that goes on: its first byte, and how many from there are stored as pieces.
  std::uint64_t chunk_begin = 0;
  std::uint32_t stored = 0;
  BinlogState durable;  // how far the vault has the file
  // The vault has the file whole: the next one is awaited.
  bool complete = false;
};

struct BinlogPlaceQuestion {
  std::string source;
  MariadbSettings server;
  std::uint32_t server_id = 0;
  bool skip_gap = false;
};

// Behind what the vault has; when it has nothing: the beginning of the file in which the newest
// backup of the source was made, or of the active one. Throws, unless skip_gap: kNotFound when the
// server has purged what comes next, kConflict when the vault has the log of another server, of one
// before it was reset, or more than the server has kept. `notify` hears what was skipped.
BinlogPlace find_binlog_place(const Vault& vault, const BinlogPlaceQuestion& question,
                              MariadbConnection& connection,
                              const std::function<void(const std::string&)>& notify,
                              std::stop_token stop);

}  // namespace holdfast
