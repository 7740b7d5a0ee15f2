// Which moments of a database can be recovered.
#pragma once

#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "protect/log_recovery.h"
#include "vault/backup_object.h"

namespace holdfast {

struct LogSpan {
  std::string source;
  Timestamp from{};             // the oldest backup from which the log leads to its end
  Timestamp newest_backup{};    // that the log goes on behind
  bool stopped = false;         // there are newer backups: the log ended before them
  std::optional<LogMoment> to;  // the last commit in the log
  Lsn end = 0;                  // where the log ends
  std::optional<Lsn> gap;       // behind the newest backup: what comes later cannot be replayed
};

// One for each source of which `backups` (oldest first) has physical PostgreSQL backups of a system
// that has a log. Reads listings and few headers. A log that cannot be planned has no span.
std::vector<LogSpan> log_spans(const Vault& vault, const std::vector<BackupSummary>& backups,
                               std::stop_token stop);

}  // namespace holdfast
