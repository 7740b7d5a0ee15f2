#include "protect/log_gaps.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "base/human.h"
#include "protect/log_start.h"
#include "protect/postgres_log_use.h"

namespace holdfast {
namespace {

// How far a segment is there from its first byte on; and as what: the file, or the piece that ends
// there.
struct Held {
  std::uint64_t reach = 0;
  LogName furthest;
};
using AllHeld = std::map<WalSegment, Held>;

// A piece that others do not lead to is a hole in its file.
struct Pieces {
  std::vector<LogName> pieces;
  Held held() {
    std::sort(pieces.begin(), pieces.end(),
              [](const LogName& a, const LogName& b) { return a.piece->begin < b.piece->begin; });
    Held held;
    for (const LogName& name : pieces) {
      if (name.piece->begin > held.reach) break;
      if (name.piece->end > held.reach) held = {name.piece->end, name};
    }
    return held;
  }
  std::uint64_t end() const {
    std::uint64_t end = 0;
    for (const LogName& name : pieces) end = std::max<std::uint64_t>(end, name.piece->end);
    return end;
  }
};

class GapFinder {
 public:
  GapFinder(const Vault& vault, const LogFiles& log, std::uint32_t segment_size,
            const TimelineTree& tree, const std::vector<BackupSummary>& backups)
      : vault_(vault),
        source_(log.source),
        segment_size_(segment_size),
        tree_(tree),
        backups_(backups) {
    collect(log);
  }

  LogGaps find_all() {
    for (const TimelineHistory& tip : tips()) follow(tip);
    join();
    return std::move(result_);
  }

 private:
  void collect(const LogFiles& log) {
    std::map<WalSegment, Pieces> pieces;
    for (const LogObject& object : log.objects) {
      if (const auto drop = parse_level_drop_mark(object.name.file)) note_level_drop(*drop);
      const auto segment = parse_wal_segment(object.name.file, segment_size_);
      if (!segment) continue;
      if (object.name.piece) {
        pieces[*segment].pieces.push_back(object.name);
      } else {
        held_[*segment] = {segment_size_, object.name};
      }
    }
    for (auto& [segment, some] : pieces) {
      const auto [at, fresh] = held_.try_emplace(segment, some.held());
      const bool hole = fresh && at->second.reach < some.end();
      if (hole && !is_past(segment)) missing_.insert(segment);
    }
  }

  // Comes before all that a recovery from one of the backups reads.
  bool is_past(const WalSegment& segment) const {
    return !backups_.empty() &&
           std::none_of(backups_.begin(), backups_.end(), [&](const BackupSummary& backup) {
             return first_segment(*backup.database, segment_size_) <= segment.number;
           });
  }

  // Where no backup leads on from.
  void note_level_drop(const LevelDropMark& drop) {
    const auto segment = parse_wal_segment(drop.segment, segment_size_);
    if (!segment || backups_.empty()) return;
    if (first_segment(*backups_.back().database, segment_size_) > segment->number) return;
    result_.notes.push_back(fmt::format(
        "{}: in {} the server went on with wal_level = minimal: the log behind that cannot be "
        "replayed, and no backup is newer",
        source_, drop.segment));
  }

  // Where recoveries may end: each backup's own timeline, and all that are known.
  std::vector<TimelineHistory> tips() const {
    std::map<std::uint32_t, TimelineHistory> tips = tree_.histories();
    for (const BackupSummary& backup : backups_) {
      const std::uint32_t timeline = backup.database->timeline;
      tips.try_emplace(timeline, TimelineHistory(timeline));
    }
    std::vector<TimelineHistory> all;
    for (const auto& [timeline, history] : tips) all.push_back(history);
    return all;
  }

  WalSegment segment_at(const TimelineHistory& tip, std::uint64_t number) const {
    return {tip.timeline_at((number + 1) * segment_size_ - 1), number};
  }

  const Held* find(const WalSegment& segment) const {
    const auto found = held_.find(segment);
    return found == held_.end() ? nullptr : &found->second;
  }

  bool is_whole(const WalSegment& segment) const {
    const Held* held = find(segment);
    return held != nullptr && held->reach >= segment_size_;
  }

  // Whether the log need not have the segment in which `backup` ends.
  bool is_in_backup(const BackupSummary& backup, const TimelineHistory& tip, std::uint64_t number) {
    const WalSegment segment = segment_at(tip, number);
    const WalSegment behind = segment_at(tip, number + 1);
    const Held* next = find(behind);
    if (is_whole(segment) || next == nullptr || next->reach == 0) return false;
    const auto [known, fresh] = in_backup_.try_emplace({backup.name.id(), behind}, false);
    if (fresh) {
      known->second =
          start_in_backup(vault_, backup.name, segment, segment_size_, next->furthest).has_value();
    }
    return known->second;
  }

  // The segments in which the log of a recovery from each backup begins, the oldest first.
  std::vector<std::uint64_t> starts_of(const TimelineHistory& tip) {
    std::vector<std::uint64_t> starts;
    for (const BackupSummary& backup : backups_) {
      const DatabaseFacts& facts = *backup.database;
      if (!tip.leads_here(facts.timeline, parse_lsn(facts.stop))) continue;
      const std::uint64_t first = first_segment(facts, segment_size_);
      starts.push_back(is_in_backup(backup, tip, first) ? first + 1 : first);
    }
    std::sort(starts.begin(), starts.end());
    return starts;
  }

  std::optional<std::uint64_t> last_of(std::uint32_t timeline) const {
    const auto behind = held_.lower_bound(WalSegment{timeline + 1, 0});
    if (behind == held_.begin()) return std::nullopt;
    const WalSegment last = std::prev(behind)->first;
    return last.timeline == timeline ? std::optional(last.number) : std::nullopt;
  }

  void follow(const TimelineHistory& tip) {
    const std::vector<std::uint64_t> starts = starts_of(tip);
    const auto last = last_of(tip.timeline());
    if (starts.empty() || !last || *last < starts.front()) return;
    // Where log first is. Backups before that may be older than the log itself, and so may be the
    // newest: only when there is log before it, too, some was lost.
    std::uint64_t first = starts.front();
    while (first < *last && find(segment_at(tip, first)) == nullptr) ++first;
    if (first > starts.front()) {
      const auto older = std::lower_bound(starts.begin(), starts.end(), first);
      if (older != starts.end()) {
        note(tip, first, static_cast<std::uint64_t>(older - starts.begin()));
      } else if (has_log_before(tip, starts.front())) {
        first = starts.back();
      } else {
        warn(tip, starts.back(), first);
      }
    }
    for (std::uint64_t number = first; number < *last; ++number) {
      const WalSegment segment = segment_at(tip, number);
      if (!is_whole(segment)) missing_.insert(segment);
    }
  }

  bool has_log_before(const TimelineHistory& tip, std::uint64_t number) const {
    return std::any_of(held_.begin(), held_.end(), [&](const auto& one) {
      return one.first.number < number && one.first == segment_at(tip, one.first.number);
    });
  }

  void note(const TimelineHistory& tip, std::uint64_t first, std::uint64_t count) {
    add(result_.notes,
        fmt::format("{}: the log begins with {}: {} before it can be restored only as {}", source_,
                    name_at(tip, first), plural(count, "backup"),
                    count == 1 ? "it is" : "they are"));
  }

  // The newest backup needs log from segment `start` on, and there is none before `first`.
  void warn(const TimelineHistory& tip, std::uint64_t start, std::uint64_t first) {
    const std::string begins = fmt::format("{}: the log begins with {}, behind the newest backup",
                                           source_, name_at(tip, first));
    if (first == start + 1 && !vault_.ring().can_read()) {
      add(result_.notes,
          begins + ": whether it leads on from it, only a key that restores can see");
      return;
    }
    const std::string missing =
        first == start + 1
            ? name_at(tip, start) + " is missing"
            : fmt::format("{} to {} are missing", name_at(tip, start), name_at(tip, first - 1));
    add(result_.warnings,
        fmt::format("{}, and does not lead on from it: {}. No later moment can be recovered: back "
                    "up now (holdfast backup database {})",
                    begins, missing, source_));
  }

  std::string name_at(const TimelineHistory& tip, std::uint64_t number) const {
    return segment_at(tip, number).name(segment_size_);
  }

  // Of several timelines the same may be to be said.
  static void add(std::vector<std::string>& lines, const std::string& line) {
    if (std::find(lines.begin(), lines.end(), line) == lines.end()) lines.push_back(line);
  }

  void join() {
    std::optional<WalSegment> before;
    for (const WalSegment& segment : missing_) {
      const std::string name = segment.name(segment_size_);
      const Held* held = find(segment);
      const bool partly = held != nullptr;
      if (partly || !before || before->next() != segment) {
        result_.gaps.push_back({name, name, 0, partly ? held->reach : 0});
      }
      result_.gaps.back().last = name;
      ++result_.gaps.back().files;
      before = partly ? std::nullopt : std::optional(segment);
    }
  }

  const Vault& vault_;
  const std::string source_;
  const std::uint32_t segment_size_;
  const TimelineTree& tree_;
  const std::vector<BackupSummary>& backups_;
  AllHeld held_;
  // By the backup and the segment behind the one in which it ends.
  std::map<std::pair<std::string, WalSegment>, bool> in_backup_;
  std::set<WalSegment> missing_;
  LogGaps result_;
};

}  // namespace

std::string LogGap::text() const {
  if (from > 0) {
    return fmt::format("the log is interrupted: {} is there up to byte {}", first, from);
  }
  if (files == 1) return fmt::format("the log is interrupted: {} is missing", first);
  return fmt::format("the log is interrupted: {} to {} are missing, {}", first, last,
                     plural(files, "file"));
}

LogGaps find_log_gaps(const Vault& vault, const LogFiles& log, const LogFiles& sound,
                      const std::vector<BackupSummary>& backups) {
  const bool postgres = std::all_of(backups.begin(), backups.end(), [](const auto& backup) {
    return backup.database->engine == "postgresql";
  });
  if (!postgres || (backups.empty() && !looks_like_postgres(log))) return {};
  const auto size = segment_size_of(vault, sound);
  if (!size) return {};
  const TimelineTree tree(vault, sound);
  return GapFinder(vault, log, *size, tree, backups).find_all();
}

}  // namespace holdfast
