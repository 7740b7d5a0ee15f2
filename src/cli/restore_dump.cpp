#include "cli/restore_dump.h"

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>

#include "base/error.h"
#include "base/human.h"
#include "cli/archive_access.h"
#include "cli/progress.h"
#include "cli/run_log.h"
#include "os/file.h"

namespace holdfast {
namespace {

constexpr std::string_view kUnfinished = ".part";

std::string dump_file(const ArchiveName& name) {
  std::string file = name.file();
  if (name.sealed) file.resize(file.size() - kSealedSuffix.size());
  return file.substr(0, file.rfind('.'));  // ".sql" stays
}

// A file that takes its name when it is whole, and goes without.
class UnfinishedFile {
 public:
  explicit UnfinishedFile(const std::string& path)
      : path_(path),
        unfinished_(path + std::string(kUnfinished)),
        fd_(open_file(unfinished_, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0600)) {}
  UnfinishedFile(const UnfinishedFile&) = delete;
  UnfinishedFile& operator=(const UnfinishedFile&) = delete;
  ~UnfinishedFile() {
    if (fd_.valid()) ::unlink(unfinished_.c_str());
  }

  void write(ByteView bytes) { write_full(fd_.get(), bytes, unfinished_); }
  void finish() {
    sync_file(fd_.get(), unfinished_);
    if (std::rename(unfinished_.c_str(), path_.c_str()) != 0) {
      throw system_error(errno, "cannot name " + printable(path_));
    }
    fd_.reset();
    sync_directory(path_.substr(0, path_.rfind('/')));
  }

 private:
  const std::string path_;
  const std::string unfinished_;
  Fd fd_;
};

std::uint64_t expand(Context& context, ObjectStore& store, const DumpRestore& restore,
                     const std::vector<Key>& identities, const ByteSink& sink) {
  std::atomic<std::uint64_t> bytes{0};
  const ProgressDisplay display(context, "restore", "dump", [&bytes] {
    ProgressSample sample;
    sample.bytes = bytes;
    return sample;
  });
  return check_archive(store, restore.archive.name, identities, context.stop,
                       [&](ByteView plain) {
                         if (sink) sink(plain);
                         bytes += plain.size();
                       })
      .content.bytes;
}

std::uint64_t write_dump(Context& context, ObjectStore& store, const DumpRestore& restore,
                         const std::vector<Key>& identities, const std::string& path) {
  const std::string what = "restore of " + restore.archive.name.file();
  RunLog log(context, "restore", "restore-" + restore.archive.name.archive_class);
  log.info(what + " to " + printable(path));
  try {
    make_directories(restore.directory);
    UnfinishedFile file(path);
    const std::uint64_t bytes =
        expand(context, store, restore, identities, [&file](ByteView plain) { file.write(plain); });
    file.finish();
    return bytes;
  } catch (const Error& error) {
    log.failure(what, error.message());
    throw;
  }
}

}  // namespace

DumpRestored restore_dump(Context& context, ObjectStore& store, const DumpRestore& restore) {
  const Duration begin = context.clock.monotonic();
  const std::vector<Key> identities =
      identities_for(context, restore.archive.name, restore.identity);
  DumpRestored done;
  done.path = restore.directory + "/" + dump_file(restore.archive.name);
  done.stayed = !restore.overwrite && path_exists(done.path);
  if (done.stayed) return done;
  if (!bring_archive(context, store, restore.archive, restore.thaw, restore.dry_run)) return done;
  done.bytes = restore.dry_run ? expand(context, store, restore, identities, {})
                               : write_dump(context, store, restore, identities, done.path);
  done.duration = context.clock.monotonic() - begin;
  return done;
}

}  // namespace holdfast
