// Which branch of PostgreSQL's log a recovery follows where timelines part: docs/decisions/0007.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "source/postgres/log_facts.h"
#include "source/postgres/timeline_history.h"
#include "vault/log_name.h"
#include "vault/vault.h"

namespace holdfast {

struct LogBranch {
  std::uint32_t timeline = 0;
  Lsn begin = 0;                         // where it left the one that it comes from
  std::optional<LogMoment> last_commit;  // on the timeline itself; none: nobody wrote there
  bool reachable = true;                 // from the backup
};

// What the vault has of each timeline from the backup's own on.
struct LogTimelines {
  std::uint32_t segment_size = 0;
  std::map<std::uint32_t, TimelineHistory> histories;
  // One object of each segment, the newest first; not of all segments.
  std::map<std::uint32_t, std::vector<LogName>> newest;
};

inline constexpr std::size_t kBranchFiles = 16;  // so many of the newest are asked for a commit

struct BranchChoice {
  TimelineHistory history;
  // Other ends that the log has: those that the backup leads to, and of the rest those on which
  // later commits are.
  std::vector<LogBranch> others;
};

// Of the timelines that a backup on `timeline` up to `stop` leads to, those that go on: one that
// was left, and on which nobody committed since, does not. Of several, the one with the latest
// commit. Reads few headers, and those only when there is more than one timeline.
BranchChoice choose_branch(const Vault& vault, const LogTimelines& log, std::uint32_t timeline,
                           Lsn stop);

// "; timeline 3, which left at 0/5000028, goes on to 13:10:11Z (...): --timeline 3"; "" without
// others.
std::string branches_text(const std::vector<LogBranch>& others);

}  // namespace holdfast
