// What a server says of its binary log to one who has a part of it.
#pragma once

#include <cstdint>
#include <stop_token>
#include <string>

#include "source/mariadb/binlog_index.h"
#include "source/mariadb/connection.h"

namespace holdfast {

// How far the log had come before the first event of `file`.
GtidPosition log_position_before(MariadbConnection& connection, const std::string& file);

// True when the server's `file` has what a reader has of it that stands at `state`, as far as its
// transactions tell; it is at least as long. Throws kUnavailable when that cannot be told yet.
bool log_goes_on_at(MariadbConnection& connection, const std::string& file,
                    const BinlogState& state);

// True when what follows there in the server's `file` has no GTIDs: log of MySQL of before
// gtid_mode was ON.
bool log_lacks_gtids(MariadbConnection& connection, const std::string& file, std::uint64_t offset);

// True when the server has all of `position`, and its log what follows. `server_id`: see
// BinlogStreamOptions.
bool log_goes_on_from(const MariadbSettings& settings, const GtidPosition& position,
                      std::uint32_t server_id, const std::stop_token& stop);

}  // namespace holdfast
