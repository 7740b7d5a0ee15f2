// Which archives are kept, and removing the others.
#pragma once

#include <functional>
#include <vector>

#include "cli/context.h"
#include "cli/output.h"
#include "objective/retention.h"
#include "protect/archive_name.h"

namespace holdfast {

struct ArchivePlan {
  struct Row {
    StoredArchive archive;
    RetentionDecision decision;
  };
  std::vector<Row> rows;  // oldest first

  std::vector<StoredArchive> dropped() const;
};

// Of the archives in `store` that `is_chosen` accepts; rules as in make_retention_plan. The dumps
// of each database are a group of their own, and so are archives and backups of one source: of each
// the newest stays.
ArchivePlan plan_archives(Context& context, ObjectStore& store, const RetentionPolicy& given,
                          const std::function<bool(const ArchiveName&)>& is_chosen);

// The rows of `holdfast retention show`; and for JSON.
void print_archive_plan(Output& output, const ArchivePlan& plan);
Json archive_plan_json(const ArchivePlan& plan);

struct RemovedArchives {
  std::vector<StoredArchive> removed;
  std::vector<StoredArchive> locked;  // by the store; they stay
};

// Removes what no lock holds and notes each in backup/logs/retention-YYYYMMDD.log; with `dry_run`
// only looks. Throws Error(kCancelled) at a stop; what was removed by then stays removed.
RemovedArchives remove_archives(Context& context, ObjectStore& store,
                                const std::vector<StoredArchive>& archives, bool dry_run);

}  // namespace holdfast
