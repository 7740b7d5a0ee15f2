#include "cli/restore_tar.h"

#include <fmt/format.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <atomic>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/human.h"
#include "base/path.h"
#include "cli/archive_access.h"
#include "cli/progress.h"
#include "cli/run_log.h"
#include "os/file.h"
#include "os/process_stream.h"

namespace holdfast {
namespace {

std::vector<std::string> tar_command(const TarRestore& restore) {
  std::vector<std::string> command = {"tar",         "--extract",    "--file=-",
                                      "--directory", restore.target, "--same-permissions"};
  command.emplace_back(restore.overwrite ? "--overwrite" : "--skip-old-files");
  if (!restore.no_xattrs) {
    command.emplace_back("--xattrs");
    // The others are not for everybody to set.
    if (::geteuid() == 0) command.emplace_back("--xattrs-include=*");
  }
  if (restore.numeric_ids) command.emplace_back("--numeric-owner");
  command.emplace_back(restore.no_owner || ::geteuid() != 0 ? "--no-same-owner" : "--same-owner");
  if (restore.strip_components > 0) {
    command.push_back("--strip-components=" + std::to_string(restore.strip_components));
  }
  command.insert(command.end(), {"--wildcards", "--wildcards-match-slash"});
  for (const std::string& pattern : restore.excludes) {
    command.push_back("--exclude=" + stored_path("/" + pattern));
  }
  if (!restore.includes.empty()) command.emplace_back("--");
  for (const std::string& path : restore.includes) command.push_back(stored_path("/" + path));
  return command;
}

void check_space(const TarRestore& restore, std::uint64_t needed) {
  struct statvfs status {};
  if (restore.ignore_free_space || ::statvfs(restore.target.c_str(), &status) != 0) return;
  const std::uint64_t free = std::uint64_t{status.f_bavail} * status.f_frsize;
  // A part of it may need less, but nobody knows how much before it has been read.
  if (free >= needed || !restore.includes.empty()) return;
  throw Error(
      Code::kExhausted,
      fmt::format("{} needs {} when expanded, and {} has {} free", restore.archive.name.file(),
                  format_size(needed), printable(restore.target), format_size(free)),
      "free some, choose another --target, or try all the same with --ignore-free-space");
}

void unpack(Context& context, ObjectStore& store, const TarRestore& restore,
            const std::vector<Key>& identities, std::uint64_t total) {
  std::atomic<std::uint64_t> bytes{0};
  const ProgressDisplay display(context, "restore", "archive", [&] {
    ProgressSample sample;
    sample.bytes = bytes;
    sample.total_bytes = total;
    sample.total_known = true;
    return sample;
  });
  ProcessOptions options;
  options.argv = tar_command(restore);
  options.environment = {{"LC_ALL", "C"}};
  ProcessStream tar(options, ProcessStream::Direction::kInput, context.stop);
  bool reading = true;
  read_archive(
      store, restore.archive.name, identities,
      [&](ByteView plain) {
        // It may have all that it wants before the end.
        reading = reading && tar.write(plain);
        bytes += plain.size();
      },
      context.stop);
  const ProcessResult result = tar.finish();
  if (result.stopped) throw Error(Code::kCancelled, "interrupted");
  if (result.exit_code == 0) return;
  throw Error(result.error_output.find("No space left") != std::string::npos ? Code::kExhausted
                                                                             : Code::kInvalid,
              "tar could not unpack all of it: " + complaint(result),
              "what was unpacked stays; mend the cause and run it again");
}

std::uint64_t validated(Context& context, ObjectStore& store, const TarRestore& restore,
                        const std::vector<Key>& identities) {
  std::atomic<std::uint64_t> bytes{0};
  const ProgressDisplay display(context, "validate", "archive", [&bytes] {
    ProgressSample sample;
    sample.bytes = bytes;
    return sample;
  });
  return check_archive(store, restore.archive.name, identities, context.stop,
                       [&bytes](ByteView plain) { bytes += plain.size(); })
      .content.bytes;
}

}  // namespace

TarRestored unpack_archive(Context& context, ObjectStore& store, const TarRestore& restore) {
  const std::string file = restore.archive.name.file();
  if (!is_tar(restore.archive.name.format)) {
    throw Error(
        Code::kUsage, file + " is a dump, not files",
        "load it into a server: --into 'host=... dbname=...'; or read it: holdfast cat " + file);
  }
  const std::vector<Key> identities =
      identities_for(context, restore.archive.name, restore.identity);
  const Duration begin = context.clock.monotonic();
  if (!bring_archive(context, store, restore.archive, restore.thaw, restore.dry_run)) return {};
  const std::uint64_t bytes = validated(context, store, restore, identities);
  if (!restore.dry_run) {
    make_directories(restore.target);
    check_space(restore, bytes);
    RunLog log(context, "restore", "restore-" + restore.archive.name.archive_class);
    log.info("restore of " + file + " to " + printable(restore.target));
    try {
      unpack(context, store, restore, identities, bytes);
    } catch (const Error& error) {
      log.failure("restore of " + file, error.message());
      throw;
    }
    log.duration(context.clock.monotonic() - begin);
  }
  return {bytes, context.clock.monotonic() - begin};
}

int restore_tar(Context& context, ObjectStore& store, const TarRestore& restore) {
  const std::string file = restore.archive.name.file();
  const auto [bytes, took] = unpack_archive(context, store, restore);
  context.output.note(fmt::format(
      "{} {} to {}\n  {} of tar, in {}\n", restore.dry_run ? "would restore" : "restored", file,
      printable(restore.target), format_size(bytes), format_duration(took)));
  Json document{{"backup", file}};
  set_path(document, "target", restore.target);
  document["bytes"] = bytes;
  document["dry_run"] = restore.dry_run;
  document["duration_seconds"] = std::chrono::duration<double>(took).count();
  context.output.document(document);
  return kExitSuccess;
}

}  // namespace holdfast
