#include "protect/log_span.h"

#include <algorithm>
#include <map>

#include "base/error.h"

namespace holdfast {
namespace {

// Of a source with many backups behind gaps, not every one is tried.
constexpr std::size_t kMostTries = 16;

std::optional<LogPlan> plan_quickly(const Vault& vault, const BackupSummary& backup,
                                    std::stop_token stop) {
  try {
    return plan_log(vault, backup.name.source, *backup.database, "latest", std::move(stop),
                    FactsWanted::kLast);
  } catch (const Error& error) {
    if (error.code() == Code::kNotFound) return std::nullopt;
    throw;
  }
}

// Few are tried one by one. Of many, halving finds the oldest: where the log leads from one backup
// it leads from every newer one, too, but for those of a timeline that was left.
const BackupSummary& oldest_that_leads_to(const Vault& vault,
                                          const std::vector<BackupSummary>& backups,
                                          const BackupSummary& newest, Lsn end,
                                          const std::stop_token& stop) {
  std::vector<const BackupSummary*> candidates;
  for (const BackupSummary& backup : backups) {
    if (backup.database->system == newest.database->system) candidates.push_back(&backup);
    if (&backup == &newest) break;
  }
  const auto leads = [&](const BackupSummary* backup) {
    const auto plan = plan_quickly(vault, *backup, stop);
    return plan && plan->end == end;
  };
  const auto last = std::prev(candidates.end());
  if (candidates.size() <= kMostTries) return **std::find_if(candidates.begin(), last, leads);
  return **std::partition_point(candidates.begin(), last,
                                [&](const auto* backup) { return !leads(backup); });
}

std::optional<LogSpan> span_of(const Vault& vault, const std::vector<BackupSummary>& backups,
                               std::stop_token stop) {
  const BackupSummary& newest = backups.back();
  std::optional<LogPlan> plan;
  auto followed = backups.rbegin();
  for (std::size_t tries = 0; followed != backups.rend() && tries < kMostTries;
       ++followed, ++tries) {
    if (followed->database->system != newest.database->system) continue;
    plan = plan_quickly(vault, *followed, stop);
    if (plan && !plan->segments.empty()) break;
  }
  if (!plan || plan->segments.empty()) return std::nullopt;
  LogSpan span;
  span.source = newest.name.source;
  span.from = span.newest_backup = followed->consistent;
  span.stopped = followed != backups.rbegin();
  span.to = plan->last_commit;
  span.end = plan->end;
  span.gap = plan->gap;
  span.from = oldest_that_leads_to(vault, backups, *followed, plan->end, stop).consistent;
  return span;
}

}  // namespace

std::vector<LogSpan> log_spans(const Vault& vault, const std::vector<BackupSummary>& backups,
                               std::stop_token stop) {
  std::map<std::string, std::vector<BackupSummary>> by_source;
  for (const BackupSummary& backup : backups) {
    if (!backup.database || backup.database->engine != "postgresql") continue;
    if (backup.database->method == "physical") by_source[backup.name.source].push_back(backup);
  }
  std::vector<LogSpan> spans;
  for (const auto& [source, of_source] : by_source) {
    if (auto span = span_of(vault, of_source, stop)) spans.push_back(std::move(*span));
  }
  return spans;
}

}  // namespace holdfast
