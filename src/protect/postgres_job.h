// Physical backups of PostgreSQL: by the files on this host, or as a stream from the server.
#pragma once

#include <memory>
#include <stop_token>

#include "protect/backup.h"
#include "protect/source_job.h"
#include "settings/settings.h"
#include "source/postgres/wal_hold.h"

namespace holdfast {

DatabaseFacts postgres_facts(const PgCluster& cluster, const char* method);

// Both fill `job`, which keeps `hold` until it has gone, and store the same files at the same paths
// in the same chunks. Damaged pages are kept and become warnings. Throw what the server says, with
// what to do about it.

// Puts the server into backup mode until the job has gone. `staging` must live as long as the job.
void add_postgres_files(const Vault& vault, std::unique_ptr<PgWalHold> hold,
                        const StagingDirectory& staging, BackupJob& job, Warnings& warnings,
                        std::stop_token stop);

// Connects once more; the server is in backup mode while the job's stream is read.
void add_postgres_stream(const Vault& vault, const PostgresSettings& settings,
                         std::unique_ptr<PgWalHold> hold, BackupJob& job, Warnings& warnings,
                         std::stop_token stop);

}  // namespace holdfast
