// holdfast restore: a backup, or a part of it, back into a directory.
#include "protect/restore.h"

#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/human.h"
#include "cli/commands.h"
#include "cli/context.h"
#include "cli/progress.h"
#include "cli/run_log.h"
#include "cli/session.h"
#include "protect/source_job.h"

namespace holdfast {
namespace {

struct RestoreOptions {
  std::string backup;
  std::string target;
  std::vector<std::string> includes;
  std::vector<std::string> excludes;
  std::string overwrite = "never";
  bool remove_others = false;
  bool dry_run = false;
  bool numeric_ids = false;
  bool no_owner = false;
  bool no_xattrs = false;
  bool ignore_free_space = false;
  std::optional<unsigned> strip_components;
  std::optional<unsigned> threads;
};

RestoreJob make_job(const RestoreOptions& options, const BackupName& backup,
                    const Settings& settings) {
  RestoreJob job;
  job.backup = backup;
  job.target = options.target;
  job.includes = options.includes;
  job.excludes = options.excludes;
  job.strip_components = options.strip_components.value_or(0);
  job.overwrite = options.overwrite == "always"       ? Overwrite::kAlways
                  : options.overwrite == "if-changed" ? Overwrite::kIfChanged
                                                      : Overwrite::kNever;
  job.remove_others = options.remove_others;
  job.dry_run = options.dry_run;
  job.ignore_free_space = options.ignore_free_space;
  job.threads = options.threads.value_or(settings.threads);
  job.rights.owner = !options.no_owner;
  job.rights.numeric_ids = options.numeric_ids;
  job.rights.xattrs = !options.no_xattrs;
  return job;
}

struct Restored {
  RestoreResult result;
  std::vector<std::string> repositories;  // made of the bundles of a config backup
};

Restored run_job(Context& context, const Vault& vault, const RestoreJob& job, Warnings& warnings) {
  RestoreProgress progress;
  ProgressDisplay display(context, "restore", "file", [&progress] {
    ProgressSample sample;
    sample.bytes = progress.bytes;
    sample.items = progress.files;
    sample.total_bytes = progress.total_bytes;
    sample.total_items = progress.total_files;
    sample.total_known = sample.total_items > 0;
    return sample;
  });
  try {
    Restored restored;
    restored.result = run_restore(vault, job, progress, warnings, context.stop);
    if (job.backup.backup_class == "config") {
      restored.repositories = restore_repositories(vault, job, warnings, context.stop);
    }
    return restored;
  } catch (Error& error) {
    if (error.code() == Code::kCancelled) {
      error.suggest("what is restored stays: run the same command again to finish it");
    }
    throw;
  }
}

Json result_json(const RestoreJob& job, const Restored& restored, const Warnings& warnings) {
  const RestoreResult& r = restored.result;
  Json json{{"backup", job.backup.id()}};
  set_path(json, "target", job.target);
  json["files"] = r.files;
  json["directories"] = r.directories;
  json["others"] = r.others;
  json["bytes"] = r.bytes;
  json["bytes_written"] = r.bytes_written;
  json["bytes_kept"] = r.bytes_kept;
  json["skipped"] = r.skipped;
  json["removed"] = r.removed;
  json["damaged"] = r.damaged;
  json["duration_seconds"] = std::chrono::duration<double>(r.duration).count();
  json["resumed"] = r.resumed;
  json["dry_run"] = job.dry_run;
  json["repositories"] = Json::array();
  for (const std::string& path : restored.repositories) {
    Json repository;
    set_path(repository, "path", path);
    json["repositories"].push_back(std::move(repository));
  }
  json["warnings"] = warnings.first();
  json["warning_count"] = warnings.count();
  return json;
}

std::string result_text(const RestoreJob& job, const Restored& restored) {
  const RestoreResult& r = restored.result;
  const double seconds = std::max(0.001, std::chrono::duration<double>(r.duration).count());
  std::string text = fmt::format(
      "{} {} {} {}\n  {}, {} {}, {}, in {} ({}/s)\n", job.dry_run ? "would restore" : "restored",
      job.backup.id(), "to", printable(job.target), plural(r.files, "file"),
      format_count(r.directories), r.directories == 1 ? "directory" : "directories",
      format_size(r.bytes), format_duration(r.duration),
      format_size(static_cast<std::uint64_t>(static_cast<double>(r.bytes) / seconds)));
  if (r.bytes_kept > 0) {
    text += fmt::format("  {} were in place already, {} were written\n", format_size(r.bytes_kept),
                        format_size(r.bytes_written));
  }
  if (r.skipped > 0)
    text += fmt::format("  {} existed and stayed\n",
                        r.skipped == 1 ? "1 entry" : format_count(r.skipped) + " entries");
  for (const std::string& path : restored.repositories) {
    text += "  repository " + printable(path) + "\n";
  }
  if (r.removed > 0) {
    text += fmt::format("  {} {}\n", format_count(r.removed),
                        job.dry_run ? "would be removed" : "removed");
  }
  return text;
}

int finish(Context& context, const RestoreJob& job, const Restored& restored,
           const Warnings& warnings, const std::string& log_file) {
  const RestoreResult& result = restored.result;
  context.output.note(result_text(job, restored));
  print_warnings(context.output, warnings.first(), warnings.count(), log_file);
  Json document = result_json(job, restored, warnings);
  int code = warnings.count() > 0 ? kExitWarnings : kExitSuccess;
  if (result.damaged > 0) {
    const Error error(
        Code::kCorrupt,
        fmt::format("{} could not be brought back whole", plural(result.damaged, "file")),
        "restore them from an older backup (holdfast find NAME), or heal the vault "
        "from a copy: holdfast repair --from URL");
    context.output.error(error);
    document["error"] = error_json(error);
    code = exit_code(error.code());
  }
  context.output.document(document);
  return code;
}

int run(Context& context, const RestoreOptions& options) {
  const OpenedVault opened =
      open_vault(context, options.dry_run ? Access::kDryRun : Access::kWriteIfPossible);
  const BackupName name = find_backup(list_backups(*opened.store), options.backup);
  const RestoreJob job = make_job(options, name, context.settings());
  std::optional<RunLog> log;
  if (!options.dry_run) {
    log.emplace(context, "restore", "restore-" + name.backup_class);
    log->info(fmt::format("restore of {} to {}", name.id(), printable(job.target)));
  }
  Warnings warnings([&log](const std::string& text) {
    if (log) log->warning(text);
  });
  const Duration begin = context.clock.monotonic();
  try {
    const Restored restored = run_job(context, *opened.vault, job, warnings);
    const RestoreResult& result = restored.result;
    if (log && result.damaged > 0) {
      log->failure("restore of " + name.id(), plural(result.damaged, "damaged file"));
    }
    if (log) {
      log->info(fmt::format("{}: {}, {}", name.id(), plural(result.files, "file"),
                            format_size(result.bytes)));
      log->duration(context.clock.monotonic() - begin);
    }
    return finish(context, job, restored, warnings, log ? log->file() : "");
  } catch (const Error& error) {
    if (log) {
      log->failure("restore of " + name.id(), error.message());
      log->duration(context.clock.monotonic() - begin);
    }
    print_warnings(context.output, warnings.first(), warnings.count(), log ? log->file() : "");
    throw;
  }
}

}  // namespace

void add_restore_command(Command& root) {
  const auto o = std::make_shared<RestoreOptions>();
  root.subcommand("restore", "Bring a backup back into a directory")
      .argument("BACKUP", o->backup, true, "An id, the beginning of one, latest, latest:SOURCE")
      .text("-t,--target", o->target, "Directory to restore into (made if needed)")
      .texts("--include", o->includes, "Only this path or glob (may be repeated)")
      .texts("--exclude", o->excludes, "Not this, in gitignore syntax (may be repeated)")
      .choice("--overwrite", o->overwrite, {"never", "if-changed", "always"},
              "What to do with what exists: never, if-changed, always (default: never)")
      .flag("--delete", o->remove_others, "Remove what the backup does not have")
      .flag("-n,--dry-run", o->dry_run, "Say what would be done; write nothing")
      .number("--strip-components", o->strip_components, 0, 1000,
              "Leave out this many leading parts of each path")
      .flag("--numeric-ids", o->numeric_ids, "Owners by number, not by name")
      .flag("--no-owner", o->no_owner, "Do not set owners")
      .flag("--no-xattrs", o->no_xattrs, "Do not set extended attributes and ACLs")
      .flag("--ignore-free-space", o->ignore_free_space, "Do not check the free space first")
      .number("--threads", o->threads, 1, 256, "Threads that write (default: one per processor)")
      .examples({"holdfast restore latest:web --target /tmp/back",
                 "holdfast restore latest --target / --overwrite if-changed",
                 "holdfast restore backup-20251110 --target /tmp/back --include /etc/nginx",
                 "holdfast restore latest --target /srv --strip-components 1 --dry-run"})
      .run([o](Context& context) {
        if (o->target.empty()) {
          throw Error(Code::kUsage, "--target is missing",
                      "say where to restore to: --target DIR (--target / for the original places)");
        }
        return run(context, *o);
      });
}

}  // namespace holdfast
