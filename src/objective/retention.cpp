#include "objective/retention.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <optional>
#include <span>
#include <tuple>
#include <utility>

namespace holdfast {
namespace {

using std::chrono::days;
using Group = std::span<RetentionDecision*>;

constexpr Duration kDefaultWithin = days{90};

// The name of the hour, day, ... that a moment lies in; equal exactly for the same one.
using Bucket = std::string (*)(Timestamp);

std::string hour_of(Timestamp time) { return format_rfc3339(time).substr(0, 13); }
std::string month_of(Timestamp time) { return format_date(time).substr(0, 7); }
std::string year_of(Timestamp time) { return format_date(time).substr(0, 4); }

// ISO 8601: weeks begin on Monday and belong to the year that has their Thursday.
std::string week_of(Timestamp time) {
  const auto day = std::chrono::floor<days>(time);
  const std::chrono::weekday weekday{day};
  const auto thursday = day - days{weekday.iso_encoding() - 1} + days{3};
  const auto year = std::chrono::year_month_day{thursday}.year();
  const auto new_year = std::chrono::sys_days{year / std::chrono::January / 1};
  return fmt::format("{:04}-W{:02}", static_cast<int>(year), (thursday - new_year).count() / 7 + 1);
}

void keep(RetentionDecision& decision, std::string reason) {
  decision.keep = true;
  decision.reasons.push_back(std::move(reason));
}

// `newest_first` in all of the following.
void keep_last(Group newest_first, unsigned count) {
  for (std::size_t i = 0; i < newest_first.size() && i < count; ++i) {
    keep(*newest_first[i], fmt::format("last {}", i + 1));
  }
}

void keep_buckets(Group newest_first, unsigned count, std::string_view name, Bucket bucket_of) {
  std::string previous;
  unsigned kept = 0;
  for (RetentionDecision* decision : newest_first) {
    std::string bucket = bucket_of(decision->backup.time);
    if (bucket == previous) continue;
    if (kept++ == count) return;
    keep(*decision, fmt::format("{} {}", name, bucket));
    previous = std::move(bucket);
  }
}

void keep_within(Group newest_first, Duration within, Timestamp now) {
  for (RetentionDecision* decision : newest_first) {
    if (decision->backup.time <= now - within) return;
    keep(*decision, "within " + format_duration(within));
  }
}

bool has_no_rule(const RetentionPolicy& policy) { return policy == RetentionPolicy{}; }

void apply(Group newest_first, const RetentionPolicy& policy, Timestamp now) {
  const auto buckets = [&](const std::optional<unsigned>& count, std::string_view name,
                           Bucket bucket_of) {
    if (count) keep_buckets(newest_first, *count, name, bucket_of);
  };
  if (policy.keep_last) keep_last(newest_first, *policy.keep_last);
  buckets(policy.keep_hourly, "hourly", hour_of);
  buckets(policy.keep_daily, "daily", format_date);
  buckets(policy.keep_weekly, "weekly", week_of);
  buckets(policy.keep_monthly, "monthly", month_of);
  buckets(policy.keep_yearly, "yearly", year_of);
  if (policy.keep_within) keep_within(newest_first, *policy.keep_within, now);
  if (has_no_rule(policy)) keep_within(newest_first, kDefaultWithin, now);
}

void decide(Group newest_first, const RetentionPolicy& policy, Timestamp now) {
  keep(*newest_first.front(), "newest");
  const auto is_past = [&](const RetentionDecision* d) { return d->backup.time <= now; };
  const auto past = std::find_if(newest_first.begin(), newest_first.end(), is_past);
  for (auto future = newest_first.begin(); future != past; ++future) {
    keep(**future, "in the future");
  }
  const Group rest = newest_first.subspan(static_cast<std::size_t>(past - newest_first.begin()));
  // The clock that made a future backup is wrong, so that it may in truth be old: the newest of
  // the others is kept as well.
  if (past != newest_first.begin() && !rest.empty()) keep(*rest.front(), "newest of the past");
  apply(rest, policy, now);
  for (RetentionDecision* decision : newest_first) {
    if (!decision->keep) decision->reasons.emplace_back("no rule keeps it");
  }
}

}  // namespace

std::vector<RetentionDecision> plan_retention(std::vector<RetentionCandidate> backups,
                                              const PolicyLookup& policy_of, Timestamp now) {
  std::sort(backups.begin(), backups.end(), [](const auto& a, const auto& b) {
    return std::tie(a.time, a.id, a.backup_class, a.source) <
           std::tie(b.time, b.id, b.backup_class, b.source);
  });
  std::vector<RetentionDecision> plan;
  plan.reserve(backups.size());
  for (RetentionCandidate& backup : backups) plan.push_back({std::move(backup), false, {}});
  std::map<std::pair<std::string, std::string>, std::vector<RetentionDecision*>> groups;
  for (auto decision = plan.rbegin(); decision != plan.rend(); ++decision) {
    groups[{decision->backup.backup_class, decision->backup.source}].push_back(&*decision);
  }
  for (auto& [key, newest_first] : groups) {
    decide(newest_first, policy_of(key.first, key.second), now);
  }
  return plan;
}

}  // namespace holdfast
