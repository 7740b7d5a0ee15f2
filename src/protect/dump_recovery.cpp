#include "protect/dump_recovery.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/human.h"
#include "os/file.h"
#include "protect/backup_content.h"
#include "protect/mariadb_questions.h"
#include "protect/proof_steps.h"
#include "protect/restore_mark.h"
#include "protect/restore_preflight.h"
#include "protect/restore_space.h"
#include "protect/server_directory.h"
#include "protect/server_restore.h"
#include "source/mariadb/dump.h"
#include "source/mariadb/mysql_tools.h"
#include "source/mariadb/relay_replay.h"
#include "source/mariadb/restore.h"

namespace holdfast {
namespace {

namespace fs = std::filesystem;

// Rows in tables take more than in the text of a dump, with their indexes.
constexpr std::uint64_t kTablesFactor = 2;
// The log, what the server that applies it writes as its own, and what that adds to its tables.
constexpr std::uint64_t kLogFactor = 3;

// From 5.7.5 on in a table of its own.
constexpr unsigned kFirstThatKnowsItsGtids = 50705;

void require_room(const Vault& vault, const MariadbRestore& job, const MariadbScope& scope) {
  if (job.files.ignore_free_space) return;
  std::uint64_t bytes = kTablesFactor * read_backup(vault, job.files.backup).summary.bytes;
  if (scope.log && scope.end.last) bytes += kLogFactor * fetched_bytes(*scope.log, scope.end);
  bytes += kMysqlSandboxSpace;
  SpaceNeeds space;
  // What is there goes before.
  space.add(job.files.target, bytes - std::min(bytes, held_below(job.files.target)));
  space.check(
      "make room, or restore to another volume with --target; --ignore-free-space leaves "
      "the check out");
}

// The databases that the dump has; empty: all.
std::vector<std::string> chosen_of(const std::map<std::string, std::string>& settings) {
  const auto found = settings.find(kChosenDatabases);
  if (found == settings.end()) return {};
  try {
    return nlohmann::json::parse(found->second).get<std::vector<std::string>>();
  } catch (const nlohmann::json::exception& error) {
    throw Error(Code::kCorrupt,
                std::string("the backup's list of databases is damaged: ") + error.what());
  }
}

void require_programs(const MariadbRestore& job, const MariadbScope& scope,
                      const std::stop_token& stop) {
  require_mariadb_for(scope.version, false, job.server, MariadbEngine::kMysql);
  try {
    find_mariadb_tool({}, client_program(job.server, MariadbEngine::kMysql, stop), stop);
  } catch (const Error& error) {
    if (error.code() != Code::kNotFound && error.code() != Code::kDenied) throw;
    throw Error(Code::kUnsupported,
                "there is neither MySQL's mysql nor mariadb on this host, which loads the dump",
                "install MySQL's client programs, or set bin_directory to where they are; nothing "
                "has been changed");
  }
}

// The server's user, who will own the target, must get to it.
void require_way_to(const std::string& target, const std::string& user) {
  fs::path above = fs::absolute(target + "/").parent_path().parent_path();
  while (!fs::exists(above) && above.has_relative_path()) above = above.parent_path();
  require_reachable(above.string(), user);
}

// Nobody else's files go but by his order.
void require_ours(const RestoreJob& files) {
  if (!is_taken(files.target) || files.remove_others) return;
  const auto mark = unfinished_restore(files.target);
  if (mark && mark->server && mark->backup == files.backup.id()) return;
  throw Error(Code::kConflict, printable(files.target) + " is not empty",
              "choose an empty directory; or put the backup in place of all that is there: "
              "--overwrite always --delete");
}

// What is there goes, but for the mark of this restore.
void empty(const std::string& target) {
  for (const auto& entry : fs::directory_iterator(target)) {
    const std::string name = entry.path().filename().string();
    if (name == kRestoreMark || name == "lost+found") continue;
    std::error_code failed;
    fs::remove_all(entry.path(), failed);
    if (failed) {
      throw system_error(failed.value(), "cannot remove " + printable(entry.path().string()));
    }
  }
}

// A replica disables the events that it hears of, lest they run on it and on its source.
void warn_of_events(MariadbConnection& connection, Warnings& warnings) {
  for (const MariadbRow& event :
       connection.query("SELECT event_schema, event_name FROM information_schema.events "
                        "WHERE status LIKE '%SIDE_DISABLED' ORDER BY 1, 2")) {
    const std::string name =
        mariadb_identifier(event[0].value_or("")) + "." + mariadb_identifier(event[1].value_or(""));
    warnings.add("the event " + printable(name) +
                 ", made or changed in the log, is disabled in this copy; if it ran before: ALTER "
                 "EVENT " +
                 printable(name) + " ENABLE");
  }
}

// Up to the target, the system space last: without it no server starts.
void put_in_place(const std::string& data, const std::string& target) {
  const auto move = [&](const fs::path& from) {
    const std::string to = target + "/" + from.filename().string();
    if (std::rename(from.c_str(), to.c_str()) != 0) {
      throw system_error(errno, "cannot move " + printable(from.string()));
    }
  };
  std::vector<fs::path> entries;
  for (const auto& entry : fs::directory_iterator(data)) {
    if (entry.path().filename() != kMariadbSystemSpace) entries.push_back(entry.path());
  }
  for (const fs::path& entry : entries) move(entry);
  sync_file_system(target);
  move(data + "/" + kMariadbSystemSpace);
  sync_directory(target);
}

}  // namespace

DumpRecovery::DumpRecovery(const Vault& vault, const BackupName& backup,
                           const MariadbSettings& settings, const MariadbScope& scope,
                           const std::string& place, RestoreProgress* progress,
                           std::stop_token stop)
    : vault_(vault),
      backup_(backup),
      settings_(settings),
      scope_(scope),
      place_(place),
      progress_(progress),
      stop_(std::move(stop)) {}

SandboxOptions DumpRecovery::options() const {
  SandboxOptions options = sandbox_options(scope_.settings);
  if (scope_.gtid.empty()) return options;
  const std::vector<std::string> relay =
      relay_options(place_ + "/server", place_ + "/log", chosen_of(scope_.settings));
  options.lines.insert(options.lines.end(), relay.begin(), relay.end());
  return options;
}

void DumpRecovery::make() {
  make_directory_for(data(), settings_.system_user);
  make_server_directory(settings_, data(), MariadbEngine::kMysql,
                        sandbox_options(scope_.settings).lines, stop_);
  make_directories(place_ + "/server", 0700);
  const std::string received = place_ + "/log";
  make_directories(received, 0700);
  give_to_server(settings_, received);
  if (!has_log()) return;
  log_begin_ = place_relay_log(settings_, received,
                               fetch_binlogs(vault_, *scope_.log, scope_.end, received, stop_),
                               scope_.log->begin.offset);
}

void DumpRecovery::start() {
  server_ = std::make_unique<MariadbSandbox>(settings_, data(), place_ + "/server", stop_,
                                             options(), MariadbEngine::kMysql);
}

std::uint64_t DumpRecovery::load_file(const std::string& path) const {
  MariadbImport import(server_->settings(), stop_, MariadbEngine::kMysql);
  // The log of the source goes on behind it, and nobody replicates from here.
  import.write(as_bytes("SET SESSION sql_log_bin = 0;\n"));
  const std::uint64_t bytes = read_backup_file(vault_, backup_, path, [&](ByteView content) {
    import.write(content);
    if (progress_ != nullptr) progress_->bytes += content.size();
    return true;
  });
  import.finish();
  return bytes;
}

RestoreResult DumpRecovery::load() const {
  RestoreResult result;
  const Duration begin = vault_.clock().monotonic();
  // It has no password in a new server; the dump has the source's own, if there is one.
  server_->connect().query("DROP USER root@localhost");
  // "all.sql" before "users.sql": accounts are given rights to what exists.
  for (const std::string& path : top_paths_of(vault_, backup_)) {
    result.bytes += on_server(*server_, [&] { return load_file(path); });
    ++result.files;
    if (progress_ != nullptr) ++progress_->files;
  }
  result.bytes_written = result.bytes;
  result.duration = vault_.clock().monotonic() - begin;
  return result;
}

std::string DumpRecovery::replay() const {
  if (scope_.gtid.empty()) return {};
  return on_server(*server_, [&] {
    {
      MariadbConnection connection = server_->connect();
      set_mysql_gtid(connection, GtidPosition(scope_.gtid));
    }
    if (!has_log()) return GtidPosition(scope_.gtid).text();
    const RelayReplay replay{
        log_begin_, {}, scope_.end.position, place_ + "/log", chosen_of(scope_.settings)};
    replay_as_replica(*server_, replay, stop_);
    return replay.after.text();
  });
}

void check_dump_restore(const Vault& vault, const MariadbRestore& job, const MariadbScope& scope,
                        const std::stop_token& stop) {
  require_programs(job, scope, stop);
  require_way_to(job.files.target, job.server.system_user);
  preflight_restore(vault, without_mixture(job.files), stop);
  require_ours(job.files);
  require_room(vault, job, scope);
}

MariadbRestored run_dump_restore(const Vault& vault, const MariadbRestore& job,
                                 const MariadbScope& scope, RestoreProgress& progress,
                                 Warnings& warnings, const std::stop_token& stop) {
  const std::string& target = job.files.target;
  require_no_server(target);
  check_dump_restore(vault, job, scope, stop);
  MariadbRestored restored;
  const RestoreNeeds needs = preflight_restore(vault, without_mixture(job.files), stop);
  progress.total_files = needs.files;
  progress.total_bytes = needs.bytes;
  if (job.files.dry_run) {
    restored.result.files = needs.files;
    restored.result.bytes = needs.bytes;
    return restored;
  }
  restored.result.resumed = begin_server_restore(job.files);
  empty(target);
  const std::string place = target + "/" + kMariadbAside;
  make_directories(place, 0755);
  give_to_server(job.server, target);
  DumpRecovery recovery(vault, job.files.backup, job.server, scope, place, &progress, stop);
  recovery.make();
  recovery.start();
  const bool resumed = restored.result.resumed;
  restored.result = recovery.load();
  restored.result.resumed = resumed;
  restored.gtid = recovery.replay();
  restored.replayed = scope.log && scope.end.last;
  on_server(recovery.server(), [&] {
    {
      MariadbConnection connection = recovery.server().connect();
      restored.keeps_gtid = connection.version() >= kFirstThatKnowsItsGtids;
      warn_of_events(connection, warnings);
    }
    recovery.server().shut_down();
  });
  put_in_place(recovery.data(), target);
  fs::remove_all(place);
  end_server_restore(target);
  return restored;
}

}  // namespace holdfast
