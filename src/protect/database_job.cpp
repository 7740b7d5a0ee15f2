#include "protect/database_job.h"

#include <algorithm>
#include <memory>

#include "base/error.h"
#include "os/process_stream.h"
#include "protect/directory_dump.h"
#include "protect/mariadb_job.h"
#include "protect/postgres_job.h"
#include "source/postgres/dump.h"
#include "source/postgres/tools.h"

namespace holdfast {
namespace {

bool reads_directly(const PostgresSettings& settings, const PgWalHold& hold) {
  if (settings.read == PgRead::kAuto) return hold.files_are_here();
  return settings.read == PgRead::kDirect;
}

// The output of a command, whose failure is the stream's.
ContentReader command_output(const std::vector<std::string>& command,
                             const std::vector<std::pair<std::string, std::string>>& environment,
                             std::stop_token stop) {
  ProcessOptions options;
  options.argv = command;
  options.environment = environment;
  const auto stream =
      std::make_shared<ProcessStream>(options, ProcessStream::Direction::kOutput, std::move(stop));
  return [stream](MutableBytes out) {
    if (const std::size_t n = stream->read(out)) return n;
    const ProcessResult result = stream->finish();
    if (result.stopped) throw Error(Code::kCancelled, "interrupted");
    if (result.exit_code == 0) return std::size_t{0};
    throw Error(Code::kInvalid, "the dump failed: " + complaint(result),
                "nothing was stored as a backup; mend it and run the backup again");
  };
}

void add_logical_postgres(const Vault& vault, const PostgresSettings& settings, BackupJob& job,
                          std::stop_token stop) {
  PgConnection connection(settings, "", stop);
  require_pg_dump(settings, connection.server_version(), true, stop);
  BackupEnding ending;
  ending.database = postgres_facts(read_cluster(connection), "logical");
  ending.database->start = ending.database->stop = connection.value(
      "select case when pg_is_in_recovery() then pg_last_wal_replay_lsn() "
      "else pg_current_wal_lsn() end");
  // Whatever was committed before is in every one of the dumps.
  ending.consistent = vault.clock().now();
  DirectoryDumps directories(settings, stop);
  for (PgDumpPlan& plan : plan_pg_dumps(settings, connection)) {
    if (format_of_dump(plan.stored_path) == PgDumpFormat::kDirectory) {
      job.trees.push_back(directories.tree(std::move(plan)));
      continue;
    }
    job.streams.push_back({plan.stored_path, 0600, [plan = std::move(plan), stop] {
                             return command_output(plan.command, plan.environment, stop);
                           }});
  }
  job.end = [ending] { return ending; };
}

}  // namespace

std::optional<BackupName> newest_backup(const Vault& vault, const SourceSettings& source) {
  const std::vector<BackupName> backups = list_backups(vault.store());
  const auto newest = std::find_if(backups.rbegin(), backups.rend(), [&](const BackupName& name) {
    return name.backup_class == source.backup_class && name.source == source.name;
  });
  return newest == backups.rend() ? std::nullopt : std::optional(*newest);
}

std::optional<PgBackedUp> newest_cluster(const Vault& vault, const SourceSettings& source) {
  const auto newest = newest_backup(vault, source);
  if (!newest) return std::nullopt;
  const auto before = read_backup(vault, *newest).summary.database;
  if (!before || before->engine != "postgresql") return std::nullopt;
  return PgBackedUp{newest->id(), before->system};
}

BackupJob database_job(const Vault& vault, const SourceSettings& source, bool new_cluster,
                       const StagingDirectory& staging, Warnings& warnings, std::stop_token stop) {
  BackupJob job;
  job.backup_class = source.backup_class;
  job.source = source.name;
  if (source.mariadb) {
    add_mariadb(vault, *source.mariadb, job, warnings, std::move(stop));
    return job;
  }
  const PostgresSettings& settings = *source.postgresql;
  if (settings.method == DatabaseMethod::kPhysical) {
    auto hold = std::make_unique<PgWalHold>(settings, stop);
    const auto before = newest_cluster(vault, source);
    if (before && !new_cluster) require_same_cluster(hold->cluster(), *before, source.name);
    if (reads_directly(settings, *hold)) {
      add_postgres_files(vault, std::move(hold), staging, job, warnings, std::move(stop));
    } else {
      add_postgres_stream(vault, settings, std::move(hold), job, warnings, std::move(stop));
    }
  } else {
    add_logical_postgres(vault, settings, job, std::move(stop));
  }
  return job;
}

}  // namespace holdfast
