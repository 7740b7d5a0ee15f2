// The binary log as a replica receives it.
#pragma once

#include <functional>
#include <stop_token>
#include <string>

#include "source/mariadb/binlog_event.h"
#include "source/mariadb/connection.h"

namespace holdfast {

// Where to begin. A file is only rebuilt whole from offset 4 on.
struct BinlogStart {
  std::string file;
  std::uint64_t offset = kBinlogMagic.size();
};

struct BinlogStreamOptions {
  // A number that no server and no replica has; two streams with one number end each other.
  std::uint32_t server_id = 0;
  bool follow = true;                                   // wait for more at the end of the log
  Duration heartbeat = std::chrono::milliseconds{500};  // how often idle() is called then
};

// Who receives it. Events come verified, those that are in a file, and no others; appended to the
// magic they are that file, byte for byte as the server has it once it is closed.
struct BinlogHandler {
  // `offset`: where the next event goes. With 4, the file is new and begins with kBinlogMagic.
  std::function<void(const std::string& file, std::uint64_t offset)> file;
  std::function<void(const BinlogEvent& event, std::uint64_t offset)> event;
  // There is nothing more at the moment.
  std::function<void()> idle;
};

// Receives from `start` on until a stop is requested (throws kCancelled), or up to the end of the
// log without `follow`. Blocks. Throws kNotFound when the server no longer has that place,
// kUnavailable when it goes away, kConflict when another reader came with the same number,
// kCorrupt, kDenied (REPLICATION SLAVE), and what the handler throws.
void stream_binlog(const MariadbSettings& settings, const BinlogStart& start,
                   const BinlogStreamOptions& options, const BinlogHandler& handler,
                   std::stop_token stop);

// Asks the server of `connection` as a replica does that stands at `from`, and returns once it has
// begun to send what follows. Throws what stream_binlog() does: kNotFound, with what the server
// says, when it cannot go on from there.
void require_binlog_from(MariadbConnection& connection, const GtidPosition& from,
                         std::uint32_t server_id, std::stop_token stop);

// What tells a file from others that had its name.
struct BinlogBeginning {
  std::uint32_t created = 0;  // the time of its first event, seconds since 1970
  std::uint32_t server = 0;   // who wrote it
  bool operator==(const BinlogBeginning&) const = default;
};
// Asks the server for the beginning of `file`; throws as stream_binlog() does. `server_id`: see
// BinlogStreamOptions.
BinlogBeginning read_binlog_beginning(const MariadbSettings& settings, const std::string& file,
                                      std::uint32_t server_id, std::stop_token stop);

}  // namespace holdfast
