#include "objective/lifecycle.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <set>

#include "base/human.h"
#include "vault/backup_object.h"

namespace holdfast {
namespace {

using std::chrono::days;

// Source: S3 User Guide, "Understanding and managing Amazon S3 storage classes": what is removed
// or moved earlier is billed for so many days all the same.
unsigned least_stay(std::string_view storage_class) {
  if (storage_class == "STANDARD_IA" || storage_class == "ONEZONE_IA") return 30;
  if (storage_class == "GLACIER" || storage_class == "GLACIER_IR") return 90;
  return storage_class == "DEEP_ARCHIVE" ? 180 : 0;
}

unsigned whole_days(Duration duration) {
  return static_cast<unsigned>(std::chrono::floor<days>(duration).count());
}

std::string days_text(unsigned count) { return plural(count, "day"); }

class Planner {
 public:
  explicit Planner(const LifecycleRequest& request) : request_(request) {
    for (const LifecycleSource& source : request.sources) in_use_.insert(source.backup_class);
  }

  LifecyclePlan plan();

 private:
  using Wish = std::optional<Duration> LifecyclePolicy::*;

  void note(std::string text) { plan_.notes.push_back(std::move(text)); }
  const LifecyclePolicy* policy_of(const std::string& backup_class) const {
    const auto found = request_.policy.classes.find(backup_class);
    return found == request_.policy.classes.end() ? nullptr : &found->second;
  }
  // The latest day that a class in use asks for; `why` says which.
  std::optional<unsigned> latest(Wish wish, std::string& why) const;
  std::optional<unsigned> infrequent_access(std::string& why) const;
  std::optional<unsigned> archive(std::optional<unsigned> infrequent, std::string& why);
  void add_data_rule();
  void add_version_rules();
  void set_versions(PlannedRule& planned, unsigned count) const;
  PlannedRule& add_rule(const std::string& name, const std::string& prefix);
  void note_small_packs(const LifecycleRule& rule);
  void note_unused_classes();
  void compare_with_retention();
  void note_short_stay(const LifecycleRule& rule);

  const LifecycleRequest& request_;
  std::set<std::string> in_use_;
  LifecyclePlan plan_;
};

std::optional<unsigned> Planner::latest(Wish wish, std::string& why) const {
  std::optional<unsigned> latest;
  for (const std::string& backup_class : in_use_) {
    const LifecyclePolicy* policy = policy_of(backup_class);
    if (policy == nullptr || !(policy->*wish)) continue;
    const unsigned count = whole_days(*(policy->*wish));
    if (latest && count <= *latest) continue;
    latest = count;
    why = fmt::format("{} asks for {}", backup_class, days_text(count));
  }
  if (latest && in_use_.size() > 1) why += ", the latest of the classes that share the packs";
  return latest;
}

std::optional<unsigned> Planner::infrequent_access(std::string& why) const {
  auto day = latest(&LifecyclePolicy::infrequent_access_after, why);
  const std::string& name = request_.policy.infrequent_access_class;
  if (day && least_stay(name) == 30 && *day < 30) {
    day = 30;
    why += fmt::format("; {} takes nothing younger than 30 days", name);
  }
  return day;
}

// Packs in an archive tier cannot be read at once, so that every class must have wanted it.
std::optional<unsigned> Planner::archive(std::optional<unsigned> infrequent, std::string& why) {
  auto day = latest(&LifecyclePolicy::archive_after, why);
  if (!day) return std::nullopt;
  std::vector<std::string> without;
  for (const std::string& backup_class : in_use_) {
    const LifecyclePolicy* policy = policy_of(backup_class);
    if (policy == nullptr || !policy->archive_after) without.push_back(backup_class);
  }
  const std::string& name = request_.policy.archive_class;
  if (!without.empty()) {
    note(fmt::format(
        "nothing moves to {}: backups of class {} are in use, share their packs with the others "
        "and have no archive_after. Set lifecycle.{}.archive_after, or keep what is to be archived "
        "in a vault of its own",
        name, fmt::join(without, " and "), without.front()));
    return std::nullopt;
  }
  const unsigned stay = least_stay(request_.policy.infrequent_access_class);
  if (infrequent && *day < *infrequent + stay) {
    day = *infrequent + stay;
    why += fmt::format("; {} days of {} come first", stay, request_.policy.infrequent_access_class);
  }
  return day;
}

PlannedRule& Planner::add_rule(const std::string& name, const std::string& prefix) {
  PlannedRule planned;
  planned.rule.id = "holdfast-" + request_.prefix + name;
  planned.rule.prefix = request_.prefix + prefix;
  plan_.rules.push_back(std::move(planned));
  return plan_.rules.back();
}

void Planner::set_versions(PlannedRule& planned, unsigned count) const {
  planned.rule.expire_versions_days = count;
  planned.rule.remove_delete_markers = true;
  if (!planned.reason.empty()) planned.reason += "; ";
  planned.reason += fmt::format("what was overwritten or deleted can be got back (--as-of) for {}",
                                days_text(count));
  if (request_.locked) planned.reason += ", and locked versions stay until their lock ends";
}

void Planner::add_data_rule() {
  std::string infrequent_why;
  std::string archive_why;
  const auto infrequent = infrequent_access(infrequent_why);
  const auto archived = archive(infrequent, archive_why);
  if (!infrequent && !archived && !request_.versioned) return;
  PlannedRule& planned = add_rule("data", "data/");
  const auto move = [&](std::optional<unsigned> day, const std::string& name,
                        const std::string& why) {
    if (!day) return;
    planned.rule.transitions.push_back({*day, {}, name});
    if (!planned.reason.empty()) planned.reason += "; ";
    planned.reason += name + ": " + why;
  };
  move(infrequent, request_.policy.infrequent_access_class, infrequent_why);
  move(archived, request_.policy.archive_class, archive_why);
  if (request_.versioned) set_versions(planned, whole_days(request_.policy.keep_versions));
  const LifecycleRule rule = planned.rule;
  note_small_packs(rule);
  note_short_stay(rule);
}

// keys/ and holdfast.json have no rule: they are few and small, and without them nothing opens.
void Planner::add_version_rules() {
  if (!request_.versioned) return;
  const unsigned count = whole_days(request_.policy.keep_versions);
  std::vector<std::string> names = {"meta", "index", "doom", "log", "run"};
  names.insert(names.end(), std::begin(kBackupClasses), std::end(kBackupClasses));
  for (const std::string& name : names) set_versions(add_rule(name, name + "/"), count);
  PlannedRule& lease = add_rule("lease", "lease/");
  lease.rule.expire_versions_days = 1;
  lease.rule.remove_delete_markers = true;
  lease.reason = "leases are written again every two minutes, and old ones say nothing";
}

void Planner::note_small_packs(const LifecycleRule& rule) {
  if (rule.transitions.empty()) return;
  note(
      "AWS moves no pack that is smaller than 128 KiB, and backups that add little leave such "
      "ones");
}

// How long the rules of a policy keep something; nothing when they count backups only.
std::optional<unsigned> kept_days(const RetentionPolicy& policy) {
  if (policy == RetentionPolicy{}) return 90;
  std::optional<unsigned> longest;
  const auto take = [&](const std::optional<unsigned>& count, unsigned each) {
    if (count && *count > 0) longest = std::max(longest.value_or(0), *count * each);
  };
  take(policy.keep_daily, 1);
  take(policy.keep_weekly, 7);
  take(policy.keep_monthly, 30);
  take(policy.keep_yearly, 365);
  if (policy.keep_within) {
    longest = std::max(longest.value_or(0), whole_days(*policy.keep_within));
  }
  if (policy.keep_hourly) longest = std::max(longest.value_or(0), *policy.keep_hourly / 24);
  return longest;
}

void Planner::note_short_stay(const LifecycleRule& rule) {
  if (rule.transitions.empty()) return;
  const LifecycleTransition& last = rule.transitions.back();
  const unsigned until = last.days + least_stay(last.storage_class);
  std::optional<unsigned> longest;
  for (const LifecycleSource& source : request_.sources) {
    const auto kept = kept_days(source.retention);
    if (!kept) return;
    longest = std::max(longest.value_or(0), *kept);
  }
  if (!longest || *longest >= until) return;
  note(fmt::format(
      "retention keeps nothing longer than {}: packs go soon after, or before, they get to {} on "
      "day {}, where each is billed for at least {}. Keep backups longer, or move packs earlier or "
      "not at all",
      days_text(*longest), last.storage_class, last.days,
      days_text(least_stay(last.storage_class))));
}

void Planner::note_unused_classes() {
  for (const auto& [backup_class, policy] : request_.policy.classes) {
    if (policy == LifecyclePolicy{} || in_use_.contains(backup_class)) continue;
    note(fmt::format("lifecycle.{} has no effect yet: no source and no backup is of that class",
                     backup_class));
  }
}

std::string retention_note(const LifecycleSource& source, unsigned expire) {
  const std::string what = fmt::format("{} backups of {}", source.backup_class, source.name);
  const std::string advice =
      fmt::format("set retention.{}.keep_within to {}d", source.backup_class, expire);
  const auto kept = kept_days(source.retention);
  if (!kept) {
    return fmt::format(
        "retention counts {} and has no limit in days; the policy expires them "
        "after {}: {}",
        what, days_text(expire), advice);
  }
  if (*kept == expire) {
    return fmt::format("retention keeps {} for {}, as the policy wants", what, days_text(expire));
  }
  return fmt::format("retention keeps {} for {}; the policy expires them after {}: {}", what,
                     days_text(*kept), days_text(expire), advice);
}

void Planner::compare_with_retention() {
  bool any = false;
  for (const LifecycleSource& source : request_.sources) {
    const LifecyclePolicy* policy = policy_of(source.backup_class);
    if (policy == nullptr || !policy->expire_after) continue;
    note(retention_note(source, whole_days(*policy->expire_after)));
    any = true;
  }
  if (any) {
    note(
        "expire_after is no rule of the bucket: `holdfast retention apply` removes backups and "
        "keeps the newest of each source, `holdfast prune` removes packs that none needs");
  }
}

LifecyclePlan Planner::plan() {
  add_data_rule();
  add_version_rules();
  PlannedRule& uploads = add_rule("uploads", "");
  uploads.rule.abort_uploads_days = 1;
  uploads.reason = "parts of an upload that was cut off are billed and seen by nobody";
  compare_with_retention();
  note_unused_classes();
  return std::move(plan_);
}

}  // namespace

LifecyclePlan plan_lifecycle(const LifecycleRequest& request) { return Planner(request).plan(); }

}  // namespace holdfast
