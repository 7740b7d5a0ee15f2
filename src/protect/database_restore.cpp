#include "protect/database_restore.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>

#include "base/error.h"
#include "base/human.h"
#include "os/file.h"
#include "protect/backup_content.h"
#include "protect/database_place.h"
#include "protect/restore_mark.h"
#include "protect/restore_preflight.h"
#include "protect/restore_space.h"
#include "protect/server_directory.h"
#include "protect/server_restore.h"
#include "source/postgres/cluster.h"
#include "source/postgres/data_files.h"
#include "source/postgres/wal_file.h"

namespace holdfast {
namespace {

namespace fs = std::filesystem;

constexpr const char* kSpaceAdvice =
    "make room, restore to another volume with --target (tablespaces: --tablespaces), or leave the "
    "check out: --ignore-free-space";

std::string tablespace_map_of(const Vault& vault, const BackupName& backup) {
  std::string text;
  try {
    read_backup_file(vault, backup, std::string(kPgExtras) + "/tablespace_map",
                     [&](ByteView content) {
                       text += as_text(content);
                       return true;
                     });
  } catch (const Error& error) {
    if (error.code() != Code::kNotFound) throw;  // a cluster without tablespaces has none
  }
  return text;
}

bool is_of_some_cluster(const std::string& name) { return name.starts_with("PG_"); }

// Servers keep their part of a tablespace in PG_VERSION_CATALOG; the names of all such directories.
std::vector<std::string> cluster_parts(const std::string& place) {
  std::vector<std::string> parts;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(place, ignored)) {
    const std::string name = entry.path().filename().string();
    if (is_of_some_cluster(name)) parts.push_back(name);
  }
  return parts;
}

// True when one of the links of the cluster in `target` leads to `place`.
bool is_own_place(const std::string& target, const std::string& place) {
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(target + "/pg_tblspc", ignored)) {
    if (entry.is_symlink(ignored) && fs::equivalent(entry.path(), place, ignored)) return true;
  }
  return false;
}

// The links come before the files: a place that has files and no link is another cluster's, which
// may be running.
void claim(const std::string& target, const std::map<std::string, std::string>& places) {
  for (const auto& [oid, place] : places) {
    const std::string link = target + "/pg_tblspc/" + oid;
    make_directories(target + "/pg_tblspc", 0700);
    std::error_code ignored;
    if (fs::is_symlink(link, ignored) && fs::read_symlink(link, ignored) == place) continue;
    fs::remove_all(link);
    if (::symlink(place.c_str(), link.c_str()) != 0) {
      throw system_error(errno, "cannot create the link " + printable(link));
    }
    sync_directory(target + "/pg_tblspc");
  }
}

// Whatever --overwrite says: what a server loses here nobody asked to replace.
void refuse_foreign(const std::string& target, const std::string& oid, const std::string& place) {
  if (cluster_parts(place).empty() || is_own_place(target, place)) return;
  throw Error(Code::kConflict,
              "the place of tablespace " + oid + " has files of a cluster that is not the one in " +
                  printable(target) + ": " + printable(place),
              "say where tablespaces go: --tablespaces DIR; or, when no server uses these files "
              "any more, move them away");
}

// Where each tablespace goes, by OID.
std::map<std::string, std::string> tablespace_places(const Vault& vault,
                                                     const DatabaseRestore& job) {
  const std::string map = tablespace_map_of(vault, job.files.backup);
  const bool resumed = is_unfinished_pg_restore(job.files.target);
  std::map<std::string, std::string> places;
  for (const PgTablespace& space : parse_tablespace_map(map)) {
    const std::string place = job.tablespace_directory.empty()
                                  ? space.location
                                  : job.tablespace_directory + "/" + space.oid;
    if (!place.starts_with('/')) continue;  // inside the data directory
    refuse_foreign(job.files.target, space.oid, place);
    if (!resumed && job.files.overwrite == Overwrite::kNever && is_taken(place)) {
      throw Error(Code::kConflict,
                  "the place of tablespace " + space.oid + " is taken: " + printable(place),
                  "say where tablespaces go: --tablespaces DIR; or overwrite what is there: "
                  "--overwrite if-changed");
    }
    places[space.oid] = place;
  }
  return places;
}

// The directory that the cluster of the backup has in the place of each tablespace.
std::string own_part(const Vault& vault, const BackupName& backup) {
  Bytes control;
  read_backup_file(vault, backup, std::string(kPgExtras) + "/pg_control", [&](ByteView content) {
    append(control, content);
    return true;
  });
  const std::string version = database_of(vault, backup).value().version;
  return tablespace_part(std::stoi(version), catalog_version_of(control));
}

// Nothing else in the place is ours: parts of other clusters, a tablespace or a data directory that
// lies there, too, somebody's files.
RestoreJob tablespace_job(const RestoreJob& files, const std::string& oid, const std::string& place,
                          const std::string& part) {
  RestoreJob job = files;
  job.keeps_mark = false;
  job.target = place;
  job.includes = {"/pg_tblspc/" + oid};
  job.excludes = {"/pg_tblspc/" + oid + "/*", "!/pg_tblspc/" + oid + "/" + part};
  job.strip_components = 2;
  return job;
}

void add(RestoreResult& sum, const RestoreResult& part) {
  sum.files += part.files;
  sum.directories += part.directories;
  sum.others += part.others;
  sum.bytes += part.bytes;
  sum.bytes_written += part.bytes_written;
  sum.bytes_kept += part.bytes_kept;
  sum.skipped += part.skipped;
  sum.stripped += part.stripped;
  sum.removed += part.removed;
  sum.damaged += part.damaged;
  sum.failed += part.failed;
  sum.duration += part.duration;
  sum.resumed = sum.resumed || part.resumed;
}

std::string pg_time_text(Timestamp time) {
  std::string text = format_rfc3339(time, true);
  text[text.find('T')] = ' ';
  text.resize(text.find('.') + 7);  // microseconds
  return text + "+00";
}

PgRecoveryTarget pg_target(const RecoveryTarget& target) {
  PgRecoveryTarget recovery;
  recovery.inclusive = target.inclusive;
  if (const auto* time = std::get_if<Timestamp>(&target.at)) {
    recovery.kind = PgTargetKind::kTime;
    recovery.value = pg_time_text(*time);
  } else if (const auto* xid = std::get_if<TargetXid>(&target.at)) {
    recovery.kind = PgTargetKind::kXid;
    recovery.value = std::to_string(xid->xid);
  } else if (const auto* lsn = std::get_if<TargetLsn>(&target.at)) {
    recovery.kind = PgTargetKind::kLsn;
    recovery.value = format_lsn(lsn->lsn);
  } else {
    recovery.kind = PgTargetKind::kName;
    recovery.value = std::get<TargetName>(target.at).name;
  }
  return recovery;
}

// The log that is replayed; and all histories, from which the server sees which timelines are
// taken: its own will be another one. A standby without log asks its primary for them.
LogPlan wanted_log(const DatabaseRestore& job, const RecoveryScope& scope) {
  LogPlan plan;
  if (scope.log) {
    plan = *scope.log;
    // It follows the latest timeline that it sees, and its primary's need not be that.
    if (job.standby) {
      std::erase_if(plan.histories, [&](const LogName& name) {
        return !plan.lineage.contains(parse_history_file_name(name.file).value());
      });
    }
    return plan;
  }
  if (!job.standby) plan.histories = scope.histories;
  return plan;
}

// The restores that one of a cluster is made of.
struct Parts {
  RestoreJob main;
  std::map<std::string, std::string> places;  // of the tablespaces, by OID
  std::vector<RestoreJob> tablespaces;
};

Parts parts_of(const Vault& vault, const DatabaseRestore& job) {
  Parts parts;
  parts.main = without_mixture(job.files);
  parts.places = tablespace_places(vault, job);
  const std::string part = parts.places.empty() ? "" : own_part(vault, job.files.backup);
  for (const auto& [oid, place] : parts.places) {
    parts.tablespaces.push_back(tablespace_job(parts.main, oid, place, part));
  }
  for (const auto& [oid, place] : parts.places) {
    parts.main.excludes.push_back("/pg_tblspc/" + oid);
  }
  return parts;
}

// Until the directory is complete.
std::string place_of_log(const std::string& target) {
  return target + "/" + std::string(kPgExtras) + "/wal";
}

// Also what run_restore() would refuse.
void require_room(const Vault& vault, const DatabaseRestore& job, const Parts& parts,
                  const LogPlan& log, const std::stop_token& stop) {
  SpaceNeeds space;
  space.add(parts.main.target, preflight_restore(vault, parts.main, stop).space);
  for (const RestoreJob& part : parts.tablespaces) {
    space.add(part.target, preflight_restore(vault, part, stop).space);
  }
  space.add(parts.main.target, bytes_to_fetch(log, place_of_log(parts.main.target)));
  if (!job.files.ignore_free_space) space.check(kSpaceAdvice);
}

// What takes the place of its source goes on as the source.
bool keeps_archiving(const Vault& vault, const DatabaseRestore& job) {
  if (job.archiving != Archiving::kAuto) return job.archiving == Archiving::kKeep;
  if (job.standby) return true;
  const auto place = original_directory(vault, job.files.backup);
  if (!place) return false;
  std::error_code failed;
  const fs::path source = fs::weakly_canonical(*place, failed);
  const fs::path target = fs::weakly_canonical(job.files.target, failed);
  return !failed && source == target;
}

}  // namespace

PgRecovery recovery_of(const DatabaseRestore& job, const RecoveryScope& scope) {
  PgRecovery recovery;
  recovery.archiving = scope.archiving;
  recovery.standby = job.standby;
  recovery.primary_conninfo = job.primary_conninfo;
  if (!scope.log && job.standby) return recovery;
  // All of the log is in pg_wal; a server in recovery must have a command all the same.
  recovery.restore_command = "false";
  recovery.action = job.action;
  if (!scope.log) {
    // A later timeline is not to be followed. What the backup holds ends where it is consistent, so
    // that a target is needed only for not being promoted there: 'immediate' is found at the record
    // behind, which a standby's backup may not have.
    recovery.timeline = "current";
    if (job.action != "promote") {
      recovery.target = PgRecoveryTarget{PgTargetKind::kImmediate, "", true};
    }
    return recovery;
  }
  if (job.target) recovery.target = pg_target(*job.target);
  recovery.timeline = std::to_string(scope.log->timeline);
  if (job.standby) recovery.timeline = "latest";
  return recovery;
}

std::optional<DatabaseFacts> database_of(const Vault& vault, const BackupName& backup) {
  return read_backup(vault, backup).summary.database;
}

std::string missing_log_text(const std::string& segment) {
  return "the log does not lead on from this backup: " + segment + " is missing";
}

RecoveryScope recovery_scope(const Vault& vault, const DatabaseRestore& job, std::stop_token stop) {
  const BackupSummary summary = read_backup(vault, job.files.backup).summary;
  RecoveryScope scope;
  scope.consistent = summary.consistent;
  scope.end = parse_lsn(summary.database.value().stop);
  scope.archiving = keeps_archiving(vault, job);
  scope.histories = log_histories(vault, job.files.backup.source, summary.database->system);
  if (job.use_log) {
    scope.log = plan_log(vault, summary, job.timeline, stop);
  }
  if (scope.log && scope.log->segments.empty()) {
    scope.missing = scope.log->missing;
    scope.log.reset();
  }
  // A log that lags behind the backup must not take the place of what the backup itself has.
  if (scope.log && scope.log->end < scope.end) {
    if (scope.log->gap) scope.missing = scope.log->missing;
    scope.log.reset();
  }
  if (!scope.log) {
    if (!job.target) return scope;
    if (!scope.missing.empty()) {
      throw Error(Code::kNotFound, missing_log_text(scope.missing),
                  "leave the target out for the backup itself; for the moments from now on take a "
                  "backup now: holdfast backup database " +
                      job.files.backup.source);
    }
    throw Error(
        Code::kNotFound,
        "the vault has no log of " + job.files.backup.source +
            ", so that only the backups themselves can be restored",
        "leave the target out; for the next time: archive_command = 'holdfast wal-push %p'");
  }
  scope.end = std::max(scope.end, scope.log->end);
  if (job.standby && scope.log->level_drop) {
    throw Error(Code::kNotFound,
                "a standby of this backup could not follow its primary: " +
                    span_text(*scope.log, scope.consistent),
                "take a new backup (holdfast backup database " + job.files.backup.source +
                    "), and make the standby of that one");
  }
  if (job.target) require_reachable(*scope.log, *job.target, scope.consistent);
  return scope;
}

void check_postgres_restore(const Vault& vault, const DatabaseRestore& job,
                            const RecoveryScope& scope, std::stop_token stop) {
  require_room(vault, job, parts_of(vault, job), wanted_log(job, scope), stop);
}

RestoreResult run_postgres_restore(const Vault& vault, const DatabaseRestore& job,
                                   const RecoveryScope& scope, RestoreProgress& progress,
                                   Warnings& warnings, std::stop_token stop) {
  require_no_server(job.files.target);
  Parts parts = parts_of(vault, job);
  const LogPlan log = wanted_log(job, scope);
  require_room(vault, job, parts, log, stop);
  // Nothing has been changed until here; and the room of all parts was asked for at once.
  parts.main.ignore_free_space = true;
  bool resumed = false;
  if (!job.files.dry_run) {
    const bool replaces = is_taken(job.files.target);
    resumed = begin_server_restore(parts.main);
    if (replaces) claim(job.files.target, parts.places);
  }
  if (scope.log && (scope.log->gap || scope.log->level_drop) && !job.target) {
    warnings.add("recovers what there is: " + span_text(*scope.log, scope.consistent));
  } else if (!scope.missing.empty() && !job.standby) {
    warnings.add("recovers the backup alone: " + missing_log_text(scope.missing));
  } else if (scope.log && !scope.log->others.empty()) {
    // Two servers wrote: who restores has to know which of them he gets.
    warnings.add(fmt::format("recovers timeline {}{}", scope.log->timeline,
                             branches_text(scope.log->others)));
  }
  RestoreResult result = run_restore(vault, parts.main, progress, warnings, stop);
  result.resumed = resumed;
  if (!job.files.dry_run) claim(job.files.target, parts.places);
  for (RestoreJob& space : parts.tablespaces) {
    space.ignore_free_space = true;
    add(result, run_restore(vault, space, progress, warnings, stop));
  }
  if (job.files.dry_run) return result;
  require_whole(result);
  fetch_log_plan(vault, log, place_of_log(job.files.target), stop);
  finish_pg_restore(job.files.target, parts.places, recovery_of(job, scope));
  end_server_restore(job.files.target);
  return result;
}

}  // namespace holdfast
