// Where the log is interrupted for recoveries from the backups.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "protect/log_use.h"

namespace holdfast {

// Files in a row that are missing, by name; `last` belongs to it. Of an unfinished one that other
// log follows, from byte `from` on.
struct LogGap {
  std::string first;
  std::string last;
  std::uint64_t files = 0;
  std::uint64_t from = 0;
  std::string text() const;
};

struct LogGaps {
  std::vector<LogGap> gaps;
  std::vector<std::string> notes;  // log that begins only behind some backups, a line each
  // Log that begins behind all backups: nothing that was stored need be lost, but no moment can be
  // recovered until there is a new one. A line each.
  std::vector<std::string> warnings;
};

// `log` is all that is there of a stream, `sound` what of it can be trusted (for histories and
// headers). `backups` (oldest first) are those that it has to lead on from. Nothing is found for
// other databases than PostgreSQL. May read a segment out of a backup: see start_in_backup().
LogGaps find_log_gaps(const Vault& vault, const LogFiles& log, const LogFiles& sound,
                      const std::vector<BackupSummary>& backups);

}  // namespace holdfast
