// Any backup as one ordinary archive, which standard tools read: tar with zstd or gzip, or the dump
// in a logical backup of a database.
#pragma once

#include <atomic>
#include <stop_token>
#include <string>
#include <vector>

#include "protect/archive_stream.h"
#include "protect/warnings.h"
#include "vault/vault.h"

namespace holdfast {

struct ArchiveJob {
  BackupName backup;
  ArchiveEncoding encoding;
  std::vector<std::string> includes;  // paths or globs; empty: everything
  std::vector<std::string> excludes;  // gitignore syntax
  unsigned read_threads = 0;          // 0: what suits the store
  bool dry_run = false;               // count only
};

struct ArchiveProgress {
  std::atomic<std::uint64_t> total_files{0};
  std::atomic<std::uint64_t> total_bytes{0};
  std::atomic<std::uint64_t> files{0};
  std::atomic<std::uint64_t> bytes{0};
};

struct ArchiveResult {
  std::uint64_t files = 0;
  std::uint64_t directories = 0;
  std::uint64_t others = 0;
  std::uint64_t bytes = 0;          // content of the files
  std::uint64_t archive_bytes = 0;  // given to the sink
  Duration duration{};
};

// Gives the archive to `sink` in order, by the calling thread; memory does not grow with the
// backup. With a .sql format the archive is the content of the only regular file that is wanted and
// ends in .sql: Error(kInvalid) when there is not exactly one. Anything lost is Error(kCorrupt):
// what the sink got is no whole archive then. Holds a lease where the store can be written to.
ArchiveResult write_archive(const Vault& vault, const ArchiveJob& job, const ByteSink& sink,
                            ArchiveProgress& progress, Warnings& warnings, std::stop_token stop);

// Where the archive of a backup would lie beside it: the name for files as well.
ArchiveName archive_name_of(const BackupName& backup, const ArchiveEncoding& encoding);

}  // namespace holdfast
