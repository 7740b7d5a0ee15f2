// One backup of file trees, or of what a database is made of: walk, read, cut, deduplicate, commit.
#pragma once

#include <atomic>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "protect/warnings.h"
#include "source/files/walker.h"
#include "vault/vault.h"
#include "vault/write_session.h"

namespace holdfast {

// How the content of a file is read and cut.
struct ReadRules {
  // The file belongs to a running database, whose log repairs what was read in the middle of a
  // change: it is read once whatever it does, and may be gone unless it is `required`.
  bool live = false;
  std::uint32_t fixed_chunk = 0;  // bytes; 0: cut by content
  bool required = false;
};

// A file that is stored under another path than it is read from.
struct PlacedFile {
  std::string file;         // where it is now
  std::string stored_path;  // where the backup has it, in stored form
  ReadRules rules{};
};

// Content that is made while it is stored, a dump say. Gives the next bytes; 0 at the end, which is
// only reached when its producer ended well. Whatever it throws fails the backup.
using ContentReader = std::function<std::size_t(MutableBytes out)>;

struct StreamedFile {
  std::string stored_path;
  std::uint32_t mode = 0600;
  std::function<ContentReader()> open;  // called once, by the thread that reads
};

struct FileOwner {
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::string user{};
  std::string group{};
};

struct FileStyle {
  std::uint32_t mode = 0600;
  std::uint32_t fixed_chunk = 0;  // as in ReadRules
  FileOwner owner{};
  std::optional<Timestamp> modified{};  // nothing: when it was stored
};

// Takes the files of a StreamedTree; several may be open at once. Paths are in stored form.
class FileSink {
 public:
  virtual ~FileSink() = default;
  virtual void open(const std::string& stored_path, const FileStyle& style) = 0;
  // Content that follows what the file has so far.
  virtual void write(const std::string& stored_path, ByteView content) = 0;
  virtual void close(const std::string& stored_path) = 0;
  // A directory whose style matters; "" is the root. Before or after what lies in it.
  virtual void directory(const std::string& stored_path, const FileStyle& style) = 0;
  // About how much there will be, for the progress.
  virtual void expect(std::uint64_t bytes) = 0;
};

// Many files out of one producer, in any order and side by side. The directories that they lie in
// are made. Nothing else of the job may lie between them in the order of the tree.
struct StreamedTree {
  std::string name;  // of the first file or before it, for the order
  // Called once, by a thread that reads. Returns when every file has been given and closed, and
  // only when its producer ended well. Whatever it throws fails the backup.
  std::function<void(FileSink& sink)> produce;
};

// What a backup ends with: known only when everything else has been read.
struct BackupEnding {
  std::vector<PlacedFile> placed;  // all behind everything else in the order of compare_paths
  Timestamp consistent{};          // the moment that a restore brings back
  std::optional<DatabaseFacts> database;
};

struct BackupJob {
  std::string backup_class;
  std::string source;
  WalkOptions walk;                   // without roots: nothing is walked
  std::vector<PlacedFile> placed;     // any order
  std::vector<StreamedFile> streams;  // any order
  std::vector<StreamedTree> trees;    // any order
  // Called by one thread once everything above has been read. May be unset.
  std::function<BackupEnding()> end;
  // Sees the content of placed files as it is read, in order for each file; `content` starts at
  // `offset`. False: something is wrong, so that the next backup shall read the file again even if
  // it is unchanged then. Called by several threads. May be unset.
  std::function<bool(const PlacedFile& file, std::uint64_t offset, ByteView content)> inspect;
  unsigned threads = 0;          // 0: one per processor
  int level = 0;                 // zstd; 0: the default
  bool read_everything = false;  // do not trust the cache of unchanged files
  bool dry_run = false;          // read and count; write nothing
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
  std::uint64_t sockets = 0;  // left out: they belong to the programs that listen on them
};

// Runs `job`. What vanishes or cannot be read becomes a warning. On a stop, what was stored so far
// is indexed, so that the next run finds it, and Error(kCancelled) is thrown. No backup object is
// written unless everything before it is durable.
BackupResult run_backup(const Vault& vault, const BackupJob& job, BackupProgress& progress,
                        Warnings& warnings, std::stop_token stop);

}  // namespace holdfast
