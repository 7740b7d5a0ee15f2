#include "protect/mariadb_restore.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "base/error.h"
#include "base/human.h"
#include "base/path.h"
#include "os/file.h"
#include "protect/dump_recovery.h"
#include "protect/mariadb_questions.h"
#include "protect/proof_steps.h"
#include "protect/restore_preflight.h"
#include "protect/restore_space.h"
#include "protect/server_directory.h"
#include "protect/server_restore.h"
#include "source/mariadb/replay.h"
#include "source/mariadb/restore.h"
#include "source/mariadb/system_zone.h"
#include "source/mariadb/tools.h"

namespace holdfast {
namespace {

namespace fs = std::filesystem;

// The log itself, and what the server that replays it writes as its own.
constexpr std::uint64_t kSpaceFactor = 2;

class Directory {
 public:
  explicit Directory(std::string path) : path_(std::move(path)) {}
  std::string at(const std::string& name) const { return path_ + "/" + name; }
  std::string aside(const std::string& name) const {
    return at(kMariadbAside) + "/" + name.substr(name.rfind('/') + 1);
  }
  void begin() const { make_directories(at(kMariadbAside), 0755); }
  void put_aside(const std::string& name) const { move(at(name), aside(name)); }
  void put_back(const std::string& name) const { move(aside(name), at(name)); }
  // The last step: until then ibdata1 or the accounts are aside.
  void end(const std::string& last) const {
    // From here on a server can start: what it starts on must outlive a loss of power.
    sync_file_system(path_);
    put_back(last);
    sync_directory(std::string(parent_path(at(last))));
    fs::remove_all(at(kMariadbAside));
    end_server_restore(path_);
  }

 private:
  static void move(const std::string& from, const std::string& to) {
    if (::rename(from.c_str(), to.c_str()) != 0) {
      throw system_error(errno, "cannot move " + printable(from));
    }
  }
  const std::string path_;
};

// What the restore of `files` needs, and the log beside it. Also what run_restore() would refuse.
void require_room(const Vault& vault, const MariadbScope& scope, const RestoreJob& files,
                  const std::stop_token& stop) {
  SpaceNeeds space;
  space.add(files.target, preflight_restore(vault, files, stop).space);
  if (scope.log && scope.end.last) {
    const std::uint64_t replay =
        kSpaceFactor * fetched_bytes(*scope.log, scope.end) + kMariadbSandboxSpace;
    // What an interrupted one has left goes before this one begins.
    const std::uint64_t held = held_below(files.target + "/" + kMariadbAside);
    space.add(files.target, replay - std::min(replay, held));
  }
  if (files.ignore_free_space) return;
  space.check(
      "make room, restore to another volume with --target, or restore a newer backup, which has "
      "less log behind it; --ignore-free-space leaves the check out");
}

// What will be run once the old server's files are gone.
void require_programs(const MariadbRestore& job, const MariadbScope& scope,
                      const std::stop_token& stop) {
  require_restore_tools(job.server, scope.version, stop);
  const bool server = (scope.log && scope.end.last) || job.starts_server;
  if (server && !scope.version.empty()) require_mariadb_for(scope.version, true, job.server);
}

class Restoring {
 public:
  Restoring(const Vault& vault, const MariadbRestore& job, const MariadbScope& scope,
            RestoreProgress& progress, Warnings& warnings, std::stop_token stop)
      : vault_(vault),
        job_(job),
        scope_(scope),
        progress_(progress),
        warnings_(warnings),
        stop_(std::move(stop)),
        directory_(job.files.target) {}

  MariadbRestored run() {
    require_no_server(job_.files.target);
    require_programs(job_, scope_, stop_);
    RestoreJob files = without_mixture(job_.files);
    require_room(vault_, scope_, files, stop_);
    // Nothing has been changed until here; and the room of all parts was asked for at once.
    files.ignore_free_space = true;
    if (job_.files.dry_run) {
      restored_.result = run_restore(vault_, files, progress_, warnings_, stop_);
      return restored_;
    }
    restore_files(files);
    const MariadbPosition position = finish_mariadb_restore(job_.files.target, job_.server, stop_);
    restored_.gtid = position.gtid;
    if (scope_.log && scope_.end.last) {
      replay();
    } else {
      directory_.end(kMariadbAccounts);
    }
    return restored_;
  }

 private:
  void restore_files(const RestoreJob& files) {
    const bool resumed = begin_server_restore(files);
    RestoreJob part = files;
    part.excludes.push_back(std::string("/") + kMariadbSystemSpace);
    part.excludes.push_back(std::string("/") + kMariadbAside);
    RestoreResult result = run_restore(vault_, part, progress_, warnings_, stop_);
    require_whole(result);
    directory_.begin();
    directory_.put_aside(kMariadbAccounts);
    part = files;
    part.includes = {std::string("/") + kMariadbSystemSpace};
    part.remove_others = false;
    const RestoreResult last = run_restore(vault_, part, progress_, warnings_, stop_);
    require_whole(last);
    result.files += last.files;
    result.bytes += last.bytes;
    result.bytes_written += last.bytes_written;
    result.bytes_kept += last.bytes_kept;
    result.duration += last.duration;
    result.resumed = resumed;
    restored_.result = result;
  }

  void replay() {
    directory_.put_aside(kMariadbSystemSpace);
    directory_.put_back(kMariadbAccounts);
    const std::string place = directory_.at(kMariadbAside);
    // What a replay wrote that did not come to its end would count as a part of this one.
    for (const char* left : {"/log", "/server"}) fs::remove_all(place + left);
    make_directories(place + "/log", 0700);
    make_directories(place + "/server", 0700);
    RelayReplay replay;
    replay.received = place + "/log";
    replay.start =
        place_relay_log(job_.server, replay.received,
                        fetch_binlogs(vault_, *scope_.log, scope_.end, replay.received, stop_),
                        scope_.log->begin.offset);
    replay.before = GtidPosition(scope_.log->begin.gtid);
    replay.after = scope_.end.position;
    // Names in the log become names of files as they did there.
    SandboxOptions options = sandbox_options(scope_.settings, true);
    options.lines.push_back("innodb-data-home-dir = \"" + place + "\"");
    const auto relay = mariadb_relay_options(place + "/server", replay.received);
    options.lines.insert(options.lines.end(), relay.begin(), relay.end());
    MariadbSandbox server(job_.server, job_.files.target, place + "/server", stop_, options);
    on_server(server, [&] {
      warn_of(replay_binlogs(server, replay, stop_));
      server.shut_down();
    });
    restored_.gtid = replay.after.text();
    restored_.replayed = true;
    // It says where the backup was.
    for (const char* name : {"xtrabackup_binlog_info", "mariadb_backup_binlog_info"}) {
      fs::remove(directory_.at(name));
    }
    directory_.end(kMariadbSystemSpace);
  }

  void warn_of(const Unreplayed& unreplayed) {
    for (const std::string& statement : unreplayed.statements) {
      warnings_.add("the statement " + printable(statement) +
                    " was passed over: it goes by roles that somebody gave to or took from "
                    "themselves, and the log does not say who. Give or take them by hand");
    }
    for (const std::string& name : unreplayed.events) {
      warnings_.add("the event " + printable(name) +
                    " was made or altered in the log, and is off: its moment has passed, or it "
                    "cannot be told whether it is to run: ALTER EVENT " +
                    printable(name) + " ENABLE (or DISABLE)");
    }
  }

  const Vault& vault_;
  const MariadbRestore& job_;
  const MariadbScope& scope_;
  RestoreProgress& progress_;
  Warnings& warnings_;
  std::stop_token stop_;
  const Directory directory_;
  MariadbRestored restored_;
};

}  // namespace

MariadbScope mariadb_scope(const Vault& vault, const MariadbRestore& job, std::stop_token stop) {
  const BackupSummary summary = read_backup(vault, job.files.backup).summary;
  MariadbScope scope;
  scope.engine = engine_of_key(summary.database.value().engine);
  scope.consistent = summary.consistent;
  scope.gtid = summary.database->stop;
  scope.settings = summary.database->settings;
  scope.version = summary.database->version;
  if (job.use_log) {
    scope.log = plan_binlog(vault, summary, stop);
  }
  if (!scope.log) {
    if (!job.target) return scope;
    throw Error(
        Code::kNotFound,
        "the vault has no log of " + job.files.backup.source +
            " that reaches back to this backup, so that only the backup itself can be "
            "restored",
        "leave the target out, or name a newer backup; for the next time: holdfast stream " +
            job.files.backup.source);
  }
  scope.end = find_binlog_end(vault, *scope.log, job.target, scope.consistent);
  return scope;
}

void check_mariadb_restore(const Vault& vault, const MariadbRestore& job, const MariadbScope& scope,
                           std::stop_token stop) {
  if (scope.engine == MariadbEngine::kMysql) {
    check_dump_restore(vault, job, scope, stop);
    return;
  }
  require_programs(job, scope, stop);
  require_room(vault, scope, without_mixture(job.files), stop);
}

namespace {

void warn_of_time(const BinlogTransaction& too_late, Warnings& warnings) {
  const std::string gtid = to_text(too_late.gtid);
  warnings.add(
      fmt::format("ends before transaction {}, which says that it is of {}; some behind it are "
                  "of the time asked for or before, and are left out, too. To go on past it: "
                  "--to-gtid with one "
                  "behind it ('{}' is that transaction itself)",
                  gtid, format_rfc3339(Timestamp(std::chrono::seconds{too_late.time})), gtid));
}

}  // namespace

MariadbRestored run_mariadb_restore(const Vault& vault, const MariadbRestore& job,
                                    const MariadbScope& scope, RestoreProgress& progress,
                                    Warnings& warnings, std::stop_token stop) {
  if (scope.end.too_late) warn_of_time(*scope.end.too_late, warnings);
  if (scope.log && !scope.log->gap.empty() && !job.target) {
    warnings.add("recovers what there is: " + span_text(*scope.log, scope.consistent));
  }
  if (scope.log && scope.end.last && !scope.settings.contains(kSystemZone)) {
    warnings.add(
        "the backup does not say in which time zone the server's host was: statements in the log "
        "that mean its local time (time_zone = SYSTEM) are applied in UTC; a new backup says it");
  }
  if (scope.engine == MariadbEngine::kMysql) {
    return run_dump_restore(vault, job, scope, progress, warnings, stop);
  }
  return Restoring(vault, job, scope, progress, warnings, std::move(stop)).run();
}

}  // namespace holdfast
