#include "protect/restored_check.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>

#include "base/error.h"
#include "base/human.h"
#include "protect/restore_mark.h"
#include "protect/selection.h"
#include "protect/server_directory.h"
#include "source/mariadb/proof.h"
#include "source/mariadb/restore.h"
#include "source/postgres/data_files.h"
#include "source/postgres/restored.h"
#include "vault/chunk_reader.h"
#include "vault/tree.h"

namespace holdfast {
namespace {

// Of a server that was made by MySQL itself, from 5.6 on.
constexpr const char* kMysqlIdentity = "auto.cnf";

using IsExpected = std::function<bool(const std::string& path)>;

[[noreturn]] void refuse(const std::string& what) {
  throw Error(Code::kCorrupt, what,
              "see that nothing else writes there, and run the same restore again");
}

void check_file(const std::string& path, std::uint64_t wanted) {
  struct stat status {};
  if (::lstat(path.c_str(), &status) != 0) refuse(printable(path) + " is missing");
  const auto size = static_cast<std::uint64_t>(status.st_size);
  if (S_ISREG(status.st_mode) && size == wanted) return;
  refuse(S_ISREG(status.st_mode) ? fmt::format("{} has {} bytes, and not {} as the backup",
                                               printable(path), size, wanted)
                                 : printable(path) + " is no file, as it is in the backup");
}

std::uint64_t size_of(const Entry& entry, std::span<const Ref> chunks) {
  if (entry.sparse) return entry.size;
  std::uint64_t size = 0;
  for (const Ref& ref : chunks) size += ref.length;
  return size;
}

// Returns how many files were compared: those that are `expected` as they are in the backup.
std::uint64_t check_sizes(const Vault& vault, const RestoreJob& job, const IsExpected& expected,
                          const std::stop_token& stop) {
  const Selection selection(job.includes, job.excludes, job.strip_components);
  const StoredBackup backup = read_backup(vault, job.backup);
  ChunkReader reader(vault);
  std::uint64_t files = 0;
  for_each_entry(reader, backup.root.value().tree,
                 [&](const Entry& entry, std::span<const Ref> chunks) {
                   if (stop.stop_requested()) throw Error(Code::kCancelled, "interrupted");
                   if (entry.type != EntryType::kFile || !selection.wants(entry.path, false)) {
                     return true;
                   }
                   const auto path = selection.target_path(entry.path);
                   if (!path || path->empty() || path == kRestoreMark || !expected(entry.path)) {
                     return true;
                   }
                   check_file(job.target + "/" + *path, size_of(entry, chunks));
                   ++files;
                   return true;
                 });
  return files;
}

// What the last steps of the restore have moved or written anew.
bool is_as_in_backup(const std::string& path) {
  constexpr auto kOwn = std::to_array<std::string_view>(
      {"postgresql.auto.conf", "recovery.signal", "standby.signal"});
  return !path.starts_with(kPgExtras) && std::find(kOwn.begin(), kOwn.end(), path) == kOwn.end();
}

}  // namespace

std::string check_restored_files(const Vault& vault, const RestoreJob& job, std::stop_token stop) {
  // What existed may have stayed as it was.
  if (job.overwrite == Overwrite::kNever) return "files that existed stayed: nothing is compared";
  const std::uint64_t files = check_sizes(
      vault, job, [](const std::string&) { return true; }, stop);
  return plural(files, "file") + " have their sizes";
}

std::string check_restored_postgres(const Vault& vault, const DatabaseRestore& job,
                                    const RecoveryScope& scope, std::stop_token stop) {
  require_no_server(job.files.target);
  const DatabaseFacts facts = database_of(vault, job.files.backup).value();
  PgExpected expected;
  expected.system = facts.system;
  expected.end = scope.end;
  expected.recovery = recovery_of(job, scope);
  const std::size_t segments = check_restored_cluster(job.files.target, expected);
  const std::uint64_t files = check_sizes(vault, job.files, is_as_in_backup, stop);
  return plural(files, "file") + " have their sizes, " + plural(segments, "segment") +
         " of log lead to " + format_lsn(scope.end);
}

std::string check_restored_mariadb(const MariadbRestore& job, std::stop_token stop) {
  const std::string& directory = job.files.target;
  require_no_server(directory);
  if (!holds_server(directory)) refuse(printable(directory) + " is not complete");
  if (path_exists(directory + "/" + kMysqlIdentity)) return "a new server, which has ended well";
  if (!is_prepared_mariadb(directory)) {
    refuse("the files in " + printable(directory) + " are not prepared");
  }
  if (!has_innochecksum(job.server)) return "the files are prepared (no innochecksum here)";
  const MariadbFindings pages =
      check_mariadb_pages(job.server, directory, std::move(stop), MariadbPages::kOfInnodb);
  if (!pages.bad.empty()) refuse(pages.bad.front());
  return "the files are prepared, the checksums of " + plural(pages.looked_at, "file") +
         " of InnoDB's own are right";
}

}  // namespace holdfast
