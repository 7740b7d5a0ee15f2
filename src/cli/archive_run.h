// The archives of one source: made, and for people and programs what came of it.
#pragma once

#include <vector>

#include "cli/context.h"
#include "cli/output.h"
#include "cli/run_log.h"
#include "protect/archive_backup.h"

namespace holdfast {

struct ArchiveRun {
  std::vector<WrittenArchive> archives;
  Duration duration{};
};

// Makes them, as `source` says. `job` is what to read of files and configuration, null for
// databases. Their names have the time `named`. `log` may be null. Throws what write_archives
// throws.
ArchiveRun run_archives(Context& context, ObjectStore& store, const SourceSettings& source,
                        const BackupJob* job, Timestamp named, unsigned threads, bool dry_run,
                        RunLog* log, Warnings& warnings);

// Reads back what was stored, to its end; sealed ones only where the source has an `identity_file`.
// Throws kCorrupt.
void verify_archives(Context& context, ObjectStore& store, const SourceSettings& source,
                     const std::vector<WrittenArchive>& archives);

// id (the name of the file), class, source, time, key, format, sealed, size.
Json archive_json(const StoredArchive& archive);
Json written_json(const WrittenArchive& archive, Duration duration, bool dry_run);

}  // namespace holdfast
