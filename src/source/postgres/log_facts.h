// A summary of one stretch of the log: what can be recovered from it. Small enough for the header
// of each archived segment.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "base/time.h"
#include "source/postgres/log_event.h"
#include "source/postgres/lsn.h"
#include "source/postgres/wal_reader.h"

namespace holdfast {

// A commit. `lsn` is where its record begins, which is what recovery_target_lsn is compared with.
struct LogMoment {
  Timestamp time{};
  Lsn lsn = 0;
  std::uint32_t xid = 0;  // 0: unknown

  bool operator==(const LogMoment&) const = default;
};

struct RestorePoint {
  std::string name;
  Timestamp time{};
  Lsn lsn = 0;

  bool operator==(const RestorePoint&) const = default;
};

// From `lsn` on the log is that of timeline `to`.
struct TimelineChange {
  Lsn lsn = 0;
  Timestamp time{};
  std::uint32_t from = 0;
  std::uint32_t to = 0;

  bool operator==(const TimelineChange&) const = default;
};

// From the record at `lsn` on the server wrote too little to be replayed: wal_level = minimal. Only
// a backup made after the level was raised leads on, and such a backup begins with a new segment.
struct LevelDrop {
  Lsn lsn = 0;
  Lsn previous = 0;  // where the record before it begins

  bool operator==(const LevelDrop&) const = default;
};

inline constexpr std::size_t kMaxRestorePoints = 256;

// A record that the beginning or end of the stretch cuts is counted by neither of two neighbours;
// merge() and join() put its halves together.
struct LogFacts {
  Lsn begin_lsn = 0;  // of the input ...
  Lsn end_lsn = 0;    // ... up to what came, or to the log's end within it
  int major = 0;
  std::uint32_t timeline = 0;  // of the last page
  std::uint64_t system_id = 0;

  Lsn first_lsn = 0;        // where the first record begins; 0: there is none
  Lsn first_previous = 0;   // where the one before that begins, as it says; 0: unknown
  Lsn last_record_lsn = 0;  // where the last whole record begins ...
  Lsn last_lsn = 0;         // ... and ends
  std::uint64_t commits = 0;
  std::uint64_t aborts = 0;
  std::optional<LogMoment> first_commit = {};
  std::optional<LogMoment> last_commit = {};
  // The greatest time of a commit or abort, which need not be the last one's: recovery to a time
  // stops at the first that is later.
  std::optional<Timestamp> latest_end = {};
  // Transactions that ended here are in this range, counted modulo 2^32; 0: none.
  std::uint32_t oldest_xid = 0;
  std::uint32_t newest_xid = 0;
  std::uint64_t checkpoints = 0;
  std::optional<Lsn> last_redo = {};  // of the last checkpoint
  std::vector<RestorePoint> restore_points = {};
  std::uint64_t more_restore_points = 0;  // beyond kMaxRestorePoints
  std::vector<TimelineChange> timeline_changes = {};
  // The first one. What happened behind it is not counted above.
  std::optional<LevelDrop> level_drop = {};

  std::optional<CutRecordTail> tail = {};
  std::optional<CutRecordHead> head = {};

  bool operator==(const LogFacts&) const = default;
};

// Adds what happened at the end of `facts`.
void add_event(LogFacts& facts, const LogEvent& event);

// Xids go around: whether `a` was given before `b`.
bool xid_precedes(std::uint32_t a, std::uint32_t b);

// The summary of both; `b` must begin where `a` ends. Throws Error(kInvalid) when it does not, or
// is of another system, version or earlier timeline; Error(kCorrupt) when the record in between is.
LogFacts merge(const LogFacts& a, const LogFacts& b);

// What speaks against that the server wrote `b` right behind `a`; "" when nothing does, when they
// do not touch, or when too little is known.
std::string seam_problem(const LogFacts& a, const LogFacts& b);

// Copies in which each record that goes over an end is counted where it ends. At gaps nothing is
// put together. Throws as merge() does, but for gaps.
std::vector<LogFacts> join(const std::vector<LogFacts>& facts);

// Readers of a later version may find more members; unknown ones are ignored. from_json throws
// Error(kCorrupt).
inline constexpr const char* kLevelDropFact = "level_drop";  // a member of the object
nlohmann::json facts_to_json(const LogFacts& facts);
LogFacts facts_from_json(const nlohmann::json& json);

}  // namespace holdfast
