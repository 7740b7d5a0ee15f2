#include "protect/log_span.h"

#include <algorithm>
#include <map>

#include "base/error.h"
#include "protect/binlog_recovery.h"
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
  std::string level_drop = {};
  std::uint32_t timeline = 0;
  std::vector<LogBranch> others = {};
};

std::optional<Reach> postgres_reach(const Vault& vault, const BackupSummary& backup,
                                    std::stop_token stop) {
  const auto plan = plan_log(vault, backup.name.source, *backup.database, "latest", std::move(stop),
                             FactsWanted::kLast);
  if (!plan || plan->segments.empty()) return std::nullopt;
  Reach reach{std::to_string(plan->timeline), std::nullopt, format_lsn(plan->end), ""};
  if (plan->last_commit) reach.to = plan->last_commit->time;
  if (plan->gap) reach.gap = format_lsn(*plan->gap);
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

std::optional<Reach> reach_of(const Vault& vault, const BackupSummary& backup,
                              std::stop_token stop) {
  try {
    return backup.database->engine == "postgresql" ? postgres_reach(vault, backup, std::move(stop))
                                                   : mariadb_reach(vault, backup, std::move(stop));
  } catch (const Error& error) {
    if (error.code() == Code::kNotFound) return std::nullopt;
    throw;
  }
}

// A cluster of PostgreSQL has an identity of its own; a MariaDB log is known by its positions.
bool same_server(const BackupSummary& a, const BackupSummary& b) {
  return a.database->engine == b.database->engine &&
         (a.database->engine == "mariadb" || a.database->system == b.database->system);
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
    const auto reach = reach_of(vault, *backup, stop);
    return reach && reach->log == wanted.log && reach->end == wanted.end;
  };
  const auto last = std::prev(candidates.end());
  if (candidates.size() <= kMostTries) return **std::find_if(candidates.begin(), last, leads);
  return **std::partition_point(candidates.begin(), last,
                                [&](const auto* backup) { return !leads(backup); });
}

// The newest span that `backups` have; with its oldest backup, which is one of them.
struct Found {
  LogSpan span;
  const BackupSummary* oldest = nullptr;
};
std::optional<Found> newest_span(const Vault& vault, const std::vector<BackupSummary>& backups,
                                 std::size_t most_tries, std::stop_token stop) {
  const BackupSummary& newest = backups.back();
  std::optional<Reach> reach;
  auto followed = backups.rbegin();
  for (std::size_t tries = 0; followed != backups.rend() && tries < most_tries;
       ++followed, ++tries) {
    if (!same_server(*followed, newest)) continue;
    reach = reach_of(vault, *followed, stop);
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
    auto found = newest_span(vault, backups, tries, stop);
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
    if (!backup.database || backup.database->method != "physical") continue;
    const std::string& engine = backup.database->engine;
    if (engine != "postgresql" && engine != "mariadb") continue;
    by_source[backup.name.source].push_back(backup);
  }
  std::vector<LogSpan> spans;
  for (const auto& [source, of_source] : by_source) {
    add_spans(vault, of_source, spans, stop);
  }
  return spans;
}

}  // namespace holdfast
