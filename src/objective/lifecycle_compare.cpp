// The bucket's rules against the plan: what is to be written, and which rules of others do harm.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>

#include "base/human.h"
#include "objective/lifecycle.h"
#include "store/s3/archive.h"
#include "vault/backup_object.h"

namespace holdfast {
namespace {

// Every id that plan_lifecycle gives for this prefix. Another vault in the same bucket has others.
std::set<std::string> own_ids(const std::string& prefix) {
  std::set<std::string> ids;
  for (const char* name : {"data", "meta", "index", "doom", "log", "run", "lease", "uploads"}) {
    ids.insert("holdfast-" + prefix + name);
  }
  for (const std::string_view name : kBackupClasses) {
    ids.insert("holdfast-" + prefix + std::string(name));
  }
  return ids;
}

// The parts of the vault below (or around) a rule's prefix.
class Reach {
 public:
  Reach(const std::string& vault, const std::string& rule) : vault_(vault), rule_(rule) {}

  bool touches(std::string_view part) const {
    const std::string mine = vault_ + std::string(part);
    return mine.starts_with(rule_) || rule_.starts_with(mine);
  }
  bool touches_vital() const {
    constexpr std::array<std::string_view, 7> kVital = {"data/", "meta/", "index/",       "log/",
                                                        "keys/", "doom/", "holdfast.json"};
    return std::any_of(kVital.begin(), kVital.end(), [&](auto part) { return touches(part); });
  }
  std::vector<std::string> classes() const {
    std::vector<std::string> touched;
    for (const std::string_view name : kBackupClasses) {
      if (touches(std::string(name) + "/")) touched.emplace_back(name);
    }
    return touched;
  }
  bool touches_unmovable() const {
    return !classes().empty() || touches("meta/") || touches("index/") || touches("keys/") ||
           touches("doom/") || touches("log/") || touches("holdfast.json");
  }

 private:
  const std::string& vault_;
  const std::string& rule_;
};

std::string when(const std::optional<unsigned>& age, const std::string& date) {
  return age ? "after " + plural(*age, "day") : "on " + printable(date);
}

void find_expirations(const LifecycleRule& rule, const Reach& reach,
                      std::vector<std::string>& dangers) {
  if (!rule.expire_days && rule.expire_date.empty()) return;
  const std::string moment = when(rule.expire_days, rule.expire_date);
  if (reach.touches_vital()) {
    dangers.push_back(fmt::format(
        "it removes, {}, packs, index, logs or keys that newer backups need too: they could not be "
        "restored. Remove it from the bucket",
        moment));
    return;
  }
  if (const auto classes = reach.classes(); !classes.empty()) {
    dangers.push_back(fmt::format(
        "it removes, {}, the objects of {} backups, even the last one of a source: that is "
        "forgetting them, and the next prune frees their packs. Remove it and set "
        "retention.{}.keep_within, which keeps the newest and the newest verified backup",
        moment, fmt::join(classes, ", "), classes.front()));
  }
}

void find_archiving(const LifecycleRule& rule, const Reach& reach,
                    std::vector<std::string>& dangers) {
  for (const LifecycleTransition& one : rule.transitions) {
    if (!is_archive_class(one.storage_class)) continue;
    const std::string moment = one.date.empty() ? when(one.days, {}) : when(std::nullopt, one.date);
    if (reach.touches_unmovable()) {
      dangers.push_back(fmt::format(
          "it moves, {}, to {} what every command reads (backup objects, trees, index or keys): "
          "that takes hours to come back before anything can be shown or restored. Remove it; "
          "lifecycle.CLASS.archive_after archives packs alone",
          moment, one.storage_class));
    } else if (reach.touches("data/")) {
      dangers.push_back(
          fmt::format("it moves packs to {} {}, whatever the policy says. Remove it, and set "
                      "lifecycle.CLASS.archive_after if that is wanted",
                      one.storage_class, moment));
    }
    return;
  }
}

void find_lost_versions(const LifecycleRule& rule, const Reach& reach,
                        const LifecycleRequest& request, std::vector<std::string>& dangers) {
  const Duration kept = request.policy.keep_versions;
  if (!request.versioned || !rule.expire_versions_days ||
      std::chrono::days{*rule.expire_versions_days} >= kept ||
      (!reach.touches_vital() && reach.classes().empty())) {
    return;
  }
  dangers.push_back(fmt::format(
      "it removes old versions after {}, before lifecycle.keep_versions ({}) is over: --as-of "
      "cannot look further back. Remove it, or set keep_versions lower",
      plural(*rule.expire_versions_days, "day"), format_duration(kept)));
}

std::vector<std::string> dangers_of(const BucketRule& found, const LifecycleRequest& request) {
  std::vector<std::string> dangers;
  if (!found.enabled || found.tagged) return dangers;  // our objects have no tags
  const Reach reach(request.prefix, found.rule.prefix);
  find_expirations(found.rule, reach, dangers);
  find_archiving(found.rule, reach, dangers);
  find_lost_versions(found.rule, reach, request, dangers);
  return dangers;
}

ComparedRule compare_planned(const PlannedRule& planned, const std::vector<BucketRule>& bucket) {
  ComparedRule compared{RuleState::kMissing,
                        planned.rule.id,
                        planned.rule.prefix,
                        describe(planned.rule),
                        {},
                        planned.reason,
                        {}};
  const auto found = std::find_if(bucket.begin(), bucket.end(), [&](const BucketRule& rule) {
    return rule.rule.id == planned.rule.id;
  });
  if (found == bucket.end()) return compared;
  compared.state = is_same(*found, planned.rule) ? RuleState::kSame : RuleState::kDifferent;
  compared.found = describe(*found);
  if (found->rule.prefix != planned.rule.prefix) {
    compared.found += " (below '" + printable(found->rule.prefix) + "')";
  }
  return compared;
}

}  // namespace

bool LifecycleComparison::settled() const {
  return std::all_of(rules.begin(), rules.end(), [](const ComparedRule& rule) {
    return rule.state == RuleState::kSame || rule.state == RuleState::kForeign;
  });
}

bool LifecycleComparison::dangerous() const {
  return std::any_of(rules.begin(), rules.end(),
                     [](const ComparedRule& rule) { return !rule.dangers.empty(); });
}

LifecycleComparison compare_lifecycle(const LifecyclePlan& plan,
                                      const std::vector<BucketRule>& bucket,
                                      const LifecycleRequest& request) {
  LifecycleComparison comparison;
  std::set<std::string> planned_ids;
  for (const PlannedRule& planned : plan.rules) {
    planned_ids.insert(planned.rule.id);
    comparison.rules.push_back(compare_planned(planned, bucket));
  }
  const std::set<std::string> own = own_ids(request.prefix);
  for (const BucketRule& found : bucket) {
    if (planned_ids.contains(found.rule.id)) continue;
    const bool ours = own.contains(found.rule.id);
    comparison.rules.push_back({ours ? RuleState::kObsolete : RuleState::kForeign,
                                found.rule.id,
                                found.rule.prefix,
                                {},
                                describe(found),
                                {},
                                ours ? std::vector<std::string>{} : dangers_of(found, request)});
    if (!ours) comparison.foreign.push_back(found);
  }
  return comparison;
}

}  // namespace holdfast
