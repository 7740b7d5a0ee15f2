#include "protect/log_gaps.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "base/human.h"
#include "protect/postgres_log_use.h"

namespace holdfast {
namespace {

// How far each segment is there from its first byte on.
using Reaches = std::map<WalSegment, std::uint64_t>;

// A piece that others do not lead to is a hole in its file.
struct Pieces {
  std::vector<LogPiece> pieces;
  std::uint64_t reach(std::uint32_t segment_size) {
    std::sort(pieces.begin(), pieces.end(),
              [](const LogPiece& a, const LogPiece& b) { return a.begin < b.begin; });
    std::uint64_t reach = 0;
    for (const LogPiece& piece : pieces) {
      if (piece.begin > reach) break;
      reach = std::max<std::uint64_t>(reach, piece.end);
    }
    return std::min<std::uint64_t>(reach, segment_size);
  }
  std::uint64_t end() const {
    std::uint64_t end = 0;
    for (const LogPiece& piece : pieces) end = std::max<std::uint64_t>(end, piece.end);
    return end;
  }
};

class GapFinder {
 public:
  GapFinder(const LogFiles& log, std::uint32_t segment_size, const TimelineTree& tree,
            const std::vector<BackupSummary>& backups)
      : source_(log.source), segment_size_(segment_size), tree_(tree), backups_(backups) {
    collect(log);
  }

  LogGaps find() {
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
        pieces[*segment].pieces.push_back(*object.name.piece);
      } else {
        reaches_[*segment] = segment_size_;
      }
    }
    for (auto& [segment, some] : pieces) {
      const auto [at, fresh] = reaches_.try_emplace(segment, some.reach(segment_size_));
      if (fresh && at->second < some.end()) missing_.insert(segment);
    }
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

  // The segments in which the log of a recovery from each backup begins, the oldest first.
  std::vector<std::uint64_t> starts_of(const TimelineHistory& tip) const {
    std::vector<std::uint64_t> starts;
    for (const BackupSummary& backup : backups_) {
      const DatabaseFacts& facts = *backup.database;
      if (!tip.leads_here(facts.timeline, parse_lsn(facts.stop))) continue;
      starts.push_back(first_segment(facts, segment_size_));
    }
    std::sort(starts.begin(), starts.end());
    return starts;
  }

  std::optional<std::uint64_t> last_of(std::uint32_t timeline) const {
    const auto behind = reaches_.lower_bound(WalSegment{timeline + 1, 0});
    if (behind == reaches_.begin()) return std::nullopt;
    const WalSegment last = std::prev(behind)->first;
    return last.timeline == timeline ? std::optional(last.number) : std::nullopt;
  }

  void follow(const TimelineHistory& tip) {
    const std::vector<std::uint64_t> starts = starts_of(tip);
    const auto last = last_of(tip.timeline());
    if (starts.empty() || !last || *last < starts.front()) return;
    // Where log first is. Backups before that may be older than the log itself: only of the newest
    // it is sure that there should be some.
    std::uint64_t first = starts.front();
    while (first < *last && !reaches_.contains(segment_at(tip, first))) ++first;
    if (first > starts.front()) {
      const auto older = std::lower_bound(starts.begin(), starts.end(), first);
      const auto count = static_cast<std::uint64_t>(older - starts.begin());
      if (older == starts.end()) {
        first = starts.back();
      } else {
        note(tip, first, count);
      }
    }
    for (std::uint64_t number = first; number < *last; ++number) {
      const WalSegment segment = segment_at(tip, number);
      const auto found = reaches_.find(segment);
      if (found == reaches_.end() || found->second < segment_size_) missing_.insert(segment);
    }
  }

  void note(const TimelineHistory& tip, std::uint64_t first, std::uint64_t count) {
    const std::string line =
        fmt::format("{}: the log begins with {}: {} before it can be restored only as {}", source_,
                    segment_at(tip, first).name(segment_size_), plural(count, "backup"),
                    count == 1 ? "it is" : "they are");
    if (std::find(result_.notes.begin(), result_.notes.end(), line) == result_.notes.end()) {
      result_.notes.push_back(line);
    }
  }

  void join() {
    std::optional<WalSegment> before;
    for (const WalSegment& segment : missing_) {
      const std::string name = segment.name(segment_size_);
      const auto found = reaches_.find(segment);
      const bool partly = found != reaches_.end();
      if (partly || !before || before->next() != segment) {
        result_.gaps.push_back({name, name, 0, partly ? found->second : 0});
      }
      result_.gaps.back().last = name;
      ++result_.gaps.back().files;
      before = partly ? std::nullopt : std::optional(segment);
    }
  }

  const std::string source_;
  const std::uint32_t segment_size_;
  const TimelineTree& tree_;
  const std::vector<BackupSummary>& backups_;
  Reaches reaches_;
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
  return GapFinder(log, *size, tree, backups).find();
}

}  // namespace holdfast
