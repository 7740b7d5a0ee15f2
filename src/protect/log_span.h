// Which moments of a database can be recovered.
#pragma once

#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "protect/log_branch.h"
#include "vault/backup_object.h"
#include "vault/vault.h"

namespace holdfast {

struct LogSpan {
  std::string source;
  std::string engine;           // "postgresql", "mariadb"
  Timestamp from{};             // the oldest backup from which the log leads to its end
  Timestamp newest_backup{};    // that the log goes on behind
  bool stopped = false;         // there are newer backups: the log ended before them
  std::optional<Timestamp> to;  // the last commit in the log
  std::string end;              // where the log ends: an LSN, a GTID position
  std::string gap;  // behind the newest backup: what is missing, an LSN or a file; empty: nothing
  std::string missing;     // PostgreSQL: the segment at `gap`; empty: nothing
  bool alone = false;      // the newest backup and nothing more: the log behind it begins later
  std::string level_drop;  // the LSN at which wal_level became minimal; empty: it did not
  // PostgreSQL: on which timeline it ends, and where else the log goes on.
  std::uint32_t timeline = 0;
  std::vector<LogBranch> others;
  bool newest = true;  // else there is a later one of this source, behind a gap or in a new log
};

// The spans of each source, the newest first: one, and one more for each time that its log was
// interrupted between two backups; at most 16. Where log goes on behind the newest backup and does
// not lead on from it, its span is that backup alone, with a gap. Only sources of which `backups`
// (oldest first) has physical backups of a server that has a log. Reads listings and few headers. A
// log that cannot be planned has no span.
std::vector<LogSpan> log_spans(const Vault& vault, const std::vector<BackupSummary>& backups,
                               std::stop_token stop);

}  // namespace holdfast
