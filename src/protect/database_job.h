// From a source of class database to a backup job.
#pragma once

#include <optional>
#include <stop_token>
#include <string_view>

#include "protect/backup.h"
#include "protect/source_job.h"
#include "settings/settings.h"
#include "source/postgres/cluster.h"

namespace holdfast {

// What the warning of a page that the source's disk has damaged begins with; file and block follow.
inline constexpr std::string_view kDamagedPage = "damaged page: ";

// The size of chunks of data pages: four pages. Less would make the index of a large cluster longer
// than what it saves, more would store too much for one changed page.
inline constexpr std::uint32_t kPageChunk = 32u << 10;

// The source's newest backup of its class; nothing without one.
std::optional<BackupName> newest_backup(const Vault& vault, const SourceSettings& source);

// What the newest backup of a source is of; nothing without one, or when it is of no PostgreSQL
// server. Throws what reading it throws.
std::optional<PgBackedUp> newest_cluster(const Vault& vault, const SourceSettings& source);

// Connects and, for a physical backup, puts the server into backup mode until the job has gone.
// `staging` must live as long as the job. Throws what the server says, with what to do about it,
// and kConflict when the source's newest backup is of another cluster, unless `new_cluster` is set.
BackupJob database_job(const Vault& vault, const SourceSettings& source, bool new_cluster,
                       const StagingDirectory& staging, Warnings& warnings, std::stop_token stop);

}  // namespace holdfast
