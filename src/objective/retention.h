// Which backups a retention policy keeps. Only decides; whoever calls does the deleting.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/time.h"
#include "settings/settings.h"

namespace holdfast {

struct RetentionCandidate {
  std::string id;
  Timestamp time;
  std::string backup_class;
  std::string source;
};

struct RetentionDecision {
  RetentionCandidate backup;
  bool keep = false;
  // Why it is kept ("newest", "daily 2025-11-10", "within 90d00h"); why not, when it is not.
  std::vector<std::string> reasons;
};

using PolicyLookup =
    std::function<RetentionPolicy(const std::string& backup_class, const std::string& source)>;

// Decides per class and source, in UTC; oldest first (by time, then id). keep_last counts backups;
// keep_hourly to keep_yearly keep the newest backup of each of the N latest hours, days, ISO weeks,
// months or years that have one; keep_within keeps what is younger. A policy without any rule keeps
// within 90 days. Whatever the policy says, the newest backup of each group is kept, and so are
// those from after `now` (the clock of a host was wrong), which take no part in the counting.
std::vector<RetentionDecision> plan_retention(std::vector<RetentionCandidate> backups,
                                              const PolicyLookup& policy_of, Timestamp now);

}  // namespace holdfast
