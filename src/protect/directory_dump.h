// Dumps in pg_dump's directory format, from the disk that they need for a while into a backup, and
// back.
#pragma once

#include <memory>
#include <stop_token>
#include <string>

#include "os/mutex.h"
#include "os/scratch.h"
#include "protect/backup.h"
#include "settings/settings.h"
#include "source/postgres/dump.h"

namespace holdfast {

// An empty directory of the server's user where the settings want such dumps; goes with this
// object. What killed runs have left there is removed first.
class DumpScratch {
 public:
  // Throws kDenied when that user cannot reach it.
  explicit DumpScratch(const PostgresSettings& settings);
  const std::string& directory() const { return directory_; }

 private:
  ScratchDirectory scratch_;
  std::string directory_;
};

// The dumps of one backup. They are made one after the other, as each has workers of its own and
// the disk has to hold a single one.
class DirectoryDumps {
 public:
  DirectoryDumps(const PostgresSettings& settings, std::stop_token stop)
      : settings_(settings), stop_(std::move(stop)), turn_(std::make_shared<Mutex>()) {}

  // Stores the dump as a directory at its path while it is being made.
  StreamedTree tree(PgDumpPlan plan) const;

 private:
  PostgresSettings settings_;
  std::stop_token stop_;
  std::shared_ptr<Mutex> turn_;
};

// Brings the dump at `path` of a backup back: its files come to lie right in `directory`, which is
// made, and belong to the system user `user`. Returns their bytes. Throws kExhausted before
// anything is written when there is no room, kCorrupt.
std::uint64_t unpack_directory_dump(const Vault& vault, const BackupName& backup,
                                    const std::string& path, const std::string& directory,
                                    const std::string& user, std::stop_token stop);

}  // namespace holdfast
