#include "cli/reaching_backup.h"

#include <algorithm>
#include <optional>
#include <string>

#include "cli/recover_list.h"
#include "protect/log_inventory.h"
#include "vault/backup_object.h"

namespace holdfast {
namespace {

// Each takes a look at the whole log behind it, and when the newest ones do not lead there older
// ones hardly ever do.
constexpr std::size_t kMostTries = 8;

std::string time_text(Timestamp time) {
  const bool whole = std::chrono::floor<std::chrono::seconds>(time) == time;
  return format_rfc3339(time, !whole);
}

std::string target_words(const DatabaseRestore& database) {
  if (database.gtid) return " --to-gtid " + shell_word(database.gtid->text());
  const auto& at = database.target.value().at;
  if (const auto* time = std::get_if<Timestamp>(&at)) return " --to-time " + time_text(*time);
  if (const auto* xid = std::get_if<TargetXid>(&at)) {
    return " --to-xid " + std::to_string(xid->xid);
  }
  if (const auto* lsn = std::get_if<TargetLsn>(&at)) return " --to-lsn " + format_lsn(lsn->lsn);
  return " --to-name " + shell_word(std::get<TargetName>(at).name);
}

// The command as it was typed, but for the backup: what would be left out would not be what was
// meant.
std::string command(const BackupSummary& backup, const RestoreJob& job,
                    const DatabaseRestore& database) {
  std::string words = "holdfast restore " + backup.name.id() + " --target " +
                      shell_word(job.target) + target_words(database);
  const bool exclusive = database.gtid ? !database.gtid_inclusive : !database.target->inclusive;
  if (exclusive) words += " --exclusive";
  if (job.overwrite == Overwrite::kIfChanged) words += " --overwrite if-changed";
  if (job.overwrite == Overwrite::kAlways) words += " --overwrite always";
  if (job.remove_others) words += " --delete";
  const auto add = [&](const char* option, const std::string& value, const std::string& usual) {
    if (!value.empty() && value != usual) words += option + shell_word(value);
  };
  const bool mariadb = backup.database->engine == "mariadb";
  add(" --timeline ", database.timeline, "latest");
  add(" --action ", database.action, "promote");
  add(" --tablespaces ", database.tablespace_directory, "");
  add(" --as ", database.standby ? (mariadb ? "replica" : "standby") : "", "");
  add(" --primary ", database.primary_conninfo, "");
  return words;
}

bool leads_there(const RestoreJob& job, const std::function<void(const RestoreJob&)>& try_backup) {
  try {
    try_backup(job);
    return true;
  } catch (const Error& error) {
    if (error.code() == Code::kCancelled) throw;
    return false;  // whatever is wrong with it, it is no advice
  }
}

std::optional<BackupSummary> newest_that_leads(
    const Vault& vault, const RestoreJob& job, const DatabaseRestore& database,
    const std::function<void(const RestoreJob&)>& try_backup) {
  const auto refused = database_of(vault, job.backup);
  const auto* time = database.target ? std::get_if<Timestamp>(&database.target->at) : nullptr;
  std::vector<BackupName> names = list_backups(vault.store());
  std::size_t tries = 0;
  for (auto name = names.rbegin(); name != names.rend() && tries < kMostTries; ++name) {
    if (name->source != job.backup.source || name->backup_class != "database") continue;
    if (name->id() == job.backup.id()) continue;
    BackupSummary summary = read_backup(vault, *name).summary;
    if (!summary.database || !begins_recovery(*summary.database) ||
        summary.database->engine != refused->engine || (time && summary.consistent > *time)) {
      continue;
    }
    ++tries;
    RestoreJob other = job;
    other.backup = *name;
    if (leads_there(other, try_backup)) return summary;
  }
  return std::nullopt;
}

}  // namespace

Error with_reaching_backup(Context& context, const Vault& vault, const RestoreJob& job,
                           const DatabaseRestore& database, const Error& refusal,
                           const std::function<void(const RestoreJob&)>& try_backup) {
  const bool has_target = database.target || database.gtid;
  const bool is_reach = refusal.code() == Code::kNotFound || refusal.code() == Code::kConflict;
  if (!has_target || !is_reach) return refusal;
  context.check_stop();
  const auto found = newest_that_leads(vault, job, database, try_backup);
  if (!found) {
    return {refusal.code(), refusal.message(),
            refusal.hint() + "; no other backup of " + job.backup.source +
                " leads to it (what can be recovered: holdfast list)"};
  }
  return {refusal.code(), refusal.message(),
          found->name.id() + " of " + format_rfc3339(found->consistent) +
              " leads to it: " + command(*found, job, database) + "; " + refusal.hint()};
}

}  // namespace holdfast
