#include "protect/directory_dump.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "base/error.h"
#include "base/human.h"
#include "base/path.h"
#include "os/file.h"
#include "os/identity.h"
#include "protect/proof_steps.h"
#include "protect/restore.h"
#include "source/postgres/directory_dump.h"

namespace holdfast {
namespace {

constexpr std::size_t kReadSize = std::size_t{256} << 10;

std::string scratch_parent(const PostgresSettings& settings) {
  const std::string parent = settings.scratch.empty() ? own_scratch() : settings.scratch;
  remove_abandoned_scratch(parent);
  return parent;
}

// The server's user made the file, and must not lead root to another one.
Fd open_plain_file(const std::string& file) {
  Fd fd = open_file(file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  struct stat status {};
  if (::fstat(fd.get(), &status) == 0 && S_ISREG(status.st_mode)) return fd;
  throw Error(Code::kInvalid, printable(file) + " is no file of a dump");
}

void store_file(FileSink& sink, const std::string& file, const std::string& stored_path) {
  const Fd fd = open_plain_file(file);
  Bytes buffer(kReadSize);
  sink.open(stored_path, {});
  while (const std::size_t n = read_full(fd.get(), buffer, file)) {
    sink.write(stored_path, ByteView(buffer).first(n));
  }
  sink.close(stored_path);
}

// A pattern that fits this name alone.
std::string as_pattern(const std::string& name) {
  std::string pattern;
  for (const char c : name) {
    if (std::string_view("*?[\\").find(c) != std::string_view::npos) pattern += '\\';
    pattern += c;
  }
  return pattern;
}

void give_files_to(const std::string& directory, const std::string& user) {
  if (::geteuid() != 0 || user.empty()) return;
  const SystemUser owner = system_user(user);
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    if (::lchown(entry.path().c_str(), owner.uid, owner.gid) != 0) {
      throw system_error(errno, "cannot set the owner of " + printable(entry.path().string()));
    }
  }
}

RestoreResult restore_files(const Vault& vault, const RestoreJob& job, std::stop_token stop) {
  RestoreProgress progress;
  Warnings warnings;
  try {
    return run_restore(vault, job, progress, warnings, std::move(stop));
  } catch (const Error& error) {
    if (error.code() != Code::kExhausted) throw;
    // What it advises is for restores that people asked for.
    throw Error(Code::kExhausted, "no room to unpack the dump: " + error.message(),
                "free some, or name another place: 'scratch' of the source, or --scratch DIR of "
                "validate restore");
  }
}

}  // namespace

DumpScratch::DumpScratch(const PostgresSettings& settings)
    : scratch_(scratch_parent(settings), kDump), directory_(scratch_.path() + "/dump") {
  require_reachable(scratch_.path(), settings.system_user);
  make_directory_for(directory_, settings.system_user);
}

StreamedTree DirectoryDumps::tree(PgDumpPlan plan) const {
  const std::string name = plan.stored_path;
  return {name, [plan = std::move(plan), settings = settings_, stop = stop_,
                 turn = turn_](FileSink& sink) {
            const MutexLock lock(*turn);
            const DumpScratch scratch(settings);
            const std::string& directory = scratch.directory();
            require_space_for_dump(settings, plan.database, directory, stop);
            run_directory_dump(
                plan, directory,
                [&](const std::string& file) {
                  store_file(sink, directory + "/" + file, join_path(plan.stored_path, file));
                },
                stop);
          }};
}

std::uint64_t unpack_directory_dump(const Vault& vault, const BackupName& backup,
                                    const std::string& path, const std::string& directory,
                                    const std::string& user, std::stop_token stop) {
  make_directory_for(directory, user);
  RestoreJob job;
  job.backup = backup;
  job.target = directory;
  job.includes = {as_pattern(path)};
  job.strip_components = 1;
  job.rights.owner = false;
  const RestoreResult result = restore_files(vault, job, std::move(stop));
  if (result.damaged > 0) {
    throw Error(Code::kCorrupt,
                backup.id() + ": " + plural(result.damaged, "file") + " of " + printable(path) +
                    " came back damaged",
                "restore an older one: holdfast list");
  }
  give_files_to(directory, user);
  return result.bytes;
}

}  // namespace holdfast
