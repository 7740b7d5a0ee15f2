// One backup of file trees: walk, read, cut, deduplicate, commit.
#pragma once

#include <atomic>
#include <functional>
#include <stop_token>
#include <string>
#include <vector>

#include "protect/warnings.h"
#include "source/files/walker.h"
#include "vault/vault.h"
#include "vault/write_session.h"

namespace holdfast {

// A file that is stored under another path than it is read from.
struct PlacedFile {
  std::string file;         // where it is now
  std::string stored_path;  // where the backup has it, in stored form
};

struct BackupJob {
  std::string backup_class;
  std::string source;
  WalkOptions walk;
  std::vector<PlacedFile> placed;  // any order
  unsigned threads = 0;            // 0: one per processor
  int level = 0;                   // zstd; 0: the default
  bool read_everything = false;    // do not trust the cache of unchanged files
  bool dry_run = false;            // read and count; write nothing
};

// Filled while the backup runs; any thread may read it.
struct BackupProgress {
  std::atomic<std::uint64_t> entries{0};
  std::atomic<std::uint64_t> files{0};
  std::atomic<std::uint64_t> bytes{0};       // content seen, unchanged files included
  std::atomic<std::uint64_t> bytes_read{0};  // content read
  std::atomic<bool> walked{false};           // the totals below are final
  std::atomic<std::uint64_t> found_files{0};
  std::atomic<std::uint64_t> found_bytes{0};
};

struct BackupResult {
  BackupSummary summary;
  WriteStats written;
  Duration duration{};
  std::uint64_t unchanged_files = 0;
};

// Runs `job`. What vanishes or cannot be read becomes a warning. On a stop, what was stored so far
// is indexed, so that the next run finds it, and Error(kCancelled) is thrown. No backup object is
// written unless everything before it is durable.
BackupResult run_backup(const Vault& vault, const BackupJob& job, BackupProgress& progress,
                        Warnings& warnings, std::stop_token stop);

}  // namespace holdfast
