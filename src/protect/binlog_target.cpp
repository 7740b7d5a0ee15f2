// Finding the end of a recovery in a plan: binlog_recovery.h.
#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "protect/binlog_recovery.h"
#include "protect/log_archive.h"

namespace holdfast {
namespace {

// Seconds. A transaction has the time at which its last statement began: a long one comes behind
// later ones, and that is no sign of a wrong time.
constexpr std::uint32_t kLongStatement = 120;

Timestamp time_of(const BinlogTransaction& transaction) {
  return Timestamp(std::chrono::seconds{transaction.time});
}

std::string moment_text(const BinlogTransaction& transaction) {
  return format_rfc3339(time_of(transaction)) + " (" + to_text(transaction.gtid) + ")";
}

class EndFinder {
 public:
  EndFinder(const Vault& vault, const BinlogPlan& plan, Timestamp consistent)
      : vault_(vault), plan_(plan), consistent_(consistent), backup_(plan.begin.gtid) {
    end_.file = plan.begin.file;
    end_.offset = plan.begin.offset;
    end_.position = backup_;
  }

  // The backup's place must be one between two transactions, at its GTID.
  void check_begin() const {
    const BinlogStep& step = plan_.chunks.front();
    BinlogFollower follower(step.facts.from);
    bool found = false;
    feed(step, follower, [&](const BinlogEvent& event, const auto&) {
      if (event.next != static_cast<std::uint32_t>(plan_.begin.offset)) return;
      const BinlogState state = follower.state();
      found =
          !state.open && state.position.agrees_with(backup_) && backup_.contains(state.position);
    });
    if (found) return;
    throw Error(Code::kConflict,
                "the log in the vault is another one than that of the backup: it was not at " +
                    plan_.begin.gtid + " at byte " + std::to_string(plan_.begin.offset) + " of " +
                    plan_.begin.file,
                "restore the backup alone (--to-immediate), or another one");
  }

  BinlogEnd of_log() {
    const BinlogChunkFacts& facts = plan_.chunks.back().facts;
    end_.file = facts.file;
    // A transaction that is not whole is left out.
    end_.offset = facts.to.open ? facts.to.open->begin : facts.to.offset;
    end_.position = plan_.end;
    end_.last = plan_.last;
    if (end_.file == plan_.begin.file) end_.offset = std::max(end_.offset, plan_.begin.offset);
    return end_;
  }

  BinlogEnd at_time(Timestamp time, bool inclusive) {
    if (time < consistent_) {
      refuse("the backup was made after the moment asked for, " + format_rfc3339(time));
    }
    const auto second = std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count();
    const auto is_later = [&](std::uint32_t when) {
      return inclusive ? when > second : when >= second;
    };
    std::optional<BinlogTransaction> first;
    const auto is_it = [&](const BinlogTransaction& transaction, const GtidPosition&) {
      if (!is_later(transaction.time)) return false;
      first = transaction;
      return true;
    };
    const auto look_behind = [&](const BinlogTransaction& transaction) {
      if (is_later(transaction.time)) return;
      if (first->time > transaction.time + kLongStatement) end_.too_late = first;
    };
    const bool found = search([&](const BinlogChunkFacts& facts) { return is_later(facts.latest); },
                              is_it, false, look_behind);
    if (!found) refuse_end(format_rfc3339(time));
    return end_;
  }

  BinlogEnd at_position(const GtidPosition& wanted, bool inclusive) {
    if (backup_.contains(wanted)) {
      if (inclusive && backup_.stands_at(wanted)) return end_;
      refuse("the backup was made after " + wanted.text() + ": it has " + backup_.text());
    }
    const bool found =
        search([&](const BinlogChunkFacts& facts) { return facts.to.position.contains(wanted); },
               [&](const BinlogTransaction&, const GtidPosition& after) {
                 if (!after.contains(wanted)) return false;
                 if (!after.stands_at(wanted)) {
                   refuse("there was no moment at which the log was at " + wanted.text() +
                          "; the first one behind it is " + after.text());
                 }
                 return true;
               },
               inclusive, [](const BinlogTransaction&) {});
    if (!found) refuse_end(wanted.text());
    return end_;
  }

 private:
  [[noreturn]] void refuse(const std::string& why) const {
    throw Error(Code::kNotFound, why,
                "this backup and the log reach from " + span_text(plan_, consistent_) +
                    "; choose a moment in it, or another backup");
  }

  [[noreturn]] void refuse_end(const std::string& wanted) const {
    std::string why = plan_.gap.empty() ? "the log ends before " + wanted
                                        : "the log is interrupted before " + wanted;
    if (plan_.last) why += "; its last commit is of " + moment_text(*plan_.last);
    if (plan_.gap.empty()) why += ". Without a target it is recovered to its end";
    why += later_log();
    refuse(why);
  }

  // What another history of the source has, which a recovery does not go on to: "" without one.
  std::string later_log() const {
    for (const StoredBinlogs& log : list_binlogs(vault_, plan_.source)) {
      if (log.stream <= plan_.stream || log.files.empty() || log.files[0].chunks.empty()) continue;
      const BinlogChunkFacts facts = read_chunk_facts(vault_, log.files[0].chunks[0].name);
      const std::string first = first_backup_of(log.stream);
      return fmt::format(
          ". Another log of {} begins at {}, of server {}; no recovery goes on to it, but {}",
          plan_.source, format_rfc3339(Timestamp(std::chrono::seconds{facts.created})),
          facts.server,
          first.empty() ? "a backup made with it would reach its moments, and there is none yet"
                        : "moments from " + first + " on can be restored from that");
    }
    return "";
  }

  std::string first_backup_of(const std::string& stream) const {
    for (const BackupName& name : list_backups(vault_.store())) {
      if (name.source != plan_.source || name.backup_class != "database") continue;
      const BackupSummary summary = read_backup(vault_, name).summary;
      if (!summary.database || !has_binary_log(summary.database->engine)) continue;
      const auto plan = plan_binlog(vault_, summary, {}, BinlogFactsWanted::kEnds);
      if (plan && plan->stream == stream) return name.id();
    }
    return "";
  }

  // Goes through the transactions behind the backup, as far as `may_be` says of chunks, to the
  // first one of which `is_it` is true. The end is behind it, or before it. `look_behind` gets
  // those behind it in its chunk, and the first and last ones of later chunks, for which nothing
  // has to be read.
  template <typename MayBe, typename IsIt, typename LookBehind>
  bool search(const MayBe& may_be, const IsIt& is_it, bool behind, const LookBehind& look_behind) {
    bool found = false;
    for (const BinlogStep& step : plan_.chunks) {
      if (found) {
        for (const auto& one : {step.facts.first, step.facts.last}) {
          if (one) look_behind(*one);
        }
      } else if (may_be(step.facts)) {
        found = search_chunk(step, is_it, behind, look_behind);
      } else {
        pass(step.facts);
      }
    }
    return found;
  }

  void pass(const BinlogChunkFacts& facts) {
    if (!facts.last || backup_.contains(facts.last->gtid)) return;
    end_.position.advance(facts.to.position);
    end_.last = facts.last;
  }

  template <typename IsIt, typename LookBehind>
  bool search_chunk(const BinlogStep& step, const IsIt& is_it, bool behind,
                    const LookBehind& look_behind) {
    BinlogFollower follower(step.facts.from);
    bool found = false;
    const BinlogFollower::Handler handler = [&](const BinlogEvent&, const auto& completed) {
      if (!completed || is_before_backup(step.facts, *completed)) return;
      if (found) return look_behind(*completed);
      GtidPosition after = end_.position;
      after.advance(completed->gtid);
      found = is_it(*completed, after);
      if (found) {
        end_.file = step.facts.file;
        end_.offset = behind ? completed->end : completed->begin;
      }
      if (found && !behind) return;
      end_.position = after;
      end_.last = *completed;
    };
    feed(step, follower, handler);
    return found;
  }

  bool is_before_backup(const BinlogChunkFacts& facts, const BinlogTransaction& transaction) const {
    return facts.file == plan_.begin.file && transaction.end <= plan_.begin.offset;
  }

  // From the last place between two events before the chunk, which may lie in an earlier one.
  void feed(const BinlogStep& step, BinlogFollower& follower,
            const BinlogFollower::Handler& handler) const {
    std::uint64_t at = step.facts.from.offset;
    while (at < step.facts.end) {
      const auto number = static_cast<std::uint32_t>(at / kBinlogChunk);
      const LogName name{
          plan_.source, plan_.stream, binlog_chunk_name(step.facts.file, number), {}};
      const auto file = read_log(vault_, name);
      const std::uint64_t begin = std::uint64_t{number} * kBinlogChunk;
      const std::uint64_t end = std::min(begin + kBinlogChunk, step.facts.end);
      if (!file || file->bytes.size() < end - begin) {
        throw Error(Code::kCorrupt, name.key() + " is not there, or shorter than it was",
                    "run the restore again, or restore it from another copy of the vault");
      }
      follower.feed(ByteView(file->bytes)
                        .first(static_cast<std::size_t>(end - begin))
                        .subspan(static_cast<std::size_t>(at - begin)),
                    handler);
      at = end;
    }
  }

  const Vault& vault_;
  const BinlogPlan& plan_;
  const Timestamp consistent_;
  const GtidPosition backup_;
  BinlogEnd end_;
};

}  // namespace

BinlogEnd find_binlog_end(const Vault& vault, const BinlogPlan& plan,
                          const std::optional<BinlogTarget>& target, Timestamp backup_consistent) {
  EndFinder finder(vault, plan, backup_consistent);
  finder.check_begin();
  if (!target) return finder.of_log();
  if (const auto* time = std::get_if<Timestamp>(&target->at)) {
    return finder.at_time(*time, target->inclusive);
  }
  return finder.at_position(std::get<GtidPosition>(target->at), target->inclusive);
}

}  // namespace holdfast
