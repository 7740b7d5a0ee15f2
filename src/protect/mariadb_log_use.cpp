#include "protect/mariadb_log_use.h"

#include <algorithm>
#include <optional>

#include "protect/binlog_recovery.h"

namespace holdfast {
namespace {

// Replay needs the beginning of its first file, too, so all of that one counts.
std::optional<BinlogName> first_file(const Vault& vault, const LogFiles& log,
                                     const std::vector<BackupSummary>& backups) {
  for (const BackupSummary& backup : backups) {  // oldest first, and so are the places
    const auto plan =
        plan_binlog(vault, log.source, *backup.database, {}, BinlogFactsWanted::kEnds);
    if (!plan || plan->stream != log.stream || plan->chunks.empty()) continue;
    const auto chunk = parse_binlog_chunk_name(plan->chunks.front().chunk.name.file);
    if (chunk) return parse_binlog_name(chunk->file);
  }
  return std::nullopt;
}

}  // namespace

bool looks_like_mariadb(const LogFiles& log) {
  return std::all_of(log.objects.begin(), log.objects.end(), [](const LogObject& object) {
    return parse_binlog_chunk_name(object.name.file).has_value();
  });
}

FileUses mariadb_log_use(const Vault& vault, const LogFiles& log,
                         const std::vector<BackupSummary>& backups) {
  const auto first = first_file(vault, log, backups);
  return [first](const std::string& file) {
    const auto chunk = parse_binlog_chunk_name(file);
    const auto name = chunk ? parse_binlog_name(chunk->file) : std::nullopt;
    if (!name) return FileUse::kUnknown;
    if (!first) return FileUse::kOther;
    if (name->base != first->base) return FileUse::kUnknown;
    return name->number < first->number ? FileUse::kPast : FileUse::kNeeded;
  };
}

}  // namespace holdfast
