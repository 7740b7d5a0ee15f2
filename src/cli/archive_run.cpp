#include "cli/archive_run.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/human.h"
#include "cli/archive_access.h"
#include "cli/backup_json.h"
#include "cli/progress.h"

namespace holdfast {
namespace {

std::string written_text(const WrittenArchive& one, Duration duration, bool dry_run) {
  const double seconds = std::max(0.001, std::chrono::duration<double>(duration).count());
  return fmt::format(
      "{}{}\n  {} as {}{}, in {} ({}/s)\n", dry_run ? "dry run: " : "", one.name.key(),
      format_size(one.bytes), format_size(one.stored_bytes), sockets_text(one.sockets),
      format_duration(duration),
      format_size(static_cast<std::uint64_t>(static_cast<double>(one.bytes) / seconds)));
}

}  // namespace

ArchiveRun run_archives(Context& context, ObjectStore& store, const SourceSettings& source,
                        const BackupJob* job, Timestamp named, unsigned threads, bool dry_run,
                        RunLog* log, Warnings& warnings) {
  const Duration begin = context.clock.monotonic();
  ArchiveBackupProgress progress;
  const std::vector<ArchivePart> parts =
      job == nullptr
          ? database_archives(source, named, warnings, context.stop)
          : std::vector{file_archive(source, *job, named, progress, warnings, context.stop)};
  ProgressDisplay display(context, source.name, "file", [&progress] {
    ProgressSample sample;
    sample.bytes = progress.bytes;
    sample.items = progress.files.entries;
    return sample;
  });
  ArchiveRun run;
  run.archives = write_archives(store, parts, source.archive, threads, progress);
  run.duration = context.clock.monotonic() - begin;
  display.stop();
  if (job != nullptr) run.archives.front().sockets = progress.files.sockets;
  for (const WrittenArchive& one : run.archives) {
    context.output.note(written_text(one, run.duration, dry_run));
    if (log != nullptr) {
      log->info(fmt::format("{}: {} as {}{}", one.name.key(), format_size(one.bytes),
                            format_size(one.stored_bytes), sockets_text(one.sockets)));
    }
  }
  return run;
}

void verify_archives(Context& context, ObjectStore& store, const SourceSettings& source,
                     const std::vector<WrittenArchive>& archives) {
  const std::vector<Key> identities = archive_identities(&source, "");
  for (const WrittenArchive& one : archives) {
    if (one.name.sealed && identities.empty()) continue;
    check_archive(store, one.name, identities, context.stop);
  }
}

Json archive_json(const StoredArchive& archive) {
  const ArchiveName& name = archive.name;
  return {{"id", name.file()},     {"class", name.archive_class},
          {"source", name.source}, {"time", iso_time(name.time)},
          {"key", name.key()},     {"format", archive_suffix(name.format)},
          {"sealed", name.sealed}, {"size", archive.size}};
}

Json written_json(const WrittenArchive& archive, Duration duration, bool dry_run) {
  Json json = archive_json({archive.name, archive.stored_bytes, {}});
  if (dry_run) json["id"] = Json();
  json["bytes"] = archive.bytes;
  json["sockets_skipped"] = archive.sockets;
  json["duration_seconds"] = std::chrono::duration<double>(duration).count();
  return json;
}

}  // namespace holdfast
