#include "protect/log_recovery.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "base/error.h"
#include "base/human.h"
#include "os/file.h"
#include "protect/log_archive.h"
#include "protect/log_start.h"
#include "source/postgres/wal_file.h"
#include "store/at_once.h"

namespace holdfast {
namespace {

constexpr std::uint64_t kBlock = 4096;

// Everything of one stream, by the names of its files.
struct Listing {
  std::set<std::string> whole;
  std::map<std::string, std::vector<LogName>> pieces;
  std::vector<std::string> histories;
  std::map<std::string, std::uint32_t> level_drops;  // where, by the segment; the first of each
};

Listing list_stream(const Vault& vault, const std::string& source, const std::string& stream) {
  Listing listing;
  vault.store().list(log_prefix(source, stream), [&](const ObjectInfo& info) {
    const auto name = parse_log_key(info.key);
    if (!name) return;
    if (parse_history_file_name(name->file)) {
      listing.histories.push_back(name->file);
    } else if (const auto drop = parse_level_drop_mark(name->file)) {
      listing.level_drops.try_emplace(drop->segment, drop->offset);  // listed in order
    } else if (name->piece) {
      listing.pieces[name->file].push_back(*name);
    } else {
      listing.whole.insert(name->file);
    }
  });
  return listing;
}

class Planner {
 public:
  Planner(const Vault& vault, const BackupSummary& backup, std::stop_token stop, FactsWanted wanted)
      : vault_(vault),
        name_(backup.name),
        source_(backup.name.source),
        backup_(backup.database.value()),
        stop_(std::move(stop)),
        wanted_(wanted) {}

  std::optional<LogPlan> plan(const std::string& timeline) {
    listing_ = list_stream(vault_, source_, backup_.system);
    if (listing_.whole.empty() && listing_.pieces.empty()) return std::nullopt;
    // What comes before is in the backup itself.
    plan_.begin = parse_lsn(backup_.stop) - 1;
    plan_.segment_size = segment_size();
    const TimelineHistory history = chosen(timeline);
    if (!history.leads_here(backup_.timeline, parse_lsn(backup_.stop))) {
      throw Error(Code::kNotFound,
                  fmt::format("timeline {} does not come from the backup's, {}", history.timeline(),
                              backup_.timeline),
                  "choose an older backup, or another timeline: --timeline");
    }
    plan_.timeline = history.timeline();
    for (const TimelineSpan& span : history.spans()) plan_.lineage.insert(span.timeline);
    for (const std::string& file : listing_.histories) plan_.histories.push_back(name(file));
    find_segments(history);
    cut_at_marks();
    read_facts();
    cut_at_facts();
    sum_up();
    return std::move(plan_);
  }

 private:
  LogName name(const std::string& file) const { return {source_, backup_.system, file, {}}; }

  TimelineHistory chosen(const std::string& timeline) {
    if (timeline == "current") return history_of(backup_.timeline);
    if (timeline.empty() || timeline == "latest") return latest();
    std::set<std::uint32_t> known{backup_.timeline};
    for (const std::string& file : listing_.histories) known.insert(*parse_history_file_name(file));
    const bool digits =
        timeline.find_first_not_of("0123456789") == std::string::npos && timeline.size() < 10;
    const auto wanted = digits ? static_cast<std::uint32_t>(std::stoul(timeline)) : 0;
    if (known.contains(wanted)) return history_of(wanted);
    throw Error(Code::kNotFound, "the log has no timeline '" + printable(timeline) + "'",
                fmt::format("the newest is {}", *known.rbegin()));
  }

  // Where more than one timeline goes on.
  TimelineHistory latest() {
    LogTimelines log{plan_.segment_size, {}, {}};
    log.histories.emplace(backup_.timeline, history_of(backup_.timeline));
    for (const std::string& file : listing_.histories) {
      const std::uint32_t timeline = *parse_history_file_name(file);
      if (timeline > backup_.timeline) log.histories.emplace(timeline, history_of(timeline));
    }
    if (log.histories.size() > 1) {
      for (const auto& [timeline, history] : log.histories) log.newest[timeline] = newest(timeline);
    }
    BranchChoice choice = choose_branch(vault_, log, backup_.timeline, parse_lsn(backup_.stop));
    plan_.others = std::move(choice.others);
    return std::move(choice.history);
  }

  // One object of each of the newest segments of `timeline`.
  std::vector<LogName> newest(std::uint32_t timeline) const {
    const std::string prefix = fmt::format("{:08X}", timeline);
    std::map<std::string, LogName> objects;
    for (auto one = listing_.pieces.lower_bound(prefix);
         one != listing_.pieces.end() && one->first.starts_with(prefix); ++one) {
      objects[one->first] = *std::max_element(
          one->second.begin(), one->second.end(),
          [](const LogName& a, const LogName& b) { return a.piece->end < b.piece->end; });
    }
    for (auto one = listing_.whole.lower_bound(prefix);
         one != listing_.whole.end() && one->starts_with(prefix); ++one) {
      objects[*one] = name(*one);
    }
    std::vector<LogName> newest;
    for (auto one = objects.rbegin(); one != objects.rend() && newest.size() < kBranchFiles;
         ++one) {
      newest.push_back(std::move(one->second));
    }
    return newest;
  }

  TimelineHistory history_of(std::uint32_t timeline) const {
    const auto log = read_log(vault_, name(history_file_name(timeline)));
    if (log) return TimelineHistory::parse(as_text(log->bytes), timeline);
    if (timeline == 1 || timeline == backup_.timeline) return TimelineHistory(timeline);
    throw Error(Code::kNotFound, "the log has no " + history_file_name(timeline),
                "choose another timeline: --timeline current");
  }

  std::uint32_t segment_size() const {
    const bool whole = !listing_.whole.empty();
    const LogName first =
        whole ? name(*listing_.whole.begin()) : listing_.pieces.begin()->second.front();
    const LogHeader header = read_log_header(vault_.store(), vault_.ring(), first);
    if (whole) return static_cast<std::uint32_t>(header.size);
    return nlohmann::json::parse(header.facts).value("segment_size", kWalSegmentSize);
  }

  // A segment in which a timeline begins is read from the newest one: it begins with a copy of what
  // came before.
  WalSegment segment_at(const TimelineHistory& history, std::uint64_t number) const {
    return {history.timeline_at((number + 1) * plan_.segment_size - 1), number};
  }

  void find_segments(const TimelineHistory& history) {
    std::uint64_t number = plan_.begin / plan_.segment_size;
    if (add_from_backup(history, number)) ++number;
    for (;; ++number) {
      const std::string file = segment_at(history, number).name(plan_.segment_size);
      const auto object = object_of(file);
      if (!object) break;
      plan_.segments.push_back({*object, {}});
      if (object->piece && object->piece->end < plan_.segment_size) break;
    }
    plan_.gap = first_gap();
    if (!plan_.gap) return;
    plan_.missing = segment_at(history, *plan_.gap / plan_.segment_size).name(plan_.segment_size);
  }

  // The segment in which the backup ends, where the log has less than all of it and goes on behind.
  bool add_from_backup(const TimelineHistory& history, std::uint64_t number) {
    const WalSegment own = segment_at(history, number);
    const auto stored = object_of(own.name(plan_.segment_size));
    if (stored && (!stored->piece || stored->piece->end >= plan_.segment_size)) return false;
    const auto next = object_of(segment_at(history, number + 1).name(plan_.segment_size));
    if (!next) return false;
    auto facts = start_in_backup(vault_, name_, own, plan_.segment_size, *next);
    if (!facts) return false;
    plan_.segments.push_back({name(own.name(plan_.segment_size)), *std::move(facts), true});
    return true;
  }

  // The file, or of its pieces the one that reaches furthest without a hole: it tells of all before
  // it.
  std::optional<LogName> object_of(const std::string& file) {
    if (listing_.whole.contains(file)) return name(file);
    const auto found = listing_.pieces.find(file);
    if (found == listing_.pieces.end()) return std::nullopt;
    std::vector<LogName>& pieces = found->second;
    std::sort(pieces.begin(), pieces.end(),
              [](const LogName& a, const LogName& b) { return a.piece->begin < b.piece->begin; });
    std::optional<LogName> furthest;
    for (const LogName& piece : pieces) {
      const std::uint32_t reach = furthest ? furthest->piece->end : 0;
      if (piece.piece->begin > reach) break;
      if (piece.piece->end > reach) furthest = piece;
    }
    return furthest;
  }

  // How many bytes of the last segment in a row there are.
  std::uint64_t reach() const {
    const auto& piece = plan_.segments.back().name.piece;
    return piece ? piece->end : plan_.segment_size;
  }

  // There is more of the same timeline behind what is in a row.
  std::optional<Lsn> first_gap() const {
    const Lsn next =
        plan_.segments.empty()
            ? plan_.begin - plan_.begin % plan_.segment_size
            : number_of(plan_.segments.back().name.file) * plan_.segment_size + reach();
    const WalSegment missing{plan_.timeline, next / plan_.segment_size};
    const std::string name = missing.name(plan_.segment_size);
    const auto is_behind = [&](const std::string& file) {
      return file > name && file.substr(0, 8) == name.substr(0, 8);
    };
    const auto whole = listing_.whole.upper_bound(name);
    const auto pieces = listing_.pieces.upper_bound(name);
    // Pieces of the missing segment itself, behind a hole.
    const auto own = listing_.pieces.find(name);
    const bool hole =
        own != listing_.pieces.end() &&
        std::any_of(own->second.begin(), own->second.end(), [&](const LogName& piece) {
          return piece.piece->begin > next % plan_.segment_size;
        });
    const bool more = hole || (whole != listing_.whole.end() && is_behind(*whole)) ||
                      (pieces != listing_.pieces.end() && is_behind(pieces->first));
    return more ? std::optional(next) : std::nullopt;
  }

  std::uint64_t number_of(const std::string& file) const {
    return parse_wal_segment(file, plan_.segment_size).value_or(WalSegment{}).number;
  }

  void read_facts() {
    const std::size_t count = plan_.segments.size();
    const std::size_t first = wanted_ == FactsWanted::kLast && count > 0 ? count - 1 : 0;
    at_once(
        vault_.store(), count - first,
        [&](std::size_t i) {
          LogStep& step = plan_.segments[first + i];
          if (step.in_backup) return;
          const LogHeader header = read_log_header(vault_.store(), vault_.ring(), step.name);
          step.facts = facts_from_json(nlohmann::json::parse(header.facts));
        },
        stop_);
  }

  // What is behind the record at `lsn`, which is in the segment `i`, is no use.
  void cut(std::size_t i, Lsn lsn) {
    plan_.segments.resize(i + 1);
    plan_.level_drop = lsn;
    plan_.gap.reset();
    plan_.missing.clear();
  }

  void cut_at_marks() {
    for (std::size_t i = 0; i < plan_.segments.size(); ++i) {
      const std::string& file = plan_.segments[i].name.file;
      const auto found = listing_.level_drops.find(file);
      if (found == listing_.level_drops.end()) continue;
      const Lsn lsn = number_of(file) * plan_.segment_size + found->second;
      if (lsn > plan_.begin) return cut(i, lsn);
    }
  }

  // The record may go from one segment into the next, and then has no mark.
  static std::optional<LevelDrop> drop_between(const LogFacts& a, const LogFacts& b) {
    if (!a.head || !may_drop_level(a.head->bytes)) return std::nullopt;
    return merge(a, b).level_drop;
  }

  void cut_at_facts() {
    for (std::size_t i = 0; i < plan_.segments.size(); ++i) {
      LogFacts& facts = plan_.segments[i].facts;
      auto drop = facts.level_drop;
      if (!drop && i + 1 < plan_.segments.size() &&
          facts.end_lsn == plan_.segments[i + 1].facts.begin_lsn) {
        drop = drop_between(facts, plan_.segments[i + 1].facts);
        if (drop && drop->lsn >= facts.end_lsn) drop.reset();  // that of the next one
      }
      if (!drop || drop->lsn <= plan_.begin) continue;
      facts.last_record_lsn = drop->previous;
      facts.end_lsn = facts.last_lsn = drop->lsn;
      facts.head.reset();
      return cut(i, drop->lsn);
    }
  }

  void sum_up() {
    for (const LogStep& step : plan_.segments) {
      plan_.end = std::max(plan_.end, step.facts.last_lsn);
      // A record that began in the segment before may be all that there is.
      if (step.facts.tail) plan_.end = std::max(plan_.end, step.facts.tail->end_lsn);
      if (step.facts.last_commit) plan_.last_commit = step.facts.last_commit;
    }
  }

  const Vault& vault_;
  const BackupName& name_;
  const std::string& source_;
  const DatabaseFacts& backup_;
  std::stop_token stop_;
  const FactsWanted wanted_;
  Listing listing_;
  LogPlan plan_;
};

std::string moment_text(const LogMoment& moment) {
  return fmt::format("{} ({})", format_rfc3339(moment.time, true), format_lsn(moment.lsn));
}

}  // namespace

std::optional<LogPlan> plan_log(const Vault& vault, const BackupSummary& backup,
                                const std::string& timeline, std::stop_token stop,
                                FactsWanted wanted) {
  return Planner(vault, backup, std::move(stop), wanted).plan(timeline);
}

std::vector<LogName> log_histories(const Vault& vault, const std::string& source,
                                   const std::string& system) {
  std::vector<LogName> histories;
  for (const std::string& file : list_stream(vault, source, system).histories) {
    histories.push_back({source, system, file, {}});
  }
  return histories;
}

std::string span_text(const LogPlan& plan, Timestamp backup_consistent) {
  std::string text = format_rfc3339(backup_consistent) + " to ";
  text += plan.last_commit ? moment_text(*plan.last_commit) : format_lsn(plan.end);
  if (!plan.others.empty()) text += fmt::format(" on timeline {}", plan.timeline);
  if (plan.level_drop) {
    text += fmt::format(
        "; at {} the server went on with wal_level = minimal, and log behind that cannot be "
        "replayed",
        format_lsn(*plan.level_drop));
  } else if (plan.gap) {
    text += fmt::format("; the log is interrupted at {}: {} is missing", format_lsn(*plan.gap),
                        plan.missing);
  }
  return text + branches_text(plan.others);
}

void require_reachable(const LogPlan& plan, const RecoveryTarget& target,
                       Timestamp backup_consistent) {
  const std::string can =
      "this backup and the log reach from " + span_text(plan, backup_consistent);
  const auto refuse = [&](const std::string& why) {
    throw Error(Code::kNotFound, why, can + "; choose a moment in it, or another backup");
  };
  if (const auto* time = std::get_if<Timestamp>(&target.at); time && *time < backup_consistent) {
    refuse("the backup was made after the moment asked for, " + format_rfc3339(*time));
  }
  std::vector<LogFacts> log;
  for (const LogStep& step : plan.segments) log.push_back(step.facts);
  const Location location = locate(log, target);
  std::string near;
  if (location.before) near += "; before it there is a commit at " + moment_text(*location.before);
  if (location.after) near += "; after it there is one at " + moment_text(*location.after);
  const bool reachable = location.reach == Reach::kReachable || location.reach == Reach::kPossible;
  if (plan.level_drop && !reachable && location.reach != Reach::kBeforeFirst) {
    refuse(
        "the log that can be replayed does not have the moment asked for: the server went on with "
        "wal_level = minimal, and only a backup made after the level was raised again leads to "
        "what came then" +
        near + "; without a target it recovers to the end of what can be replayed");
  }
  switch (location.reach) {
    case Reach::kReachable:
    case Reach::kPossible:
      return;
    case Reach::kBeforeFirst:
      refuse("the moment asked for lies before what the log has" + near);
      break;
    case Reach::kAtEnd:
    case Reach::kAfterLast:
      if (plan.gap) refuse("the log is interrupted before the moment asked for" + near);
      refuse(
          "the log ends before the moment asked for, so that a server could not know when to "
          "stop" +
          near + "; without a target it recovers to the end of the log");
      break;
    case Reach::kAfterGap:
      refuse("the log is interrupted before the moment asked for" + near);
      break;
    case Reach::kNotFound:
      refuse("the log has no such transaction or restore point");
      break;
  }
}

namespace {

// The segment in which the level drops, with zeros from there on. False when it vanished.
bool fetch_cut(const Vault& vault, const LogPlan& plan, const LogName& segment,
               const std::string& path) {
  auto file = read_log(vault, segment);
  if (!file) return false;
  const std::size_t keep = static_cast<std::size_t>(*plan.level_drop % plan.segment_size);
  file->bytes.resize(std::min(file->bytes.size(), keep));
  file->bytes.resize(plan.segment_size);
  write_file_atomic(path, file->bytes, 0600);
  return true;
}

std::vector<LogName> files_of(const LogPlan& plan) {
  std::vector<LogName> files = plan.histories;
  for (const LogStep& step : plan.segments) {
    if (step.in_backup) continue;
    const LogName whole = step.name.whole();
    if (files.empty() || files.back() != whole) files.push_back(whole);
  }
  return files;
}

}  // namespace

std::uint64_t bytes_to_fetch(const LogPlan& plan, const std::string& directory) {
  std::uint64_t bytes = 0;
  for (const LogName& name : files_of(plan)) {
    const std::uint64_t size = parse_history_file_name(name.file) ? kBlock : plan.segment_size;
    struct stat status {};
    const bool there = ::lstat((directory + "/" + name.file).c_str(), &status) == 0;
    const std::uint64_t held = there ? static_cast<std::uint64_t>(status.st_blocks) * 512 : 0;
    bytes += size - std::min(size, held);
  }
  return bytes;
}

void fetch_log_plan(const Vault& vault, const LogPlan& plan, const std::string& directory,
                    std::stop_token stop) {
  const std::vector<LogName> files = files_of(plan);
  at_once(
      vault.store(), files.size(),
      [&](std::size_t i) {
        const std::string path = directory + "/" + files[i].file;
        const bool last = i + 1 == files.size();
        const bool fetched = last && plan.level_drop
                                 ? fetch_cut(vault, plan, files[i], path)
                                 : fetch_log(vault, files[i], path, [&](ByteView) {
                                     return plan.segment_size;
                                   }).has_value();
        if (!fetched) {
          throw Error(Code::kNotFound, files[i].file + " vanished from the log",
                      "run the restore again");
        }
      },
      stop);
}

}  // namespace holdfast
