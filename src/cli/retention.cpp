// holdfast retention: which backups the policy keeps, and removing the others.
#include "objective/retention.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/human.h"
#include "cli/archive_access.h"
#include "cli/archive_upkeep.h"
#include "cli/backup_json.h"
#include "cli/commands.h"
#include "cli/context.h"
#include "cli/removal.h"
#include "cli/retained.h"
#include "cli/session.h"

namespace holdfast {
namespace {

struct RetentionOptions {
  RetentionPolicy keep;  // overrides; all unset: the configuration's
  std::string keep_within;
  std::string backup_class;
  std::vector<std::string> sources;
  bool dry_run = false;
};

bool is_chosen(const RetentionOptions& options, const std::string& backup_class,
               const std::string& source) {
  return (options.backup_class.empty() || options.backup_class == backup_class) &&
         (options.sources.empty() || std::find(options.sources.begin(), options.sources.end(),
                                               source) != options.sources.end());
}

RetentionPolicy given_policy(const RetentionOptions& options) {
  RetentionPolicy given = options.keep;
  if (!options.keep_within.empty()) given.keep_within = parse_duration(options.keep_within);
  return given;
}

RetentionPlan make_plan(Context& context, const RetentionOptions& options, ObjectStore& store) {
  return make_retention_plan(context, store, given_policy(options), [&](const BackupName& name) {
    return is_chosen(options, name.backup_class, name.source);
  });
}

// A source also stands for the dumps of its databases.
ArchivePlan make_archive_plan(Context& context, const RetentionOptions& options,
                              ObjectStore& store) {
  return plan_archives(context, store, given_policy(options), [&](const ArchiveName& name) {
    const SourceSettings* source = source_of_archive(context.settings(), name);
    return is_chosen(options, name.archive_class, name.source) ||
           (source != nullptr && is_chosen(options, name.archive_class, source->name));
  });
}

Json plan_json(const RetentionPlan& plan) {
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

void print_plan(Output& output, const RetentionPlan& plan) {
  if (plan.decisions.empty()) return;
  Table table({"KEEP", "ID", "CLASS", "SOURCE", "WHY"});
  for (const RetentionDecision& decision : plan.decisions) {
    const BackupName& name = plan.names.at(decision.backup.id);
    table.add({decision.keep ? "yes" : "no", name.id(), name.backup_class, name.source,
               fmt::format("{}", fmt::join(decision.reasons, ", "))});
  }
  output.print(table.text());
}

std::string and_archives(std::size_t count) {
  return count == 0 ? "" : " and " + plural(count, "archive");
}

int show(Context& context, const RetentionOptions& options) {
  const auto store = open_any_store(context, Access::kRead);
  const RetentionPlan plan = make_plan(context, options, *store);
  const ArchivePlan archives = make_archive_plan(context, options, *store);
  if (plan.decisions.empty() && archives.rows.empty()) context.output.note("no backups\n");
  print_plan(context.output, plan);
  print_archive_plan(context.output, archives);
  context.output.note(fmt::format("{}{} would be removed by: holdfast retention apply\n",
                                  plural(plan.dropped().size(), "backup"),
                                  and_archives(archives.dropped().size())));
  Json document = plan_json(plan);
  document["archives"] = archive_plan_json(archives);
  context.output.document(document);
  return kExitSuccess;
}

// What a lock holds is no failure: it goes with a later run.
void note_locked(Context& context, const std::vector<LockedBackup>& locked, Json& document) {
  Json list = Json::array();
  for (const LockedBackup& backup : locked) {
    Json one = name_json(backup.name);
    one["locked_until"] = iso_time(backup.until);
    list.push_back(std::move(one));
  }
  document["locked"] = list;
  if (!locked.empty()) context.output.note(locked_text(locked) + "; a later run removes them\n");
}

std::size_t apply_to_archives(Context& context, const RetentionOptions& options, ObjectStore& store,
                              Json& document) {
  const ArchivePlan plan = make_archive_plan(context, options, store);
  const RemovedArchives done = remove_archives(context, store, plan.dropped(), options.dry_run);
  for (const StoredArchive& archive : done.removed) {
    context.output.note((options.dry_run ? "would remove " : "removed ") + archive.name.file() +
                        "\n");
  }
  if (!done.locked.empty()) {
    context.output.note(plural(done.locked.size(), "archive") +
                        " stay locked; a later run removes them\n");
  }
  document["archives"] = archive_plan_json(plan);
  document["removed_archives"] = done.removed.size();
  return done.removed.size();
}

int apply(Context& context, const RetentionOptions& options) {
  const auto store = open_any_store(context, options.dry_run ? Access::kRead : Access::kWrite);
  refuse_writer_key(context, *store, "remove backups");
  const RetentionPlan plan = make_plan(context, options, *store);
  const RemovalPlan removal = plan_removal(context, *store, plan.dropped());
  if (!options.dry_run && !removal.free.empty()) remove_backups(context, *store, removal.free);
  const char* verb = options.dry_run ? "would remove " : "removed ";
  for (const BackupName& name : removal.free) context.output.note(verb + name.id() + "\n");
  Json document = plan_json(plan);
  const std::size_t archives = apply_to_archives(context, options, *store, document);
  context.output.note(fmt::format("{}{}{}, {} kept\n", verb, plural(removal.free.size(), "backup"),
                                  and_archives(archives), format_count(plan.kept().size())));
  document["removed"] = removal.free.size();
  note_locked(context, removal.locked, document);
  if (!removal.free.empty() && !options.dry_run) {
    context.output.note("the space is freed by: holdfast prune\n");
  }
  document["dry_run"] = options.dry_run;
  context.output.document(document);
  return kExitSuccess;
}

void add_rules(Command& command, RetentionOptions& o) {
  constexpr unsigned kMany = 1'000'000;
  command.number("--keep-last", o.keep.keep_last, 1, kMany, "Keep the newest N")
      .number("--keep-hourly", o.keep.keep_hourly, 1, kMany, "Keep one for each of N hours")
      .number("--keep-daily", o.keep.keep_daily, 1, kMany, "Keep one for each of N days")
      .number("--keep-weekly", o.keep.keep_weekly, 1, kMany, "Keep one for each of N weeks")
      .number("--keep-monthly", o.keep.keep_monthly, 1, kMany, "Keep one for each of N months")
      .number("--keep-yearly", o.keep.keep_yearly, 1, kMany, "Keep one for each of N years")
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
