// holdfast forget: removes single backups by hand.
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>

#include "base/error.h"
#include "base/human.h"
#include "cli/archive_access.h"
#include "cli/archive_run.h"
#include "cli/archive_upkeep.h"
#include "cli/backup_json.h"
#include "cli/commands.h"
#include "cli/context.h"
#include "cli/removal.h"
#include "cli/session.h"
#include "cli/terminal.h"

namespace holdfast {
namespace {

struct ForgetOptions {
  std::vector<std::string> backups;
  bool dry_run = false;
  bool force = false;
  bool yes = false;
};

using Group = std::pair<std::string, std::string>;  // class and source

Group group_of(const BackupName& name) { return {name.backup_class, name.source}; }

std::vector<BackupName> chosen(const std::vector<BackupName>& all,
                               const std::vector<std::string>& wanted) {
  std::vector<BackupName> names;
  std::set<std::string> keys;
  for (const std::string& one : wanted) {
    BackupName name = find_backup(all, one);
    if (keys.insert(name.key()).second) names.push_back(std::move(name));
  }
  return names;
}

// The last backup of a source goes only when somebody insists.
void refuse_last(const std::vector<BackupName>& all, const std::vector<BackupName>& names) {
  for (const BackupName& name : names) {
    const auto same = [&](const BackupName& other) { return group_of(other) == group_of(name); };
    if (std::count_if(all.begin(), all.end(), same) >
        std::count_if(names.begin(), names.end(), same)) {
      continue;
    }
    throw Error(Code::kConflict, fmt::format("source '{}' would have no backup left", name.source),
                "give --force if that is what you want");
  }
}

// All or nothing: who names a backup wants to know that it stays.
void refuse_locked(Context& context, ObjectStore& store, const std::vector<BackupName>& names) {
  const RemovalPlan plan = plan_removal(context, store, names);
  if (plan.locked.empty()) return;
  const LockedBackup& first = plan.locked.front();
  const std::string what = names.size() == 1
                               ? first.name.id() + " is locked until " + format_rfc3339(first.until)
                               : locked_text(plan.locked);
  throw Error(Code::kDenied, what + "; nothing was removed",
              "wait until the lock has ended; holdfast lock status shows what holds for how long");
}

// Takes what means an archive out of `wanted`.
std::vector<StoredArchive> take_archives(ObjectStore& store, std::vector<std::string>& wanted) {
  std::vector<StoredArchive> archives;
  std::set<std::string> keys;
  std::erase_if(wanted, [&](const std::string& one) {
    const auto archive = wanted_archive(store, one);
    if (archive && keys.insert(archive->name.key()).second) archives.push_back(*archive);
    return archive.has_value();
  });
  return archives;
}

void refuse_last_archive(ObjectStore& store, const std::vector<StoredArchive>& archives) {
  const std::vector<StoredArchive> all = list_archives(store);
  for (const StoredArchive& archive : archives) {
    const auto same = [&](const StoredArchive& other) {
      return other.name.archive_class == archive.name.archive_class &&
             other.name.source == archive.name.source;
    };
    if (std::count_if(all.begin(), all.end(), same) >
        std::count_if(archives.begin(), archives.end(), same)) {
      continue;
    }
    throw Error(Code::kConflict,
                fmt::format("'{}' would have no archive left", archive.name.source),
                "give --force if that is what you want");
  }
}

// All or nothing, as for backups.
void refuse_locked_archives(Context& context, ObjectStore& store,
                            const std::vector<StoredArchive>& archives) {
  const RemovedArchives plan = remove_archives(context, store, archives, true);
  if (plan.locked.empty()) return;
  throw Error(Code::kDenied, plan.locked.front().name.file() + " is locked; nothing was removed",
              "wait until the lock has ended");
}

int run(Context& context, const ForgetOptions& options) {
  const auto store = open_any_store(context, options.dry_run ? Access::kRead : Access::kWrite);
  refuse_writer_key(context, *store, "remove backups");
  std::vector<std::string> wanted = options.backups;
  const std::vector<StoredArchive> archives = take_archives(*store, wanted);
  const std::vector<BackupName> all = list_backups(*store);
  const std::vector<BackupName> names = chosen(all, wanted);
  if (!options.force) {
    refuse_last(all, names);
    refuse_last_archive(*store, archives);
  }
  refuse_locked(context, *store, names);
  refuse_locked_archives(context, *store, archives);
  const std::string what = archives.empty() ? plural(names.size(), "backup")
                           : names.empty()  ? plural(archives.size(), "archive")
                                            : plural(names.size(), "backup") + " and " +
                                                 plural(archives.size(), "archive");
  if (!options.dry_run && !options.yes && can_prompt() &&
      !prompt_yes("Remove " + what + "? They cannot be brought back.", context.stop)) {
    throw Error(Code::kCancelled, "nothing was removed");
  }
  if (!options.dry_run && !names.empty()) remove_backups(context, *store, names);
  remove_archives(context, *store, archives, options.dry_run);
  const char* verb = options.dry_run ? "would remove " : "removed ";
  Json removed = Json::array();
  for (const BackupName& name : names) {
    context.output.note(verb + name.id() + "\n");
    removed.push_back(name_json(name));
  }
  for (const StoredArchive& archive : archives) {
    context.output.note(verb + archive.name.file() + "\n");
    removed.push_back(archive_json(archive));
  }
  if (!options.dry_run && !names.empty())
    context.output.note("the space is freed by: holdfast prune\n");
  context.output.document(Json{{"removed", removed}, {"dry_run", options.dry_run}});
  return kExitSuccess;
}

}  // namespace

void add_forget_command(Command& root) {
  const auto o = std::make_shared<ForgetOptions>();
  root.subcommand("forget", "Remove single backups")
      .arguments("BACKUP", o->backups, true, "Ids, beginnings of ids, latest, latest:SOURCE")
      .flag("-n,--dry-run", o->dry_run, "Say what would be removed; remove nothing")
      .flag("--force", o->force, "Also the last backup of a source")
      .flag("-y,--yes", o->yes, "Do not ask")
      .examples({"holdfast forget backup-20251110-120000-web",
                 "holdfast forget latest:test --force --yes"})
      .run([o](Context& context) { return run(context, *o); });
}

}  // namespace holdfast
