// What the files of PostgreSQL's log are good for, along the timelines.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "protect/log_use.h"
#include "source/postgres/timeline_history.h"
#include "source/postgres/wal_file.h"

namespace holdfast {

// Every file is named as PostgreSQL names what it archives.
bool looks_like_postgres(const LogFiles& log);

// The size of the segments, from the first and the last that is there whole; without one, from a
// piece. Nothing when the log has neither or when they contradict each other.
std::optional<std::uint32_t> segment_size_of(const Vault& vault, const LogFiles& log);

// The segment that a file is, or belongs to: "….partial", "….backup" and the mark of a drop of
// wal_level, too.
std::optional<WalSegment> wal_segment_of(std::string_view file, std::uint32_t segment_size);

// Where timelines come from, as far as the log tells: all histories that can be read.
class TimelineTree {
 public:
  TimelineTree(const Vault& vault, const LogFiles& log);

  const std::map<std::uint32_t, TimelineHistory>& histories() const { return histories_; }
  // Whether replay may go from `lsn` on `from` to `to`; true when nobody knows.
  bool may_lead(std::uint32_t from, Lsn lsn, std::uint32_t to) const;
  // Whether `timeline` is one of those that `of` comes from, for sure.
  bool is_ancestor(std::uint32_t timeline, std::uint32_t of) const;

 private:
  std::map<std::uint32_t, TimelineHistory> histories_;
};

// The segment in which a recovery from the backup begins to read the log: that of the backup's last
// byte. What comes before it is in the backup.
std::uint64_t first_segment(const DatabaseFacts& backup, std::uint32_t segment_size);

// For within_depth(): of the first `old` backups the newest that leads to each timeline that is
// known or that a younger backup is of.
void keep_postgres_bases(const Vault& vault, const LogFiles& log,
                         const std::vector<BackupSummary>& backups, std::size_t old,
                         std::vector<bool>& kept);

// See log_use().
FileUses postgres_log_use(const Vault& vault, const LogFiles& log,
                          const std::vector<BackupSummary>& backups);

}  // namespace holdfast
