// Applies a stretch of MariaDB's binary log to a restored server.
#pragma once

#include <stop_token>
#include <string>
#include <vector>

#include "source/mariadb/relay_replay.h"

namespace holdfast {

// What a replay cannot bring back.
struct Unreplayed {
  std::vector<std::string> events;  // quoted: of which the log does not tell whether they run; off
  std::vector<std::string> statements;  // which no replica can run (own_roles.h)
};

// Runs the log that was placed (place_relay_log) in a sandbox with mariadb_relay_options(), and
// waits until the server has come to `after`. Then it replicates from nobody, knows that it has
// everything up to there (gtid_slave_pos), and runs the events that ran at the source. Throws
// kInvalid with what the server said of the transaction that failed, kCorrupt when it has come
// elsewhere, kExhausted when this host has no room for it, kCancelled.
Unreplayed replay_binlogs(const MariadbSandbox& server, RelayReplay replay,
                          const std::stop_token& stop);

}  // namespace holdfast
