#include "protect/log_use.h"

#include <algorithm>

#include "protect/mariadb_log_use.h"
#include "protect/postgres_log_use.h"
#include "source/mariadb/engine.h"

namespace holdfast {
namespace {

bool is_postgres(const LogFiles& log, const std::vector<BackupSummary>& backups) {
  if (backups.empty()) return looks_like_postgres(log);
  return std::all_of(backups.begin(), backups.end(), [](const BackupSummary& backup) {
    return backup.database->engine == "postgresql";
  });
}

bool is_mariadb(const LogFiles& log, const std::vector<BackupSummary>& backups) {
  return looks_like_mariadb(log) &&
         std::all_of(backups.begin(), backups.end(), [](const BackupSummary& backup) {
           return has_binary_log(backup.database->engine);
         });
}

}  // namespace

FileUses log_use(const Vault& vault, const LogFiles& log,
                 const std::vector<BackupSummary>& backups) {
  if (is_postgres(log, backups)) return postgres_log_use(vault, log, backups);
  if (is_mariadb(log, backups)) return mariadb_log_use(vault, log, backups);
  return [](const std::string&) { return FileUse::kUnknown; };
}

std::vector<BackupSummary> within_depth(const Vault& vault, const LogFiles& log,
                                        std::vector<BackupSummary> backups,
                                        const LogPolicy& policy) {
  if (!policy.keep || backups.empty()) return backups;
  const Timestamp limit = vault.clock().now() - *policy.keep;
  const auto young = std::find_if(backups.begin(), backups.end(), [&](const BackupSummary& backup) {
    return backup.consistent > limit;
  });
  if (young == backups.begin()) return backups;
  std::vector<bool> kept(backups.size());
  const auto old = static_cast<std::size_t>(young - backups.begin());
  std::fill(kept.begin() + (young - backups.begin()), kept.end(), true);
  kept[old - 1] = true;
  if (is_postgres(log, backups)) keep_postgres_bases(vault, log, backups, old, kept);
  std::vector<BackupSummary> within;
  for (std::size_t i = 0; i < backups.size(); ++i) {
    if (kept[i]) within.push_back(std::move(backups[i]));
  }
  return within;
}

}  // namespace holdfast
