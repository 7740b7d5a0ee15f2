// Whether a server's log is the one that a vault has the beginning of. One that was set back to an
// older state as files writes another log under the same names.
#pragma once

#include <cstdint>
#include <stop_token>
#include <string>

#include "source/postgres/lsn.h"
#include "source/postgres/replication.h"
#include "vault/vault.h"

namespace holdfast {

// Where what the vault has ends.
struct LogEnd {
  std::string source;
  std::string system;
  std::uint32_t timeline = 0;
  Lsn end = 0;
  std::uint32_t segment_size = 0;
};

enum class LogContinuity {
  kSame,
  kOther,
  kUnknown,  // the server has removed that part of its log
};

// Receives the segment in which `vault` ends, over `server`, which must not stream, and compares it
// with what is stored: by their MACs, so that a key that only writes is enough. A commit among it
// has its time to the microsecond, which no other log has at the same place; without one the
// segment before is compared, too, and so on for a few. An object that cannot be read is left out.
LogContinuity compare_log(const Vault& vault, PgReplication& server, const LogEnd& end,
                          const std::stop_token& stop);

}  // namespace holdfast
