// NNNNNNNN.history: which timelines lead to one, and where each was left.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "source/postgres/lsn.h"

namespace holdfast {

inline constexpr Lsn kNoLsnLimit = std::numeric_limits<Lsn>::max();

// The log of `timeline` counts from `begin` to before `end`.
struct TimelineSpan {
  std::uint32_t timeline = 0;
  Lsn begin = 0;
  Lsn end = kNoLsnLimit;
  std::string reason = {};  // why it was left

  bool operator==(const TimelineSpan&) const = default;
};

class TimelineHistory {
 public:
  // That of a timeline without ancestors, which has no file.
  explicit TimelineHistory(std::uint32_t timeline);

  // `text` is the content of the file of `timeline`. Throws Error(kCorrupt), with the line, when it
  // is malformed: PostgreSQL would refuse it, or it says that the log goes back.
  static TimelineHistory parse(std::string_view text, std::uint32_t timeline);

  std::uint32_t timeline() const { return spans_.back().timeline; }
  // Oldest first; the last is the timeline itself, without end.
  const std::vector<TimelineSpan>& spans() const { return spans_; }
  // On which timeline the byte at `lsn` is to be read.
  std::uint32_t timeline_at(Lsn lsn) const;
  // Where `timeline` was left; nothing when it is no ancestor.
  std::optional<Lsn> left_at(std::uint32_t timeline) const;
  // Whether replay may go from `lsn` on `timeline` to the end of this one.
  bool leads_here(std::uint32_t timeline, Lsn lsn) const;

 private:
  std::vector<TimelineSpan> spans_;
};

// "00000002.history"
std::string history_file_name(std::uint32_t timeline);
// The timeline of such a name; nothing for any other.
std::optional<std::uint32_t> parse_history_file_name(std::string_view name);

}  // namespace holdfast
