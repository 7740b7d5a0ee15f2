#include "cli/retained.h"

#include "cli/summaries.h"

namespace holdfast {
namespace {

// A backup that is known to be good is worth more than newer ones that nobody has looked at: of
// each source the newest verified one stays.
void keep_last_verified(std::vector<RetentionDecision>& decisions, const VerifiedTimes& verified) {
  std::map<std::string, RetentionDecision*> newest;
  std::map<std::string, bool> kept;
  for (RetentionDecision& decision : decisions) {  // oldest first
    if (!verified.contains(decision.backup.id)) continue;
    const std::string group = decision.backup.backup_class + "/" + decision.backup.source;
    newest[group] = &decision;
    kept[group] = kept[group] || decision.keep;
  }
  for (const auto& [group, decision] : newest) {
    if (kept[group]) continue;
    decision->keep = true;
    decision->reasons = {"the last verified"};
  }
}

}  // namespace

std::vector<BackupName> RetentionPlan::chosen(bool keep) const {
  std::vector<BackupName> backups;
  for (const RetentionDecision& decision : decisions) {
    if (decision.keep == keep) backups.push_back(names.at(decision.backup.id));
  }
  return backups;
}

RetentionPlan make_retention_plan(Context& context, ObjectStore& store,
                                  const RetentionPolicy& given,
                                  const std::function<bool(const BackupName&)>& is_chosen) {
  RetentionPlan plan;
  std::vector<RetentionCandidate> candidates;
  for (const BackupName& name : list_backups(store)) {
    if (!is_chosen(name)) continue;
    candidates.push_back({name.id(), name.time, name.backup_class, name.source});
    plan.names[name.id()] = name;
  }
  const Settings& settings = context.settings();
  const auto policy_of = [&](const std::string& backup_class, const std::string& source) {
    return given == RetentionPolicy{} ? retention_for(settings, backup_class, source) : given;
  };
  plan.decisions = plan_retention(std::move(candidates), policy_of, context.clock.now());
  keep_last_verified(plan.decisions, verified_by_id(store));
  return plan;
}

}  // namespace holdfast
