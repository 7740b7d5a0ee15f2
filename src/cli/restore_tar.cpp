#include "cli/restore_tar.h"

#include <fmt/format.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/human.h"
#include "base/path.h"
#include "cli/archive_access.h"
#include "cli/progress.h"
#include "cli/run_log.h"
#include "cli/tar_preflight.h"
#include "os/file.h"
#include "os/process_stream.h"
#include "protect/restore_mark.h"

namespace holdfast {
namespace {

constexpr std::size_t kNamed = 5;  // of those that stayed

// What is taken of the archive, and its names.
std::vector<std::string> selection_of(const TarRestore& restore) {
  std::vector<std::string> words;
  if (restore.strip_components > 0) {
    words.push_back("--strip-components=" + std::to_string(restore.strip_components));
  }
  words.insert(words.end(), {"--wildcards", "--wildcards-match-slash"});
  for (const std::string& pattern : restore.excludes) {
    words.push_back("--exclude=" + stored_path("/" + pattern));
  }
  if (!restore.includes.empty()) words.emplace_back("--");
  for (const std::string& path : restore.includes) words.push_back(stored_path("/" + path));
  return words;
}

std::vector<std::string> tar_command(const TarRestore& restore, bool overwrite) {
  std::vector<std::string> command = {"tar",         "--extract",    "--file=-",
                                      "--directory", restore.target, "--same-permissions"};
  // Otherwise it makes files anew: one with another name elsewhere must not change there.
  if (!overwrite) command.emplace_back("--skip-old-files");
  if (!restore.no_xattrs) {
    command.emplace_back("--xattrs");
    // The others are not for everybody to set.
    if (::geteuid() == 0) command.emplace_back("--xattrs-include=*");
  }
  if (restore.numeric_ids) command.emplace_back("--numeric-owner");
  command.emplace_back(restore.no_owner || ::geteuid() != 0 ? "--no-same-owner" : "--same-owner");
  const std::vector<std::string> selection = selection_of(restore);
  command.insert(command.end(), selection.begin(), selection.end());
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

constexpr std::string_view kNewTarget = "new\n";

// In "/" many archives may be at work.
std::string mark_of(const TarRestore& restore) {
  return (restore.target == "/" ? "" : restore.target) + "/.holdfast-unpacking-" +
         restore.archive.name.file();
}

// Not everybody who brings his own files back may write there.
void set_mark(const std::string& mark, std::string_view text) {
  try {
    write_file_atomic(mark, as_bytes(text));
  } catch (const Error& error) {
    if (error.code() != Code::kDenied) throw;
  }
}

// Marks the target until all is unpacked: tar leaves what it was writing when it was stopped, and
// the next one would take that for somebody's own. Returns whether to replace what is there.
bool begin_unpacking(const TarRestore& restore) {
  const std::string mark = mark_of(restore);
  if (!path_exists(mark)) {
    set_mark(mark, is_taken(restore.target) ? "" : kNewTarget);
    return restore.overwrite;
  }
  if (restore.overwrite || as_text(read_file(mark)) == kNewTarget) return true;
  throw Error(Code::kConflict,
              restore.archive.name.file() +
                  " was interrupted while it was unpacked, and a file may be cut off",
              "run it again with --overwrite always, or remove " + printable(mark) +
                  " to let what exists stay");
}

bool names_full_disk(const std::string& said) {
  return said.find("No space left") != std::string::npos ||
         said.find("Wrote only") != std::string::npos;
}

void unpack(Context& context, ObjectStore& store, const TarRestore& restore, bool overwrite,
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
  options.argv = tar_command(restore, overwrite);
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
  throw Error(names_full_disk(result.error_output) ? Code::kExhausted : Code::kInvalid,
              "tar could not unpack all of it: " + complaint(result),
              "what was unpacked stays; mend the cause and run it again");
}

// Reads it to its end, and looks at what is in the way of its members.
TarRestored validated(Context& context, ObjectStore& store, const TarRestore& restore,
                      const std::vector<Key>& identities) {
  std::atomic<std::uint64_t> bytes{0};
  TarPreflight tar(restore.target, selection_of(restore), context.stop);
  const ProgressDisplay display(context, "validate", "archive", [&bytes] {
    ProgressSample sample;
    sample.bytes = bytes;
    return sample;
  });
  TarRestored found;
  const auto feed = [&](ByteView plain) {
    bytes += plain.size();
    tar.write(plain);
  };
  found.bytes =
      check_archive(store, restore.archive.name, identities, context.stop, feed).content.bytes;
  found.kept = tar.finish();
  return found;
}

void warn_of_kept(Context& context, const std::vector<std::string>& kept) {
  for (std::size_t i = 0; i < std::min(kept.size(), kNamed); ++i) {
    context.output.warning(printable(kept[i]) + ": exists and was kept (see --overwrite)");
  }
  if (kept.size() > kNamed) {
    context.output.warning(fmt::format("{} more exist and were kept", kept.size() - kNamed));
  }
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
  TarRestored restored = validated(context, store, restore, identities);
  if (!restore.dry_run) {
    make_directories(restore.target);
    check_space(restore, restored.bytes);
    const bool overwrite = begin_unpacking(restore);
    if (overwrite) restored.kept.clear();
    RunLog log(context, "restore", "restore-" + restore.archive.name.archive_class);
    log.info("restore of " + file + " to " + printable(restore.target));
    try {
      unpack(context, store, restore, overwrite, identities, restored.bytes);
      ::unlink(mark_of(restore).c_str());
    } catch (const Error& error) {
      log.failure("restore of " + file, error.message());
      throw;
    }
    log.duration(context.clock.monotonic() - begin);
  }
  if (restore.overwrite) restored.kept.clear();
  warn_of_kept(context, restored.kept);
  restored.duration = context.clock.monotonic() - begin;
  return restored;
}

int restore_tar(Context& context, ObjectStore& store, const TarRestore& restore) {
  const std::string file = restore.archive.name.file();
  const TarRestored restored = unpack_archive(context, store, restore);
  context.output.note(fmt::format(
      "{} {} to {}\n  {} of tar, in {}\n", restore.dry_run ? "would restore" : "restored", file,
      printable(restore.target), format_size(restored.bytes), format_duration(restored.duration)));
  Json document{{"backup", file}};
  set_path(document, "target", restore.target);
  document["bytes"] = restored.bytes;
  document["skipped"] = restored.kept.size();
  document["dry_run"] = restore.dry_run;
  document["duration_seconds"] = std::chrono::duration<double>(restored.duration).count();
  context.output.document(document);
  return restored.kept.empty() ? kExitSuccess : kExitWarnings;
}

}  // namespace holdfast
