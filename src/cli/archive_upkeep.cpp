#include "cli/archive_upkeep.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <map>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/human.h"
#include "cli/archive_run.h"
#include "cli/run_log.h"
#include "protect/archive_find.h"
#include "store/locks.h"

namespace holdfast {

std::vector<StoredArchive> ArchivePlan::dropped() const {
  std::vector<StoredArchive> dropped;
  for (const Row& row : rows) {
    if (!row.decision.keep) dropped.push_back(row.archive);
  }
  return dropped;
}

ArchivePlan plan_archives(Context& context, ObjectStore& store, const RetentionPolicy& given,
                          const std::function<bool(const ArchiveName&)>& is_chosen) {
  std::vector<RetentionCandidate> candidates;
  std::map<std::string, StoredArchive> archives;
  for (const StoredArchive& archive : list_archives(store)) {
    if (!is_chosen(archive.name)) continue;
    candidates.push_back(
        {archive.name.file(), archive.name.time, archive.name.archive_class, archive.name.source});
    archives[archive.name.key()] = archive;
  }
  const Settings& settings = context.settings();
  const auto policy_of = [&](const std::string& archive_class, const std::string& source) {
    ArchiveName name;
    name.archive_class = archive_class;
    name.source = source;
    return given == RetentionPolicy{} ? retention_for_archive(settings, name) : given;
  };
  ArchivePlan plan;
  for (RetentionDecision& decision :
       plan_retention(std::move(candidates), policy_of, context.clock.now())) {
    const std::string key = decision.backup.backup_class + "/" + format_date(decision.backup.time) +
                            "/" + decision.backup.id;
    plan.rows.push_back({archives.at(key), std::move(decision)});
  }
  return plan;
}

void print_archive_plan(Output& output, const ArchivePlan& plan) {
  if (plan.rows.empty()) return;
  Table table({"KEEP", "ARCHIVE", "CLASS", "SOURCE", "WHY"});
  for (const ArchivePlan::Row& row : plan.rows) {
    const ArchiveName& name = row.archive.name;
    table.add({row.decision.keep ? "yes" : "no", name.file(), name.archive_class, name.source,
               fmt::format("{}", fmt::join(row.decision.reasons, ", "))});
  }
  output.print(table.text());
}

Json archive_plan_json(const ArchivePlan& plan) {
  Json rows = Json::array();
  for (const ArchivePlan::Row& row : plan.rows) {
    Json one = archive_json(row.archive);
    one["keep"] = row.decision.keep;
    one["reasons"] = row.decision.reasons;
    rows.push_back(std::move(one));
  }
  return rows;
}

RemovedArchives remove_archives(Context& context, ObjectStore& store,
                                const std::vector<StoredArchive>& archives, bool dry_run) {
  RemovedArchives result;
  if (archives.empty()) return result;
  std::vector<std::string> keys;
  for (const StoredArchive& archive : archives) keys.push_back(archive.name.key());
  const Locks locks = find_locks(store, keys, context.stop);
  std::optional<RunLog> log;
  if (!dry_run) {
    log.emplace(context, "backup", "retention");
    log->info("removing " + plural(archives.size(), "archive") + " from " + store.traits().url);
  }
  for (const StoredArchive& archive : archives) {
    if (locks.contains(archive.name.key())) {
      result.locked.push_back(archive);
      continue;
    }
    context.check_stop();
    if (!dry_run) {
      store.remove(archive.name.key());
      log->info("removed " + archive.name.key());
    }
    result.removed.push_back(archive);
  }
  return result;
}

}  // namespace holdfast
