#include "protect/postgres_job.h"

#include <algorithm>

#include "base/path.h"
#include "protect/database_job.h"
#include "source/postgres/page_watch.h"
#include "source/postgres/physical.h"
#include "source/postgres/replay_moment.h"

namespace holdfast {
namespace {

// Of the extras, the WAL of the backup among them, nothing may be missing but configuration, which
// a server may name and do without.
PlacedFile placed(const PgFile& file) {
  const bool required = is_within(file.stored_path, kPgExtras) &&
                        !base_name(file.stored_path).starts_with(kPgConfigPrefix);
  return {file.file, file.stored_path, {true, file.pages ? kPageChunk : 0, required}};
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

}  // namespace

DatabaseFacts postgres_facts(const PgCluster& cluster, const char* method) {
  DatabaseFacts facts;
  facts.engine = "postgresql";
  facts.version = cluster.version;
  facts.method = method;
  facts.system = cluster.system_identifier;
  facts.timeline = cluster.timeline;
  return facts;
}

void add_postgres_files(const Vault& vault, std::unique_ptr<PgWalHold> hold,
                        const StagingDirectory& staging, BackupJob& job, Warnings& warnings,
                        std::stop_token stop) {
  const PgReplayMoment moment(hold->connection(), hold->cluster());
  const auto backup = std::make_shared<PgPhysicalBackup>(std::move(hold), std::move(stop));
  std::shared_ptr<PgPageWatch> watch;
  if (backup->cluster().checksums && backup->cluster().block_size == kDataPage) {
    watch = std::make_shared<PgPageWatch>(parse_lsn(backup->start_lsn()), true);
    job.inspect = [watch](const PlacedFile& file, std::uint64_t offset, ByteView content) {
      return file.rules.fixed_chunk == 0 || watch->look(file.file, offset, content);
    };
  }
  job.placed = placed_in_order(backup->files());
  job.end = [backup, watch, moment, &vault, &warnings, directory = staging.path()] {
    const PgBackupEnd end = backup->finish(directory);
    BackupEnding ending;
    ending.placed = placed_in_order(end.files);
    ending.consistent = moment.consistent(parse_lsn(end.stop_lsn), vault.clock().now());
    ending.database = postgres_facts(backup->cluster(), "physical");
    ending.database->timeline = end.timeline;
    ending.database->start = end.start_lsn;
    ending.database->stop = end.stop_lsn;
    // Damaged pages are kept, as they may be all that is left; but nobody shall rely on them.
    if (watch) {
      const PgPageFindings findings = watch->findings(parse_lsn(end.stop_lsn));
      for (const std::string& text : findings.texts) warnings.add(std::string(kDamagedPage) + text);
      ending.database->damaged_pages = findings.count;
    }
    return ending;
  };
}

}  // namespace holdfast
