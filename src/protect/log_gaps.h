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
};

// `log` is what is there, `sound` what of it can be trusted (for histories and headers). `backups`
// (oldest first) are those that it has to lead on from. Nothing is found for other databases than
// PostgreSQL.
LogGaps find_log_gaps(const Vault& vault, const LogFiles& log, const LogFiles& sound,
                      const std::vector<BackupSummary>& backups);

}  // namespace holdfast
