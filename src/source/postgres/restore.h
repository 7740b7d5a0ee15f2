// The last steps of a physical restore: from the files of a backup to a directory that a server
// starts on.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "source/postgres/cluster.h"

namespace holdfast {

enum class PgTargetKind { kTime, kXid, kLsn, kName, kImmediate };

struct PgRecoveryTarget {
  PgTargetKind kind = PgTargetKind::kTime;
  std::string value;  // as PostgreSQL takes it; empty for kImmediate
  bool inclusive = true;
};

// What the server shall do when it starts on the directory.
struct PgRecovery {
  std::string restore_command;             // a primary must have one; a standby may do without
  std::optional<PgRecoveryTarget> target;  // none: to the end of the log
  std::string timeline;                    // "latest", "current", a number; empty: the server's own
  std::string action = "promote";          // at the target: "promote", "pause", "shutdown"
  bool standby = false;                    // follow the primary for ever
  std::string primary_conninfo;            // of a standby; may be empty
  bool archiving = true;                   // as the source was set up; false: archive_mode = off
};

// The tablespaces that the text of a tablespace_map names.
std::vector<PgTablespace> parse_tablespace_map(std::string_view text);

// True when `directory` holds the files of a restored backup that is not finished yet: no server
// starts on it.
bool is_unfinished_pg_restore(const std::string& directory);

// Puts label, WAL and recovery settings in place, links the tablespaces (OID to directory), and the
// control file last, without which no server starts: so a crash on the way leaves nothing that
// could be taken for a cluster. To be called once all files are there; calling it again after a
// crash goes on. Throws Error(kCorrupt) when a part is missing.
void finish_pg_restore(const std::string& directory,
                       const std::map<std::string, std::string>& tablespaces,
                       const PgRecovery& recovery);

// The lines that recovery wants in postgresql.auto.conf.
std::string recovery_settings(const PgRecovery& recovery);

}  // namespace holdfast
