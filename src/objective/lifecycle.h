// From a policy for classes of backups to lifecycle rules that are safe for a vault, whose packs
// belong to backups of all classes and ages. Only decides.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "settings/settings.h"
#include "store/s3/lifecycle.h"

namespace holdfast {

// A source that has backups in the vault or is to have some, and what retention keeps of it.
struct LifecycleSource {
  std::string name;
  std::string backup_class;
  RetentionPolicy retention;
};

struct LifecycleRequest {
  LifecycleSettings policy;
  std::vector<LifecycleSource> sources;
  std::string prefix;      // of the vault's keys in the bucket: "" or "PREFIX/"
  bool versioned = false;  // the bucket has or may have old versions
  bool locked = false;     // objects are written with a lock
};

struct PlannedRule {
  LifecycleRule rule;
  std::string reason;
};

struct LifecyclePlan {
  std::vector<PlannedRule> rules;
  // What of the policy cannot be a rule, and what to do instead; agreement too.
  std::vector<std::string> notes;
};

// - Packs of content move to cheaper classes at the latest day that any class in use asks for; to
//   an archive tier only when every class in use asks for it. Nothing else ever moves: the rest is
//   read by every command.
// - Nothing expires: which backups go is retention's to say, which packs go prune's.
// - Unfinished uploads go after a day; old versions after keep_versions, but those of the keys and
//   of holdfast.json stay.
LifecyclePlan plan_lifecycle(const LifecycleRequest& request);

// How a bucket's rules relate to the plan.
enum class RuleState {
  kSame,
  kDifferent,  // ours by its id, but does something else
  kMissing,
  kObsolete,  // ours by its id, and no longer planned
  kForeign,   // not ours: left alone
};

struct ComparedRule {
  RuleState state = RuleState::kSame;
  std::string id;
  std::string prefix;
  std::string wanted;  // in words; empty: nothing
  std::string found;   // in words; empty: nothing
  std::string reason;  // of what is wanted
  // What the rule would do to the vault that it must not do, and what to do about it. Foreign ones
  // only.
  std::vector<std::string> dangers;
};

struct LifecycleComparison {
  std::vector<ComparedRule> rules;  // the plan's in its order, then the bucket's others
  std::vector<BucketRule> foreign;
  bool settled() const;  // nothing to be written
  bool dangerous() const;
};

LifecycleComparison compare_lifecycle(const LifecyclePlan& plan,
                                      const std::vector<BucketRule>& bucket,
                                      const LifecycleRequest& request);

}  // namespace holdfast
