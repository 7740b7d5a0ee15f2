#include "cli/restore_run.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/human.h"
#include "cli/progress.h"
#include "cli/reaching_backup.h"
#include "cli/run_log.h"
#include "protect/restore_preflight.h"
#include "protect/restored_check.h"
#include "protect/server_directory.h"
#include "protect/source_job.h"

namespace holdfast {
namespace {

// The engine of a backup of a whole server; "" when it is something else, or only a part is wanted,
// which is only files.
std::string whole_server(const Vault& vault, const RestoreJob& job, bool of_dump) {
  if (job.backup.backup_class != "database" || !job.includes.empty() || !job.excludes.empty() ||
      job.strip_components > 0) {
    return {};
  }
  const auto database = database_of(vault, job.backup);
  const bool whole =
      database && (database->method == "physical" || (of_dump && database->engine == kMysqlKey));
  return whole ? database->engine : "";
}

MariadbSettings mariadb_settings(Context& context, const BackupName& backup) {
  for (const SourceSettings& source : context.settings().sources) {
    if (source.name == backup.source && source.mariadb) return *source.mariadb;
  }
  return {};
}

MariadbRestore mariadb_job(Context& context, const RestoreJob& job,
                           const DatabaseRestore& options) {
  MariadbRestore restore;
  restore.files = job;
  restore.server = mariadb_settings(context, job.backup);
  restore.use_log = options.use_log;
  restore.starts_server = options.standby;
  if (options.gtid) {
    restore.target = BinlogTarget{*options.gtid, options.gtid_inclusive};
  } else if (options.target) {
    restore.target =
        BinlogTarget{std::get<Timestamp>(options.target->at), options.target->inclusive};
  }
  return restore;
}

// `use_log`: nobody asked for the backup alone.
void say_backup_alone(Context& context, Timestamp consistent, bool use_log) {
  context.output.note("recovers the backup itself, of " + format_rfc3339(consistent) +
                      (use_log ? ": the vault has no log behind it\n" : ", without the log\n"));
}

void say_scope(Context& context, const MariadbScope& scope, bool use_log) {
  if (!scope.log) {
    say_backup_alone(context, scope.consistent, use_log);
    return;
  }
  context.output.note("can be recovered: " + span_text(*scope.log, scope.consistent) + "\n");
  if (!scope.end.last) return;
  context.output.note(
      fmt::format("recovers to {}, committed in the second {}\n", to_text(scope.end.last->gtid),
                  format_rfc3339(Timestamp(std::chrono::seconds{scope.end.last->time}))));
}

void say_gtid(Context& context, const MariadbRestored& done, MariadbEngine engine) {
  if (engine == MariadbEngine::kMysql) {
    context.output.note(
        "the state of GTID " + done.gtid +
        (done.keeps_gtid
             ? ", which the server knows\n"
             : "; once the server runs, before it replicates: SET GLOBAL gtid_purged = '" +
                   done.gtid + "'\n"));
    return;
  }
  context.output.note(
      done.replayed
          ? "the state of GTID " + done.gtid + "; gtid_slave_pos is set to it\n"
          : "the state of GTID " + done.gtid +
                "; once the server runs, before it replicates: SET GLOBAL gtid_slave_pos = '" +
                done.gtid + "'\n");
}

void say_scope(Context& context, const RecoveryScope& scope, const std::string& source,
               bool use_log) {
  if (scope.log) {
    context.output.note("can be recovered: " + span_text(*scope.log, scope.consistent) + "\n");
  } else if (!scope.missing.empty()) {
    context.output.note("recovers the backup itself, of " + format_rfc3339(scope.consistent) +
                        ": " + missing_log_text(scope.missing) +
                        "; later moments need a newer backup (holdfast list), or one that is taken "
                        "now: holdfast backup database " +
                        source + "\n");
  } else {
    say_backup_alone(context, scope.consistent, use_log);
  }
  if (scope.archiving) return;
  context.output.note(
      "archiving is off in this copy, so that its log stays out of the source's; once it takes the "
      "source's place: ALTER SYSTEM SET archive_mode = 'on', and restart (--archiving keep leaves "
      "it as it was)\n");
}

// Of the state that will be restored.
std::string gtid_of(const Vault& vault, const RestoreJob& job, const MariadbScope& scope) {
  if (scope.log && scope.end.last) return scope.end.position.text();
  const auto database = database_of(vault, job.backup);
  return database ? database->stop : "";
}

ServerWork work_of(Context& context, const Vault& vault, const RestoreJob& job,
                   const DatabaseRestore& database) {
  ServerWork work;
  const std::string engine = whole_server(vault, job, database.of_dump);
  if (engine == "postgresql") {
    work.postgres = database;
    work.postgres.files = job;
    work.scope = recovery_scope(vault, work.postgres, context.stop);
  } else if (has_binary_log(engine)) {
    MariadbRestore mariadb = mariadb_job(context, job, database);
    MariadbScope reach = mariadb_scope(vault, mariadb, context.stop);
    work.mariadb = MariadbWork{std::move(mariadb), std::move(reach)};
  }
  return work;
}

// Throws when the target of `database` cannot be reached.
ServerWork server_work(Context& context, const Vault& vault, const RestoreJob& job,
                       const DatabaseRestore& database) {
  try {
    return work_of(context, vault, job, database);
  } catch (const Error& error) {
    throw with_reaching_backup(context, vault, job, database, error, [&](const RestoreJob& other) {
      work_of(context, vault, other, database);
    });
  }
}

void ask_for_gtid(const Vault& vault, const RestoreJob& job, const DatabaseRestore& database,
                  const ServerWork& work) {
  if (!work.mariadb || !database.accept_gtid) return;
  database.accept_gtid(gtid_of(vault, job, work.mariadb->scope));
}

// What is said comes before the progress, which has the last line to itself.
Restored run_job(Context& context, const Vault& vault, const RestoreJob& job,
                 const ThawOptions& thaw, const DatabaseRestore& database, Warnings& warnings) {
  Restored restored;
  restored.thaw = bring_from_archive(context, vault, job, thaw);
  restored.work = server_work(context, vault, job, database);
  const ServerWork& work = restored.work;
  if (work.scope) say_scope(context, *work.scope, job.backup.source, database.use_log);
  if (work.mariadb) say_scope(context, work.mariadb->scope, database.use_log);
  ask_for_gtid(vault, job, database, work);
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
    if (work.scope) {
      restored.result =
          run_postgres_restore(vault, work.postgres, *work.scope, progress, warnings, context.stop);
      return restored;
    }
    if (work.mariadb) {
      const MariadbRestored done = run_mariadb_restore(
          vault, work.mariadb->job, work.mariadb->scope, progress, warnings, context.stop);
      restored.result = done.result;
      restored.gtid = done.gtid;
      restored.replayed = done.replayed;
      display.stop();
      if (!job.dry_run && !done.gtid.empty() && !database.standby) {
        say_gtid(context, done, work.mariadb->scope.engine);
      }
      return restored;
    }
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

}  // namespace

void check_restore(Context& context, const Vault& vault, const RestoreJob& job,
                   const DatabaseRestore& database, bool stops_it) {
  const ServerWork work = server_work(context, vault, job, database);
  ask_for_gtid(vault, job, database, work);
  if ((work.scope || work.mariadb) && !stops_it) require_no_server(job.target);
  if (work.scope) {
    check_postgres_restore(vault, work.postgres, *work.scope, context.stop);
  } else if (work.mariadb) {
    check_mariadb_restore(vault, work.mariadb->job, work.mariadb->scope, context.stop);
  } else {
    require_room(job, preflight_restore(vault, job, context.stop));
  }
}

std::string check_restored(Context& context, const Vault& vault, const RestoreJob& job,
                           const Restored& restored) {
  const ServerWork& work = restored.work;
  if (work.scope) return check_restored_postgres(vault, work.postgres, *work.scope, context.stop);
  if (work.mariadb) return check_restored_mariadb(work.mariadb->job, context.stop);
  return check_restored_files(vault, job, context.stop);
}

Restored restore_backup(Context& context, const Vault& vault, const RestoreJob& job,
                        const ThawOptions& thaw, const DatabaseRestore& database) {
  const std::string what = "restore of " + job.backup.id();
  std::optional<RunLog> log;
  if (!job.dry_run) {
    log.emplace(context, "restore", "restore-" + job.backup.backup_class);
    log->info(fmt::format("{} to {}", what, printable(job.target)));
  }
  Warnings warnings([&log](const std::string& text) {
    if (log) log->warning(text);
  });
  const Duration begin = context.clock.monotonic();
  try {
    Restored restored = run_job(context, vault, job, thaw, database, warnings);
    restored.warnings = warnings.first();
    restored.warning_count = warnings.count();
    if (!log) return restored;
    restored.log_file = log->file();
    const RestoreResult& result = restored.result;
    if (result.damaged > 0) log->failure(what, plural(result.damaged, "damaged file"));
    log->info(fmt::format("{}: {}, {}", job.backup.id(), plural(result.files, "file"),
                          format_size(result.bytes)));
    log->duration(context.clock.monotonic() - begin);
    return restored;
  } catch (const Error& error) {
    if (log) {
      log->failure(what, error.message());
      log->duration(context.clock.monotonic() - begin);
    }
    print_warnings(context.output, warnings.first(), warnings.count(), log ? log->file() : "");
    throw;
  }
}

Overwrite parse_overwrite(const std::string& text) {
  return text == "always"       ? Overwrite::kAlways
         : text == "if-changed" ? Overwrite::kIfChanged
                                : Overwrite::kNever;
}

Archiving parse_archiving(const std::string& text) {
  return text == "keep" ? Archiving::kKeep : text == "off" ? Archiving::kOff : Archiving::kAuto;
}

std::string restored_text(const RestoreJob& job, const Restored& restored) {
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
  if (r.damaged > 0) {
    text += fmt::format("  {} came back with a part lost\n", plural(r.damaged, "file"));
  }
  if (r.skipped > 0)
    text += fmt::format("  {} existed and stayed\n",
                        r.skipped == 1 ? "1 entry" : format_count(r.skipped) + " entries");
  if (r.stripped > 0) {
    text += fmt::format("  {} left out: not below {}\n",
                        r.stripped == 1 ? "1 entry" : format_count(r.stripped) + " entries",
                        plural(job.strip_components, "component"));
  }
  if (job.dry_run && !restored.thaw.empty()) text += "  " + thaw_plan_text(restored.thaw) + "\n";
  for (const std::string& path : restored.repositories) {
    text += "  repository " + printable(path) + "\n";
  }
  if (r.removed > 0) {
    text += fmt::format("  {} {}\n", format_count(r.removed),
                        job.dry_run ? "would be removed" : "removed");
  }
  return text;
}

Json restored_json(const RestoreJob& job, const Restored& restored) {
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
  json["stripped"] = r.stripped;
  json["removed"] = r.removed;
  json["damaged"] = r.damaged;
  json["duration_seconds"] = std::chrono::duration<double>(r.duration).count();
  json["resumed"] = r.resumed;
  json["dry_run"] = job.dry_run;
  json["archived"] = thaw_plan_json(restored.thaw);
  json["repositories"] = Json::array();
  for (const std::string& path : restored.repositories) {
    Json repository;
    set_path(repository, "path", path);
    json["repositories"].push_back(std::move(repository));
  }
  if (restored.work.scope) json["archiving"] = restored.work.scope->archiving ? "kept" : "off";
  if (!restored.gtid.empty()) {
    json["gtid"] = restored.gtid;
    json["replayed"] = restored.replayed;
  }
  json["warnings"] = restored.warnings;
  json["warning_count"] = restored.warning_count;
  return json;
}

std::optional<Error> damage_in(const Restored& restored) {
  if (restored.result.damaged == 0) return std::nullopt;
  return Error(
      Code::kCorrupt,
      fmt::format("{} could not be brought back whole", plural(restored.result.damaged, "file")),
      "heal the vault from a copy (holdfast repair --from URL) and run this restore again, or "
      "restore them from an older backup: holdfast find NAME");
}

int code_of(const Restored& restored) {
  if (const auto damage = damage_in(restored)) return exit_code(damage->code());
  return restored.warning_count > 0 ? kExitWarnings : kExitSuccess;
}

}  // namespace holdfast
