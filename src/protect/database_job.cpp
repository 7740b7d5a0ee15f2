#include "protect/database_job.h"

#include <algorithm>
#include <memory>

#include "base/error.h"
#include "base/human.h"
#include "base/path.h"
#include "os/process_stream.h"
#include "protect/mariadb_job.h"
#include "source/postgres/dump.h"
#include "source/postgres/page_checksum.h"
#include "source/postgres/page_watch.h"
#include "source/postgres/physical.h"

namespace holdfast {
namespace {

DatabaseFacts facts_of(const PgCluster& cluster, const char* method) {
  DatabaseFacts facts;
  facts.engine = "postgresql";
  facts.version = cluster.version;
  facts.method = method;
  facts.system = cluster.system_identifier;
  facts.timeline = cluster.timeline;
  return facts;
}

PlacedFile placed(const PgFile& file) {
  return {file.file, file.stored_path, {true, file.pages ? kPageChunk : 0}};
}

std::vector<PlacedFile> placed_in_order(const std::vector<PgFile>& files) {
  std::vector<PlacedFile> all;
  all.reserve(files.size());
  for (const PgFile& file : files) all.push_back(placed(file));
  std::sort(all.begin(), all.end(), [](const PlacedFile& a, const PlacedFile& b) {
    return compare_paths(a.stored_path, b.stored_path) < 0;
  });
  return all;
}

// Somebody restored or made another server and gave it the name of the first: its backups would
// push out those of the first one.
void refuse_other_cluster(const Vault& vault, const SourceSettings& source,
                          const PgCluster& cluster) {
  const std::vector<BackupName> backups = list_backups(vault.store());
  const auto newest = std::find_if(backups.rbegin(), backups.rend(), [&](const BackupName& name) {
    return name.backup_class == source.backup_class && name.source == source.name;
  });
  if (newest == backups.rend()) return;
  const auto before = read_backup(vault, *newest).summary.database;
  if (!before || before->engine != "postgresql" || before->system == cluster.system_identifier) {
    return;
  }
  throw Error(
      Code::kConflict,
      "source '" + source.name + "' is another cluster now: system " + cluster.system_identifier +
          ", " + newest->id() + " is of " + before->system,
      "give the new cluster a source of its own; if it takes the place of the old one (after "
      "an upgrade, say): --new-cluster");
}

void add_physical_postgres(const Vault& vault, const PostgresSettings& settings,
                           const StagingDirectory& staging, BackupJob& job, Warnings& warnings,
                           std::stop_token stop) {
  const auto backup = std::make_shared<PgPhysicalBackup>(settings, stop);
  std::shared_ptr<PgPageWatch> watch;
  if (backup->cluster().checksums && backup->cluster().block_size == kDataPage) {
    watch = std::make_shared<PgPageWatch>(parse_lsn(backup->start_lsn()));
    job.inspect = [watch](const PlacedFile& file, std::uint64_t offset, ByteView content) {
      if (file.rules.fixed_chunk > 0) watch->look(file.file, offset, content);
    };
  }
  job.placed = placed_in_order(backup->files());
  job.end = [backup, watch, &vault, &warnings, directory = staging.path()] {
    const PgBackupEnd end = backup->finish(directory);
    // Damaged pages are kept, as they may be all that is left; but nobody shall rely on them.
    if (watch) {
      for (const std::string& finding : watch->findings(parse_lsn(end.stop_lsn))) {
        warnings.add("damaged page: " + finding);
      }
    }
    BackupEnding ending;
    ending.placed = placed_in_order(end.files);
    ending.consistent = vault.clock().now();
    ending.database = facts_of(backup->cluster(), "physical");
    ending.database->start = end.start_lsn;
    ending.database->stop = end.stop_lsn;
    return ending;
  };
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
    throw Error(Code::kInvalid, "the dump failed: " + printable(result.error_output),
                "nothing was stored as a backup; mend it and run the backup again");
  };
}

void add_logical_postgres(const Vault& vault, const PostgresSettings& settings, BackupJob& job,
                          std::stop_token stop) {
  PgConnection connection(settings, "", stop);
  BackupEnding ending;
  ending.database = facts_of(read_cluster(connection), "logical");
  ending.database->start = ending.database->stop = connection.value(
      "select case when pg_is_in_recovery() then pg_last_wal_replay_lsn() "
      "else pg_current_wal_lsn() end");
  // Whatever was committed before is in every one of the dumps.
  ending.consistent = vault.clock().now();
  for (PgDumpPlan& plan : plan_pg_dumps(settings, connection)) {
    job.streams.push_back({plan.stored_path, 0600, [plan = std::move(plan), stop] {
                             return command_output(plan.command, plan.environment, stop);
                           }});
  }
  job.end = [ending] { return ending; };
}

}  // namespace

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
    if (!new_cluster) {
      PgConnection connection(settings, "", stop);
      refuse_other_cluster(vault, source, read_cluster(connection));
    }
    add_physical_postgres(vault, settings, staging, job, warnings, std::move(stop));
  } else {
    add_logical_postgres(vault, settings, job, std::move(stop));
  }
  return job;
}

}  // namespace holdfast
