// holdfast export: a backup as one ordinary archive.
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/human.h"
#include "cli/commands.h"
#include "cli/context.h"
#include "cli/export_output.h"
#include "cli/progress.h"
#include "cli/run_log.h"
#include "cli/session.h"
#include "cli/thaw.h"
#include "protect/archive.h"
#include "protect/restore.h"

namespace holdfast {
namespace {

struct ExportOptions {
  std::string backup;
  std::string format;
  std::string output;
  std::vector<std::string> recipients;
  std::vector<std::string> includes;
  std::vector<std::string> excludes;
  bool force = false;
  bool dry_run = false;
  std::optional<unsigned> level;
  std::optional<unsigned> threads;
  ThawOptions thaw;
};

struct Exported {
  ArchiveResult result;
  std::vector<std::string> warnings;
  std::uint64_t warning_count = 0;
  std::string log_file;
};

std::vector<Key> parse_recipients(const std::vector<std::string>& texts) {
  std::vector<Key> recipients;
  for (const std::string& text : texts) {
    try {
      recipients.push_back(parse_age_recipient(text));
    } catch (const Error& error) {
      throw Error(Code::kUsage, "--recipient " + printable(text) + ": " + error.message(),
                  error.hint());
    }
  }
  return recipients;
}

// Names that look like an archive's must not lie.
void check_name(const std::string& name, ArchiveFormat format, bool sealed) {
  const auto named = format_of_name(name);
  const bool named_sealed = name.ends_with(kSealedSuffix);
  if (named && *named != format) {
    throw Error(Code::kUsage, fmt::format("--output {} and --format {} contradict each other",
                                          printable(name), archive_suffix(format)));
  }
  if (named_sealed && !sealed) {
    throw Error(Code::kUsage, "--output " + printable(name) + " needs a recipient to seal for",
                "give --recipient age1..., or another name");
  }
  if (named && !named_sealed && sealed) {
    throw Error(Code::kUsage, "--output " + printable(name) + " does not say that it is sealed",
                "call it " + printable(name) + std::string(kSealedSuffix));
  }
}

// The name of the output decides where no format is given.
ArchiveEncoding make_encoding(const ExportOptions& options, const ExportPlace& place) {
  ArchiveEncoding encoding;
  encoding.recipients = parse_recipients(options.recipients);
  encoding.threads = options.threads.value_or(0);
  if (options.level) encoding.level = static_cast<int>(*options.level);
  if (!options.format.empty()) {
    encoding.format = parse_archive_format(options.format).value();
  } else {
    encoding.format = format_of_name(place.name).value_or(ArchiveFormat::kTarZst);
  }
  check_name(place.name, encoding.format, !encoding.recipients.empty());
  if (is_gzip(encoding.format) && encoding.level.value_or(0) > 9) {
    throw Error(Code::kUsage, "gzip has levels from 1 to 9");
  }
  return encoding;
}

void prepare_archived(Context& context, const Vault& vault, const ArchiveJob& job,
                      const ThawOptions& options) {
  if (job.dry_run) return;
  RestoreJob needs;
  needs.backup = job.backup;
  needs.includes = job.includes;
  needs.excludes = job.excludes;
  bring_from_archive(context, vault, needs, options);
}

ArchiveResult run_job(Context& context, const Vault& vault, const ArchiveJob& job,
                      ExportOutput* output, Warnings& warnings) {
  ArchiveProgress progress;
  const ProgressDisplay display(context, "export", "file", [&progress] {
    ProgressSample sample;
    sample.bytes = progress.bytes;
    sample.items = progress.files;
    sample.total_bytes = progress.total_bytes;
    sample.total_items = progress.total_files;
    sample.total_known = sample.total_items > 0;
    return sample;
  });
  const ArchiveResult result = write_archive(
      vault, job, [output](ByteView data) { output->write(data); }, progress, warnings,
      context.stop);
  if (output != nullptr) output->commit();
  return result;
}

// The log says who took what out of the vault.
Exported export_backup(Context& context, const Vault& vault, const ArchiveJob& job,
                       const ExportPlace& place, ExportOutput* output) {
  const std::string what = "export of " + job.backup.id();
  std::optional<RunLog> log;
  if (!job.dry_run) {
    log.emplace(context, "restore", "export");
    log->info(fmt::format("{} to {}", what, printable(place.text())));
  }
  Warnings warnings([&log](const std::string& text) {
    if (log) log->warning(text);
  });
  const Duration begin = context.clock.monotonic();
  try {
    Exported exported;
    exported.result = run_job(context, vault, job, output, warnings);
    exported.warnings = warnings.first();
    exported.warning_count = warnings.count();
    if (!log) return exported;
    exported.log_file = log->file();
    log->info(fmt::format("{}: {}, {}", job.backup.id(), plural(exported.result.files, "file"),
                          format_size(exported.result.archive_bytes)));
    log->duration(context.clock.monotonic() - begin);
    return exported;
  } catch (const Error& error) {
    if (log) {
      log->failure(what, error.message());
      log->duration(context.clock.monotonic() - begin);
    }
    throw;
  }
}

std::string exported_text(const ArchiveJob& job, const ExportPlace& place, const ArchiveResult& r) {
  const double seconds = std::max(0.001, std::chrono::duration<double>(r.duration).count());
  std::string text = fmt::format(
      "{} {} to {}\n  {}, {} {}, {}", job.dry_run ? "would export" : "exported", job.backup.id(),
      printable(place.text()), plural(r.files, "file"), format_count(r.directories),
      r.directories == 1 ? "directory" : "directories", format_size(r.bytes));
  if (!job.dry_run) {
    text += fmt::format(
        ", as {}, in {} ({}/s)", format_size(r.archive_bytes), format_duration(r.duration),
        format_size(static_cast<std::uint64_t>(static_cast<double>(r.bytes) / seconds)));
  }
  text += "\n";
  if (job.encoding.recipients.empty()) {
    text += "  not sealed: whoever has the archive can read it (see --recipient)\n";
  } else {
    text += fmt::format("  sealed for {}\n", plural(job.encoding.recipients.size(), "recipient"));
  }
  return text;
}

Json exported_json(const ArchiveJob& job, const ExportPlace& place, const Exported& exported) {
  const ArchiveResult& r = exported.result;
  Json json{{"backup", job.backup.id()}};
  set_path(json, "output", place.text());
  json["format"] = archive_suffix(job.encoding.format);
  json["recipients"] = job.encoding.recipients.size();
  json["files"] = r.files;
  json["directories"] = r.directories;
  json["others"] = r.others;
  json["bytes"] = r.bytes;
  json["archive_bytes"] = r.archive_bytes;
  json["duration_seconds"] = std::chrono::duration<double>(r.duration).count();
  json["dry_run"] = job.dry_run;
  json["warnings"] = exported.warnings;
  json["warning_count"] = exported.warning_count;
  return json;
}

int run(Context& context, const ExportOptions& options) {
  ExportPlace place = parse_export_place(options.output);
  const bool to_stdout = place.kind == ExportPlace::Kind::kStandardOutput;
  if (to_stdout && context.output.json()) {
    throw Error(Code::kUsage, "the archive itself goes to the standard output, and JSON cannot",
                "give --output FILE");
  }
  ArchiveJob job;
  job.encoding = make_encoding(options, place);
  job.includes = options.includes;
  job.excludes = options.excludes;
  job.read_threads = options.threads.value_or(context.settings().threads);
  job.dry_run = options.dry_run;
  const OpenedVault opened =
      open_vault(context, options.dry_run ? Access::kDryRun : Access::kWriteIfPossible);
  job.backup = find_backup(list_backups(*opened.store), options.backup);
  if (!to_stdout && place.name.empty()) {
    place.name = archive_name_of(job.backup, job.encoding).file();
  }
  prepare_archived(context, *opened.vault, job, options.thaw);
  const auto output = open_export_output(context, place, options.force, options.dry_run);
  const Exported exported = export_backup(context, *opened.vault, job, place, output.get());
  if (!to_stdout || options.dry_run) {
    context.output.note(exported_text(job, place, exported.result));
  }
  print_warnings(context.output, exported.warnings, exported.warning_count, exported.log_file);
  context.output.document(exported_json(job, place, exported));
  return exported.warning_count > 0 ? kExitWarnings : kExitSuccess;
}

}  // namespace

void add_export_command(Command& root) {
  const auto o = std::make_shared<ExportOptions>();
  Command command = root.subcommand("export", "Make one ordinary archive of a backup");
  command.argument("BACKUP", o->backup, true, "An id, the beginning of one, latest, latest:SOURCE")
      .choice("--format", o->format, {"tar.zst", "tar.gz", "sql.gz", "sql.zst"},
              "tar.zst, tar.gz, sql.gz, sql.zst (default: what the output is called, or tar.zst)")
      .text("-o,--output", o->output,
            "File, directory, s3://BUCKET/NAME or - (default: a file in this directory)")
      .texts("--recipient", o->recipients, "Seal for this age recipient, age1... (may be repeated)")
      .texts("--include", o->includes, "Only this path or glob (may be repeated)")
      .texts("--exclude", o->excludes, "Not this, in gitignore syntax (may be repeated)")
      .flag("-f,--force", o->force, "Replace what is there")
      .flag("-n,--dry-run", o->dry_run, "Say what would be done; write nothing")
      .number("--level", o->level, 1, 19, "Compression (default: 3 for zstd, 6 for gzip)")
      .number("--threads", o->threads, 1, 256,
              "Threads (default: one per processor, up to 12 to read a remote store)");
  add_thaw_options(command, o->thaw);
  command
      .examples({"holdfast export latest:web",
                 "holdfast export latest:appdump --format sql.gz --include shop.sql --output - | "
                 "gunzip | psql",
                 "holdfast export latest:web --recipient age1... --output /mnt/usb/",
                 "holdfast export latest --include /etc --output s3://handover/etc.tar.gz"})
      .run([o](Context& context) { return run(context, *o); });
}

}  // namespace holdfast
