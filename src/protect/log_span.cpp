#include "protect/log_span.h"

#include <algorithm>
#include <map>

#include "base/error.h"
#include "protect/binlog_recovery.h"
#include "protect/log_inventory.h"
#include "protect/log_recovery.h"

namespace holdfast {
namespace {

// Of a source with many backups behind gaps, not every one is tried.
constexpr std::size_t kMostTries = 16;
// ... and fewer before the newest span: each lists the log, and most have none any more.
constexpr std::size_t kTriesBehind = 4;
constexpr std::size_t kMostSpans = 16;

// How far the log behind one backup leads.
struct Reach {
  std::string log;  // which: two that end at one position are two all the same
  std::optional<Timestamp> to;
  std::string end;
  std::string gap;
  std::string missing = {};
  std::string level_drop = {};
  std::uint32_t timeline = 0;
  std::vector<LogBranch> others = {};
  bool alone = false;
};

// What is behind a backup that the log does not lead on from is that backup alone.
enum class Alone {
  kNothing,
  kIfInterrupted,  // it reaches itself, when there is log that should lead on from it
};

Reach alone(const BackupSummary& backup, const LogPlan& plan) {
  Reach reach{std::to_string(plan.timeline), std::nullopt, backup.database->stop,
              format_lsn(*plan.gap), plan.missing};
  reach.timeline = plan.timeline;
  reach.alone = true;
  return reach;
}

std::optional<Reach> postgres_reach(const Vault& vault, const BackupSummary& backup, Alone wanted,
                                    std::stop_token stop) {
  const auto plan = plan_log(vault, backup, "latest", std::move(stop), FactsWanted::kLast);
  if (!plan) return std::nullopt;
  if (plan->segments.empty()) {
    // A key that may not read cannot tell whether the backup's own log leads on.
    const bool known = plan->gap && vault.ring().can_read();
    return known && wanted == Alone::kIfInterrupted ? std::optional(alone(backup, *plan))
                                                    : std::nullopt;
  }
  Reach reach{std::to_string(plan->timeline), std::nullopt, format_lsn(plan->end), ""};
  if (plan->last_commit) reach.to = plan->last_commit->time;
  if (plan->gap) reach.gap = format_lsn(*plan->gap);
  reach.missing = plan->missing;
  if (plan->level_drop) reach.level_drop = format_lsn(*plan->level_drop);
  reach.timeline = plan->timeline;
  reach.others = plan->others;
  return reach;
}

std::optional<Reach> mariadb_reach(const Vault& vault, const BackupSummary& backup,
                                   std::stop_token stop) {
  const auto plan = plan_binlog(vault, backup, std::move(stop), BinlogFactsWanted::kEnds);
  if (!plan) return std::nullopt;
  Reach reach{plan->stream, std::nullopt, plan->end.text(), plan->gap};
  if (plan->last) reach.to = Timestamp(std::chrono::seconds{plan->last->time});
  return reach;
}

std::optional<Reach> reach_of(const Vault& vault, const BackupSummary& backup, Alone alone,
                              std::stop_token stop) {
  try {
    return backup.database->engine == "postgresql"
               ? postgres_reach(vault, backup, alone, std::move(stop))
               : mariadb_reach(vault, backup, std::move(stop));
  } catch (const Error& error) {
    if (error.code() == Code::kNotFound) return std::nullopt;
    throw;
  }
}

// A cluster of PostgreSQL has an identity of its own; a MariaDB log is known by its positions.
bool same_server(const BackupSummary& a, const BackupSummary& b) {
  return a.database->engine == b.database->engine &&
         (has_binary_log(a.database->engine) || a.database->system == b.database->system);
}

// Few are tried one by one. Of many, halving finds the oldest: where the log leads from one backup
// it leads from every newer one, too, but for those of a timeline that was left.
const BackupSummary& oldest_that_leads_to(const Vault& vault,
                                          const std::vector<BackupSummary>& backups,
                                          const BackupSummary& newest, const Reach& wanted,
                                          const std::stop_token& stop) {
  std::vector<const BackupSummary*> candidates;
  for (const BackupSummary& backup : backups) {
    if (same_server(backup, newest)) candidates.push_back(&backup);
    if (&backup == &newest) break;
  }
  const auto leads = [&](const BackupSummary* backup) {
    const auto reach = reach_of(vault, *backup, Alone::kNothing, stop);
    return reach && reach->log == wanted.log && reach->end == wanted.end;
  };
  const auto last = std::prev(candidates.end());
  if (candidates.size() <= kMostTries) return **std::find_if(candidates.begin(), last, leads);
  return **std::partition_point(candidates.begin(), last,
                                [&](const auto* backup) { return !leads(backup); });
}

// The newest span that `backups` have; with its oldest backup, which is one of them. `of_newest`:
// what counts as the newest backup's.
struct Found {
  LogSpan span;
  const BackupSummary* oldest = nullptr;
};
std::optional<Found> newest_span(const Vault& vault, const std::vector<BackupSummary>& backups,
                                 std::size_t most_tries, Alone of_newest, std::stop_token stop) {
  const BackupSummary& newest = backups.back();
  std::optional<Reach> reach;
  auto followed = backups.rbegin();
  for (std::size_t tries = 0; followed != backups.rend() && tries < most_tries;
       ++followed, ++tries) {
    if (!same_server(*followed, newest)) continue;
    reach = reach_of(vault, *followed, tries == 0 ? of_newest : Alone::kNothing, stop);
    if (reach) break;
  }
  if (!reach) return std::nullopt;
  Found found;
  found.oldest = &oldest_that_leads_to(vault, backups, *followed, *reach, stop);
  LogSpan& span = found.span;
  span.source = newest.name.source;
  span.engine = newest.database->engine;
  span.from = found.oldest->consistent;
  span.newest_backup = followed->consistent;
  span.stopped = followed != backups.rbegin();
  span.to = reach->to;
  span.end = reach->end;
  span.gap = reach->gap;
  span.missing = reach->missing;
  span.alone = reach->alone;
  span.level_drop = reach->level_drop;
  span.timeline = reach->timeline;
  span.others = reach->others;
  return found;
}

// Of one source, the newest first.
void add_spans(const Vault& vault, std::vector<BackupSummary> backups, std::vector<LogSpan>& spans,
               const std::stop_token& stop) {
  std::size_t tries = kMostTries;
  for (std::size_t count = 0; !backups.empty() && count < kMostSpans; ++count) {
    // Older ones that led nowhere are no news.
    const Alone alone = count == 0 ? Alone::kIfInterrupted : Alone::kNothing;
    auto found = newest_span(vault, backups, tries, alone, stop);
    if (!found) return;
    tries = kTriesBehind;
    found->span.newest = count == 0;
    spans.push_back(std::move(found->span));
    backups.resize(static_cast<std::size_t>(found->oldest - backups.data()));
  }
}

}  // namespace

std::vector<LogSpan> log_spans(const Vault& vault, const std::vector<BackupSummary>& backups,
                               std::stop_token stop) {
  std::map<std::string, std::vector<BackupSummary>> by_source;
  for (const BackupSummary& backup : backups) {
    if (!backup.database || !begins_recovery(*backup.database)) continue;
    by_source[backup.name.source].push_back(backup);
  }
  std::vector<LogSpan> spans;
  for (const auto& [source, of_source] : by_source) {
    add_spans(vault, of_source, spans, stop);
  }
  return spans;
}

}  // namespace holdfast
