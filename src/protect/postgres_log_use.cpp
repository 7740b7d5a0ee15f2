#include "protect/postgres_log_use.h"

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>

#include "base/error.h"
#include "protect/log_archive.h"

namespace holdfast {
namespace {

constexpr std::size_t kSegmentDigits = 24;

// What one backup needs of the log.
struct Start {
  std::uint32_t timeline = 0;
  Lsn stop = 0;
  std::uint64_t first = 0;  // segment
};

class Uses {
 public:
  Uses(std::uint32_t segment_size, TimelineTree tree, const std::vector<BackupSummary>& backups)
      : segment_size_(segment_size), tree_(std::move(tree)) {
    for (const BackupSummary& backup : backups) {
      const DatabaseFacts& facts = *backup.database;
      starts_.push_back(
          {facts.timeline, parse_lsn(facts.stop), first_segment(facts, segment_size)});
    }
  }

  FileUse of(const std::string& file) const {
    if (const auto timeline = parse_history_file_name(file)) return of_history(*timeline);
    const auto segment = wal_segment_of(file, segment_size_);
    return segment ? of_segment(*segment) : FileUse::kUnknown;
  }

 private:
  bool leads_to(const Start& start, std::uint32_t timeline) const {
    if (timeline == start.timeline) return true;
    // A timeline's ancestors have smaller numbers.
    return timeline > start.timeline && tree_.may_lead(start.timeline, start.stop, timeline);
  }

  FileUse of_segment(const WalSegment& segment) const {
    bool past = false;
    for (const Start& start : starts_) {
      if (segment.number >= start.first) {
        if (leads_to(start, segment.timeline)) return FileUse::kNeeded;
      } else {
        past = past || tree_.is_ancestor(segment.timeline, start.timeline);
      }
    }
    return past ? FileUse::kPast : FileUse::kOther;
  }

  // They are small, and say which timeline is the latest.
  FileUse of_history(std::uint32_t timeline) const {
    for (const Start& start : starts_) {
      if (timeline >= start.timeline || tree_.is_ancestor(timeline, start.timeline)) {
        return FileUse::kNeeded;
      }
    }
    return FileUse::kOther;
  }

  const std::uint32_t segment_size_;
  const TimelineTree tree_;
  std::vector<Start> starts_;
};

std::uint32_t size_in_header(const Vault& vault, const LogName& name) {
  const LogHeader header = read_log_header(vault.store(), vault.ring(), name);
  if (!name.piece)
    return static_cast<std::uint32_t>(std::min<std::uint64_t>(header.size, 1u << 31));
  const auto facts = nlohmann::json::parse(header.facts);
  return facts.value("segment_size", kWalSegmentSize);
}

}  // namespace

bool looks_like_postgres(const LogFiles& log) {
  return std::all_of(log.objects.begin(), log.objects.end(), [](const LogObject& object) {
    return wal_file_kind(object.name.file) || parse_level_drop_mark(object.name.file);
  });
}

std::optional<std::uint32_t> segment_size_of(const Vault& vault, const LogFiles& log) {
  const auto is_segment = [](const LogObject& object) {
    return wal_file_kind(object.name.file) == WalFileKind::kSegment;
  };
  const auto is_whole = [&](const LogObject& object) {
    return is_segment(object) && !object.name.piece;
  };
  auto first = std::find_if(log.objects.begin(), log.objects.end(), is_whole);
  auto last = std::find_if(log.objects.rbegin(), log.objects.rend(), is_whole);
  if (first == log.objects.end()) {
    first = std::find_if(log.objects.begin(), log.objects.end(), is_segment);
    last = std::find_if(log.objects.rbegin(), log.objects.rend(), is_segment);
    if (first == log.objects.end()) return std::nullopt;
  }
  const std::uint32_t size = size_in_header(vault, first->name);
  if (!is_wal_segment_size(size) || size_in_header(vault, last->name) != size) return std::nullopt;
  return size;
}

std::optional<WalSegment> wal_segment_of(std::string_view file, std::uint32_t segment_size) {
  const auto kind = wal_file_kind(file);
  if (const auto mark = parse_level_drop_mark(file)) {
    return parse_wal_segment(mark->segment, segment_size);
  }
  if (!kind || *kind == WalFileKind::kHistory) return std::nullopt;
  return parse_wal_segment(file.substr(0, kSegmentDigits), segment_size);
}

TimelineTree::TimelineTree(const Vault& vault, const LogFiles& log) {
  if (!vault.ring().can_read()) return;  // then a timeline may come from any other
  for (const LogObject& object : log.objects) {
    const auto timeline = parse_history_file_name(object.name.file);
    if (!timeline || object.name.piece) continue;
    const auto file = read_log(vault, object.name);
    if (!file) continue;
    histories_.emplace(*timeline, TimelineHistory::parse(as_text(file->bytes), *timeline));
  }
}

bool TimelineTree::may_lead(std::uint32_t from, Lsn lsn, std::uint32_t to) const {
  const auto history = histories_.find(to);
  return history == histories_.end() || history->second.leads_here(from, lsn);
}

bool TimelineTree::is_ancestor(std::uint32_t timeline, std::uint32_t of) const {
  if (timeline == of) return true;
  const auto history = histories_.find(of);
  return history != histories_.end() && history->second.left_at(timeline).has_value();
}

std::uint64_t first_segment(const DatabaseFacts& backup, std::uint32_t segment_size) {
  return (std::max<Lsn>(parse_lsn(backup.stop), 1) - 1) / segment_size;
}

void keep_postgres_bases(const Vault& vault, const LogFiles& log,
                         const std::vector<BackupSummary>& backups, std::size_t old,
                         std::vector<bool>& kept) {
  const TimelineTree tree(vault, log);
  std::set<std::uint32_t> timelines;
  for (const auto& [timeline, history] : tree.histories()) timelines.insert(timeline);
  for (std::size_t i = old; i < backups.size(); ++i)
    timelines.insert(backups[i].database->timeline);
  for (const std::uint32_t timeline : timelines) {
    for (std::size_t i = old; i-- > 0;) {
      const DatabaseFacts& facts = *backups[i].database;
      if (facts.timeline > timeline) continue;
      if (facts.timeline == timeline ||
          tree.may_lead(facts.timeline, parse_lsn(facts.stop), timeline)) {
        kept[i] = true;
        break;
      }
    }
  }
}

FileUses postgres_log_use(const Vault& vault, const LogFiles& log,
                          const std::vector<BackupSummary>& backups) {
  const auto size = segment_size_of(vault, log);
  // Histories alone, or segments of two sizes: nothing that could be reckoned with.
  if (!size) return [](const std::string&) { return FileUse::kUnknown; };
  const auto uses = std::make_shared<Uses>(*size, TimelineTree(vault, log), backups);
  return [uses](const std::string& file) { return uses->of(file); };
}

}  // namespace holdfast
