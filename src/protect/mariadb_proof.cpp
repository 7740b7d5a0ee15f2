#include "protect/mariadb_proof.h"

#include <fmt/format.h>

#include "base/error.h"
#include "base/human.h"
#include "os/file.h"
#include "protect/backup_content.h"
#include "protect/mariadb_questions.h"
#include "source/mariadb/dump.h"
#include "source/mariadb/gtid.h"
#include "source/mariadb/restore.h"

namespace holdfast {
namespace {

std::string loaded_text(const RestoreResult& restored) {
  return fmt::format("{} in {}", plural(restored.files, "dump"), format_size(restored.bytes));
}

}  // namespace

MariadbProof::MariadbProof(const Vault& vault, const BackupName& backup, const DatabaseFacts& facts,
                           const MariadbSettings& settings, const std::string& scratch,
                           ProofSteps& steps, std::stop_token stop)
    : vault_(vault),
      backup_(backup),
      facts_(facts),
      settings_(settings),
      engine_(engine_of_key(facts.engine)),
      scratch_(scratch),
      data_(scratch + "/data"),
      steps_(steps),
      stop_(std::move(stop)) {
  require_mariadb_for(facts_.version, facts_.method == "physical", settings_, engine_);
  require_reachable(scratch_, settings_.system_user);
}

RestoreResult MariadbProof::restore(const RestoreJob& files, RestoreProgress& progress,
                                    Warnings& warnings) {
  MariadbRestore job;
  job.files = files;
  job.server = settings_;
  scope_ = mariadb_scope(vault_, job, stop_);
  try {
    restored_ = run_mariadb_restore(vault_, job, scope_, progress, warnings, stop_);
  } catch (const Error& error) {
    // Files that every server has are missing.
    if (error.code() == Code::kNotFound) throw ProofFailure(error.message());
    throw;
  }
  return restored_.result;
}

RestoreResult MariadbProof::make_directory() {
  if (engine_ == MariadbEngine::kMysql) {
    MariadbRestore job;
    job.files.backup = backup_;
    job.server = settings_;
    scope_ = mariadb_scope(vault_, job, stop_);
    recovery_ = std::make_unique<DumpRecovery>(vault_, backup_, settings_, scope_, scratch_,
                                               nullptr, stop_);
    recovery_->make();
    return {};
  }
  make_directory_for(data_, settings_.system_user);
  make_server_directory(settings_, data_, engine_, sandbox_options(facts_.settings).lines, stop_);
  return {};
}

std::string MariadbProof::start() {
  if (recovery_) {
    recovery_->start();
  } else {
    const std::string own = scratch_ + "/server";
    make_directories(own, 0700);
    sandbox_ = std::make_unique<MariadbSandbox>(settings_, data_, own, stop_,
                                                sandbox_options(facts_.settings), engine_);
  }
  return on_server(server(), [&] { return server().title(); });
}

std::uint64_t MariadbProof::load_file(const std::string& path) const {
  MariadbImport import(sandbox_->settings(), stop_);
  const bool is_users = path == kUsersDump;
  std::string users;
  const std::uint64_t bytes = read_backup_file(vault_, backup_, path, [&](ByteView content) {
    if (is_users) {
      users += as_text(content);
    } else {
      import.write(content);
    }
    return true;
  });
  // Backups of before have it as mariadb-dump wrote it.
  if (is_users) import.write(as_bytes(mended_users_dump(users)));
  import.finish();
  return bytes;
}

std::string MariadbProof::load(RestoreResult& restored) const {
  if (recovery_) {
    restored = recovery_->load();
    return loaded_text(restored);
  }
  const Duration begin = vault_.clock().monotonic();
  // "all.sql" before "users.sql": accounts are given rights to what exists.
  for (const std::string& path : top_paths_of(vault_, backup_)) {
    restored.bytes += on_server(*sandbox_, [&] { return load_file(path); });
    ++restored.files;
  }
  restored.duration = vault_.clock().monotonic() - begin;
  return loaded_text(restored);
}

// The log is to blame when it does not follow on the dump.
std::string MariadbProof::replay() const {
  try {
    const std::string gtid = recovery_->replay();
    const bool log = scope_.log && scope_.end.last;
    if (log && !scope_.log->gap.empty()) {
      throw ProofFailure("can be recovered: " + span_text(*scope_.log, scope_.consistent));
    }
    return "GTID " + gtid + (log ? ", the end of the log in the vault" : ", as in the catalogue");
  } catch (const Error& error) {
    if (error.code() != Code::kInvalid && error.code() != Code::kCorrupt) throw;
    throw ProofFailure(error.message());
  }
}

void MariadbProof::check_backup_position() const {
  // Prepared files say where they are; the log of the vault takes that away when it goes on.
  const MariadbPosition position = finish_mariadb_restore(data_, settings_, stop_);
  if (position.gtid != facts_.stop || position.text() != facts_.start) {
    throw ProofFailure(fmt::format("the files are of {} {}, the catalogue says {} {}",
                                   position.text(), position.gtid, facts_.start, facts_.stop));
  }
  // What InnoDB has cannot be newer than where the binary log would go on: it would come twice.
  const MariadbPosition innodb = innodb_position(data_);
  if (innodb.file == position.file && innodb.offset > position.offset) {
    throw ProofFailure("the data is of " + innodb.text() + ", newer than the backup's position " +
                       position.text());
  }
}

std::string MariadbProof::check_position() const {
  MariadbConnection connection = sandbox_->connect();
  std::string expected = facts_.stop;
  if (restored_.replayed) {
    expected = scope_.end.position.text();
  } else {
    check_backup_position();
    if (expected.empty()) return "the server wrote no binary log: no position";
    set_mariadb_gtid(connection, expected);
  }
  const std::string reached = connection.value("SELECT @@gtid_slave_pos");
  if (!(GtidPosition(reached) == GtidPosition(expected))) {
    throw ProofFailure("the server is at GTID " + reached + ", expected " + expected);
  }
  if (scope_.log && !scope_.log->gap.empty()) {
    throw ProofFailure("can be recovered: " + span_text(*scope_.log, scope_.consistent));
  }
  return "GTID " + reached +
         (restored_.replayed ? ", the end of the log in the vault" : ", as in the catalogue");
}

std::string MariadbProof::check_assertion(const Assertion& assertion, Timestamp now) const {
  std::string database = assertion.database;
  if (database.empty() && !settings_.databases.empty()) database = settings_.databases.front();
  return ask_mariadb(server(), assertion, database, now);
}

MariadbFindings MariadbProof::check_pages() {
  std::string end;
  // All pages are on the disk once the server has ended by itself.
  try {
    on_server(*sandbox_, [this] { sandbox_->shut_down(); });
  } catch (const Error& error) {
    if (error.code() == Code::kCancelled || error.code() == Code::kExhausted) throw;
    end = error.message();
  }
  sandbox_.reset();
  MariadbFindings findings = check_mariadb_pages(settings_, data_, stop_);
  if (!end.empty()) findings.bad.push_back(end);
  return findings;
}

void MariadbProof::check(const std::vector<Assertion>& assertions, Timestamp now) {
  const bool physical = facts_.method == "physical";
  const auto server_step = [this](const std::string& name, const auto& check) {
    steps_.step(name, [&] { return on_server(server(), check); });
  };
  if (physical) server_step("position", [&] { return check_position(); });
  if (recovery_ && !facts_.stop.empty()) server_step("position", [&] { return replay(); });
  for (std::size_t i = 0; i < assertions.size(); ++i) {
    server_step("assertion " + std::to_string(i + 1),
                [&] { return check_assertion(assertions[i], now); });
  }
  server_step("tables", [&] { return judged(check_mariadb_tables(server()), "table"); });
  if (!physical || !has_innochecksum(settings_)) return;
  steps_.step("checksums", [&] { return judged(check_pages(), "file"); });
}

}  // namespace holdfast
