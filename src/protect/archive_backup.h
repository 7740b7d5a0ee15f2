// Backups as ordinary archives, straight from a source: `format: archive`.
#pragma once

#include <functional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "protect/archive_store.h"
#include "protect/file_tar.h"
#include "settings/settings.h"

namespace holdfast {

// Of several dumps, that of what is no database's: SOURCE-globals.
inline constexpr std::string_view kGlobalsPart = "globals";

// One object to be.
struct ArchivePart {
  ArchiveName name;
  // Gives the plain bytes, in order; returns only when the producer ended well.
  std::function<void(const ByteSink& sink)> produce;
};

struct ArchiveBackupProgress {
  TarTally files;
  std::atomic<std::uint64_t> bytes{0};  // plain, of all parts
};

struct WrittenArchive {
  ArchiveName name;
  std::uint64_t bytes = 0;         // plain
  std::uint64_t stored_bytes = 0;  // of the object
  std::uint64_t sockets = 0;       // of files: left out
};

// The dumps of a database. One that is named alone is called after the source; of several each is
// called SOURCE-DATABASE, and SOURCE-globals are roles and tablespaces. Roles keep their passwords
// only in archives that are sealed. Connects; throws what the server says.
std::vector<ArchivePart> database_archives(const SourceSettings& source, Timestamp now,
                                           Warnings& warnings, std::stop_token stop);

// One tar of all files. `job` must outlive it.
ArchivePart file_archive(const SourceSettings& source, const BackupJob& job, Timestamp now,
                         ArchiveBackupProgress& progress, Warnings& warnings, std::stop_token stop);

// Produces one part after the other. They become visible when all of them are whole; when one
// fails, there is none. Throws what producing throws, kConflict when an object of a name exists.
std::vector<WrittenArchive> write_archives(ObjectStore& store,
                                           const std::vector<ArchivePart>& parts,
                                           const ArchiveSettings& settings, unsigned threads,
                                           ArchiveBackupProgress& progress);

// SOURCE-DATABASE as a name that objects can have: equal for equal names, and, by a hash where it
// had to be changed, different for different ones.
std::string archive_source(const std::string& source, const std::string& database);

}  // namespace holdfast
