#include "protect/log_inventory.h"

#include <algorithm>
#include <optional>

#include "base/error.h"
#include "source/mariadb/engine.h"
#include "store/at_once.h"

namespace holdfast {
namespace {

std::optional<BackupSummary> read_if_there(const Vault& vault, const BackupName& name,
                                           UnreadableBackups unreadable) {
  try {
    return read_backup(vault, name).summary;
  } catch (const Error& error) {
    if (error.code() == Code::kNotFound) return std::nullopt;
    const bool leave_out = unreadable == UnreadableBackups::kLeaveOut;
    if (leave_out && error.code() == Code::kCorrupt) return std::nullopt;
    throw;
  }
}

void sort_by_moment(std::vector<BackupSummary>& backups) {
  std::stable_sort(backups.begin(), backups.end(),
                   [](const auto& a, const auto& b) { return a.consistent < b.consistent; });
}

}  // namespace

bool begins_recovery(const DatabaseFacts& facts) {
  return facts.method == "physical" || (facts.engine == kMysqlKey && !facts.stop.empty());
}

std::uint64_t LogFiles::bytes() const {
  std::uint64_t sum = 0;
  for (const LogObject& object : objects) sum += object.size;
  return sum;
}

std::vector<LogFiles> list_log_files(ObjectStore& store,
                                     const std::function<void(const ObjectInfo&)>& foreign) {
  std::vector<LogFiles> logs;
  store.list("log/", [&](const ObjectInfo& info) {
    auto name = parse_log_key(info.key);
    if (!name) {
      if (foreign) foreign(info);
      return;
    }
    // A stream's keys are in a row: no other name sorts between those that share "NAME/".
    if (logs.empty() || logs.back().source != name->source || logs.back().stream != name->stream) {
      logs.push_back({name->source, name->stream, {}});
    }
    logs.back().objects.push_back({*std::move(name), info.size, info.modified});
  });
  return logs;
}

LogUsers read_log_users(const Vault& vault, const std::vector<BackupName>& names,
                        std::stop_token stop, UnreadableBackups unreadable) {
  std::vector<BackupName> of_databases;
  for (const BackupName& name : names) {
    if (name.backup_class == "database") of_databases.push_back(name);
  }
  std::vector<std::optional<BackupSummary>> summaries(of_databases.size());
  at_once(
      vault.store(), of_databases.size(),
      [&](std::size_t i) { summaries[i] = read_if_there(vault, of_databases[i], unreadable); },
      std::move(stop));
  LogUsers users;
  for (auto& summary : summaries) {
    if (!summary || !summary->database || !begins_recovery(*summary->database)) continue;
    if (summary->database->system.empty()) continue;
    auto& backups = users[{summary->name.source, summary->database->system}];
    backups.push_back(*std::move(summary));
  }
  for (auto& [stream, backups] : users) sort_by_moment(backups);
  return users;
}

std::vector<BackupSummary> users_of(const LogUsers& users, const LogFiles& log) {
  const auto exact = users.find({log.source, log.stream});
  if (exact != users.end()) return exact->second;
  std::vector<BackupSummary> found;
  for (const auto& [stream, backups] : users) {
    if (stream.first != log.source) continue;
    for (const BackupSummary& backup : backups) {
      if (has_binary_log(backup.database->engine)) found.push_back(backup);
    }
  }
  sort_by_moment(found);
  return found;
}

}  // namespace holdfast
