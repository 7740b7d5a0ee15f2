// One source's backup from the hook before it to the last line of its log.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "cli/archive_run.h"
#include "cli/context.h"
#include "protect/backup.h"

namespace holdfast {

struct SourceRunOptions {
  unsigned threads = 0;
  int level = 0;
  bool read_everything = false;
  bool dry_run = false;      // no hooks, no log
  bool verify = false;       // validate the structure of the new backup
  bool new_cluster = false;  // of a database: another server than before is meant
};

struct SourceOutcome {
  std::string source;
  std::string backup_class;
  std::optional<BackupResult> result;
  ArchiveRun archives;         // of a source that has some
  std::optional<Error> error;  // it failed; together with a result: only its verification did
  std::vector<std::string> warnings;  // the first ones
  std::uint64_t warning_count = 0;
  std::string log_file;
};

// Never throws for what concerns this source alone: that is in the outcome. `vault`, which lies in
// `store`, may be null for a source that has archives alone.
SourceOutcome run_source(Context& context, ObjectStore& store, const Vault* vault,
                         const SourceSettings& source, const SourceRunOptions& options);

}  // namespace holdfast
