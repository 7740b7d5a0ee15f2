// Bringing a backup back: in pack order, in parallel, every chunk verified on the way.
#pragma once

#include <atomic>
#include <stop_token>
#include <string>
#include <vector>

#include "base/ignore.h"
#include "protect/warnings.h"
#include "source/files/target.h"
#include "vault/vault.h"

namespace holdfast {

enum class Overwrite {
  kNever,      // what exists stays; a warning when it is not what the backup has
  kIfChanged,  // read what exists, fetch only what differs
  kAlways,
};

struct RestoreJob {
  BackupName backup;
  std::string target;
  std::vector<std::string> includes;  // paths or globs (base/ignore.h); empty: everything
  std::vector<std::string> excludes;  // gitignore syntax
  unsigned strip_components = 0;
  Overwrite overwrite = Overwrite::kNever;
  bool remove_others = false;  // --delete: below the restored roots, what the backup does not have
  bool dry_run = false;
  bool ignore_free_space = false;
  // The target is marked by whoever asks, who goes on there and removes the mark at the end
  // (protect/server_restore.h).
  bool keeps_mark = false;
  std::string safety;  // the backup of what the target had before, for the mark of a server
  unsigned threads = 0;
  RestoreRights rights;
};

struct RestoreProgress {
  std::atomic<std::uint64_t> total_files{0};
  std::atomic<std::uint64_t> total_bytes{0};
  std::atomic<std::uint64_t> files{0};
  std::atomic<std::uint64_t> bytes{0};  // restored or found to be right, holes included
};

struct RestoreResult {
  std::uint64_t files = 0;
  std::uint64_t directories = 0;
  std::uint64_t others = 0;
  std::uint64_t bytes = 0;  // content of the restored files
  std::uint64_t bytes_written = 0;
  std::uint64_t bytes_kept = 0;  // found in place
  std::uint64_t skipped = 0;     // existed, with Overwrite::kNever
  std::uint64_t stripped = 0;    // no directories: strip_components left no name for them
  std::uint64_t removed = 0;
  std::uint64_t damaged = 0;  // files that could not be brought back whole, not counted in `files`
  // What could not be made at all for another reason, each with a warning; not counted elsewhere.
  std::uint64_t failed = 0;
  Duration duration{};
  bool resumed = false;
};

// Restores below job.target. Interrupted, it can be run again: it then keeps what is right already.
// Files whose content is lost are named in the warnings and counted in `damaged`; the rest comes
// back. Throws kExhausted before writing anything when the space is too small.
RestoreResult run_restore(const Vault& vault, const RestoreJob& job, RestoreProgress& progress,
                          Warnings& warnings, std::stop_token stop);

// True when nothing is there. A fresh file system is empty although it has its lost+found.
bool is_empty_target(const std::string& target);

// True when `target` holds a restore that was interrupted and began in an empty directory.
bool resumes_into_empty(const std::string& target);

}  // namespace holdfast
