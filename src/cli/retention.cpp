// holdfast retention: which backups the policy keeps, and removing the others.
#include "objective/retention.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/human.h"
#include "cli/backup_json.h"
#include "cli/commands.h"
#include "cli/context.h"
#include "cli/removal.h"
#include "cli/session.h"
#include "cli/summaries.h"

namespace holdfast {
namespace {

struct RetentionOptions {
  RetentionPolicy keep;  // overrides; all unset: the configuration's
  std::string keep_within;
  std::string backup_class;
  std::vector<std::string> sources;
  bool dry_run = false;
};

struct Plan {
  std::vector<RetentionDecision> decisions;
  std::map<std::string, BackupName> names;  // by id

  std::vector<BackupName> dropped() const {
    std::vector<BackupName> dropped;
    for (const RetentionDecision& decision : decisions) {
      if (!decision.keep) dropped.push_back(names.at(decision.backup.id));
    }
    return dropped;
  }
};

bool is_chosen(const RetentionOptions& options, const BackupName& name) {
  return (options.backup_class.empty() || options.backup_class == name.backup_class) &&
         (options.sources.empty() || std::find(options.sources.begin(), options.sources.end(),
                                               name.source) != options.sources.end());
}

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

Plan make_plan(Context& context, const RetentionOptions& options, ObjectStore& store) {
  Plan plan;
  std::vector<RetentionCandidate> candidates;
  for (const BackupName& name : list_backups(store)) {
    if (!is_chosen(options, name)) continue;
    candidates.push_back({name.id(), name.time, name.backup_class, name.source});
    plan.names[name.id()] = name;
  }
  RetentionPolicy given = options.keep;
  if (!options.keep_within.empty()) given.keep_within = parse_duration(options.keep_within);
  const Settings& settings = context.settings();
  const auto policy_of = [&](const std::string& backup_class, const std::string& source) {
    return given == RetentionPolicy{} ? retention_for(settings, backup_class, source) : given;
  };
  plan.decisions = plan_retention(std::move(candidates), policy_of, context.clock.now());
  keep_last_verified(plan.decisions, verified_by_id(store));
  return plan;
}

Json plan_json(const Plan& plan) {
  Json backups = Json::array();
  for (const RetentionDecision& decision : plan.decisions) {
    Json backup = name_json(plan.names.at(decision.backup.id));
    backup["keep"] = decision.keep;
    backup["reasons"] = decision.reasons;
    backups.push_back(std::move(backup));
  }
  const std::size_t dropped = plan.dropped().size();
  return {{"backups", backups}, {"kept", plan.decisions.size() - dropped}, {"dropped", dropped}};
}

void print_plan(Output& output, const Plan& plan) {
  if (plan.decisions.empty()) {
    output.note("no backups\n");
    return;
  }
  Table table({"KEEP", "ID", "CLASS", "SOURCE", "WHY"});
  for (const RetentionDecision& decision : plan.decisions) {
    const BackupName& name = plan.names.at(decision.backup.id);
    table.add({decision.keep ? "yes" : "no", name.id(), name.backup_class, name.source,
               fmt::format("{}", fmt::join(decision.reasons, ", "))});
  }
  output.print(table.text());
}

int show(Context& context, const RetentionOptions& options) {
  const auto store = open_vault_store(context, Access::kRead);
  const Plan plan = make_plan(context, options, *store);
  print_plan(context.output, plan);
  context.output.note(fmt::format("{} would be removed by: holdfast retention apply\n",
                                  plural(plan.dropped().size(), "backup")));
  context.output.document(plan_json(plan));
  return kExitSuccess;
}

int apply(Context& context, const RetentionOptions& options) {
  const auto store = open_vault_store(context, options.dry_run ? Access::kRead : Access::kWrite);
  const Plan plan = make_plan(context, options, *store);
  const std::vector<BackupName> dropped = plan.dropped();
  if (!options.dry_run && !dropped.empty()) remove_backups(context, *store, dropped);
  const char* verb = options.dry_run ? "would remove " : "removed ";
  for (const BackupName& name : dropped) context.output.note(verb + name.id() + "\n");
  context.output.note(fmt::format("{}{}, {} kept\n", verb, plural(dropped.size(), "backup"),
                                  format_count(plan.decisions.size() - dropped.size())));
  if (!dropped.empty() && !options.dry_run) {
    context.output.note("the space is freed by: holdfast prune\n");
  }
  Json document = plan_json(plan);
  document["dry_run"] = options.dry_run;
  context.output.document(document);
  return kExitSuccess;
}

void add_rules(Command& command, RetentionOptions& o) {
  constexpr unsigned kMany = 1'000'000;
  command.number("--keep-last", o.keep.keep_last, 0, kMany, "Keep the newest N")
      .number("--keep-hourly", o.keep.keep_hourly, 0, kMany, "Keep one for each of N hours")
      .number("--keep-daily", o.keep.keep_daily, 0, kMany, "Keep one for each of N days")
      .number("--keep-weekly", o.keep.keep_weekly, 0, kMany, "Keep one for each of N weeks")
      .number("--keep-monthly", o.keep.keep_monthly, 0, kMany, "Keep one for each of N months")
      .number("--keep-yearly", o.keep.keep_yearly, 0, kMany, "Keep one for each of N years")
      .text("--keep-within", o.keep_within, "Keep what is younger: 90d, 12h, 1y")
      .group("Rules instead of the configuration's", 7)
      .choice("--class", o.backup_class, {"database", "files", "config"},
              "Only this class: database, files, config")
      .texts("--source", o.sources, "Only this source (may be repeated)");
}

}  // namespace

void add_retention_command(Command& root) {
  const auto o = std::make_shared<RetentionOptions>();
  Command retention = root.subcommand("retention", "Which backups are kept, and for how long");
  retention.require_subcommand().examples(
      {"holdfast retention show", "holdfast retention apply --dry-run",
       "holdfast retention apply --keep-daily 14 --keep-monthly 12 --source web"});
  Command show_command = retention.subcommand("show", "Show what the policy keeps, and why");
  add_rules(show_command, *o);
  show_command.examples({"holdfast retention show", "holdfast retention show --keep-last 3"})
      .run([o](Context& context) { return show(context, *o); });
  Command apply_command = retention.subcommand("apply", "Remove the backups that are not kept");
  add_rules(apply_command, *o);
  apply_command.flag("-n,--dry-run", o->dry_run, "Say what would be removed; remove nothing")
      .examples({"holdfast retention apply", "holdfast retention apply --dry-run"})
      .run([o](Context& context) { return apply(context, *o); });
}

}  // namespace holdfast
