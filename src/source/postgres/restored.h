// A restored data directory, looked at before a server starts on it.
#pragma once

#include <cstddef>
#include <string>

#include "source/postgres/lsn.h"
#include "source/postgres/restore.h"

namespace holdfast {

struct PgExpected {
  std::string system;  // the system identifier, decimal
  Lsn end = 0;         // the log in pg_wal must reach the segment that has the byte before this
  PgRecovery recovery;
};

// Whether the server would begin where the backup began and recover to what was asked for: the
// control file and every segment of the log are of the backup's system, the log has no hole from
// the label on, and the settings of recovery are in force. Reads no data. The number of segments;
// throws kCorrupt with what is wrong.
std::size_t check_restored_cluster(const std::string& directory, const PgExpected& expected);

}  // namespace holdfast
