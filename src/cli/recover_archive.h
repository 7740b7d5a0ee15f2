// One archive brought back by a recovery, the newest that is whole.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/context.h"
#include "cli/output.h"
#include "cli/recover_record.h"
#include "cli/recoverable_archive.h"
#include "cli/restore_tar.h"

namespace holdfast {

struct ArchiveRecoveryOptions {
  std::string target;  // everything goes below it; empty: to the original paths
  TarRestore rights;   // its overwrite, dry_run, identity, thaw and what is to be set of files
  bool may_choose =
      true;  // else an interrupted run's choice does not count: a moment was asked for
};

struct ArchiveRecovery {
  const RecoverableArchive* source = nullptr;
  StoredArchive archive;
  std::string target;  // the directory of files, the file of a dump
  bool dry_run = false;
  bool done_before = false;
  bool left_out = false;                 // a dump, which has no original path
  bool stayed = false;                   // a file of that name was there
  std::uint64_t kept = 0;                // files that existed, differ, and stayed
  std::vector<std::string> passed_over;  // newer ones that are not whole, and why
  std::uint64_t bytes = 0;               // of its content
  Duration duration{};
  std::optional<Error> error;

  int code() const;
  std::string result() const;  // "back", "failed", ...
  std::string left_out_text() const;
};

// Below the target files come back as CLASS/SOURCE/..., a dump as CLASS/backup-...-SOURCE.sql.
// `record` may be null. Errors are in the result, and have been printed; throws kCancelled.
ArchiveRecovery recover_archive(Context& context, ObjectStore& store,
                                const RecoverableArchive& source,
                                const ArchiveRecoveryOptions& options, RecoverRecord* record);

Json archive_recovery_json(const ArchiveRecovery& recovery, Timestamp now);
// In the columns of a recovery's table.
std::vector<std::string> archive_recovery_cells(const ArchiveRecovery& recovery, Timestamp now);

}  // namespace holdfast
