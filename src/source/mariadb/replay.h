// Applies a stretch of the binary log to a restored server.
#pragma once

#include <stop_token>
#include <string>
#include <vector>

#include "source/mariadb/gtid.h"
#include "source/mariadb/sandbox.h"

namespace holdfast {

struct BinlogReplay {
  std::vector<std::string> files;  // in order; the last one ends where the replay ends
  std::uint64_t start = 0;         // offset in the first one
  GtidPosition before;             // of the server
  GtidPosition after;              // ... once everything is applied
};

// A line of a sandbox's configuration that makes it write a binary log of its own, in `directory`:
// that log says what was replayed.
std::string replay_log_option(const std::string& directory);

// Runs the files through mariadb-binlog, in one go, so that temporary tables live as long as they
// did, into the server. Checks that both ended well and that the server's own log has come to
// `after`; then tells the server that it has everything up to there (gtid_slave_pos). Throws
// kInvalid with what the server said of the statement that failed, kCorrupt when mariadb-binlog
// cannot read the files or the server has come elsewhere, kUnsupported when a tool is missing.
void replay_binlogs(const MariadbSandbox& server, const BinlogReplay& replay, std::stop_token stop);

}  // namespace holdfast
