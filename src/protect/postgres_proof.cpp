#include "protect/postgres_proof.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "base/error.h"
#include "base/human.h"
#include "objective/assertion.h"
#include "os/file.h"
#include "os/process_stream.h"
#include "protect/backup_content.h"
#include "protect/directory_dump.h"
#include "source/postgres/directory_dump.h"
#include "source/postgres/proof.h"
#include "source/postgres/tools.h"

namespace holdfast {
namespace {

void require_loaded(const ProcessResult& result, const std::string& path) {
  if (result.stopped) throw Error(Code::kCancelled, "interrupted");
  if (result.exit_code == 0) return;
  throw ProofFailure(path + " cannot be loaded: " + complaint(result));
}

}  // namespace

PostgresProof::PostgresProof(const Vault& vault, const BackupName& backup,
                             const DatabaseFacts& facts, const PostgresSettings& settings,
                             const std::string& scratch, ProofSteps& steps, std::stop_token stop)
    : vault_(vault),
      backup_(backup),
      facts_(facts),
      settings_(settings),
      scratch_(scratch),
      data_(scratch + "/data"),
      steps_(steps),
      stop_(std::move(stop)) {
  require_reachable(scratch_, settings_.system_user);
  require_pg_proof_tools(settings_, std::stoi(facts_.version) * 10000, facts_.method == "physical",
                         stop_);
}

RestoreResult PostgresProof::make_cluster() const {
  const int version = std::stoi(facts_.version) * 10000;
  make_directory_for(data_, settings_.system_user);
  make_pg_cluster(settings_, version, data_, stop_);
  return {};
}

std::string PostgresProof::start() {
  const std::string own = scratch_ + "/server";
  make_directories(own, 0700);
  try {
    sandbox_ = std::make_unique<PgSandbox>(settings_, data_, own, vault_.clock(), stop_);
  } catch (const Error& error) {
    // Nothing of a logical backup is in it yet.
    if (facts_.method == "physical" || error.code() != Code::kCorrupt) throw;
    throw Error(Code::kUnavailable, "an empty cluster is no server: " + error.message(),
                "mend PostgreSQL on this host, or test on another one");
  }
  return on_server(*sandbox_, [&] {
    PgConnection connection(sandbox_->settings(), "postgres", stop_);
    return "PostgreSQL " + connection.value("select current_setting('server_version')");
  });
}

std::uint64_t PostgresProof::load_directory(const std::string& path) const {
  const std::string directory = scratch_ + "/dump";
  const std::uint64_t bytes =
      unpack_directory_dump(vault_, backup_, path, directory, settings_.system_user, stop_);
  // The database that every server has is not created again: see plan_pg_dumps.
  const ProcessResult result =
      run_directory_load(sandbox_->settings(), sandbox_->major_version() * 10000, directory,
                         "postgres", database_of_dump(path) != "postgres", stop_);
  std::filesystem::remove_all(directory);
  require_loaded(result, path);
  return bytes;
}

std::uint64_t PostgresProof::load_dump(const std::string& path) const {
  if (format_of_dump(path) == PgDumpFormat::kDirectory) return load_directory(path);
  const int version = sandbox_->major_version() * 10000;
  const PgLoadPlan plan = plan_pg_load(sandbox_->settings(), version, path);
  ProcessOptions options;
  options.argv = plan.command;
  options.environment = plan.environment;
  options.working_directory = "/";
  ProcessStream child(options, ProcessStream::Direction::kInput, stop_);
  std::uint64_t bytes = 0;
  if (plan.may_complain) {
    std::string text;
    bytes = read_backup_file(vault_, backup_, path, [&](ByteView content) {
      text += as_text(content);
      return true;
    });
    child.write(as_bytes(without_tablespace_places(text)));
  } else {
    bytes = read_backup_file(vault_, backup_, path,
                             [&](ByteView content) { return child.write(content); });
  }
  require_loaded(child.finish(), path);
  return bytes;
}

std::string PostgresProof::load(RestoreResult& restored) const {
  const Duration begin = vault_.clock().monotonic();
  std::vector<std::string> paths = top_paths_of(vault_, backup_);
  // Roles before what belongs to them.
  std::stable_partition(paths.begin(), paths.end(),
                        [](const std::string& path) { return path == kPgGlobals; });
  for (const std::string& path : paths) {
    restored.bytes += on_server(*sandbox_, [&] { return load_dump(path); });
    ++restored.files;
  }
  restored.duration = vault_.clock().monotonic() - begin;
  return fmt::format("{} in {}", plural(restored.files, "dump"), format_size(restored.bytes));
}

std::string PostgresProof::check_position() const {
  PgConnection connection(sandbox_->settings(), "postgres", stop_);
  // The end of the last record that was replayed. Where the server writes now is further: ending
  // the recovery wrote records of its own, which would make up for commits that are missing.
  const std::string reached = connection.value("select pg_last_wal_replay_lsn()");
  if (reached.empty()) throw ProofFailure("the server started without replaying anything");
  const std::string expected = format_lsn(expected_.end);
  // The server's own recovery ends silently where the log does.
  if (connection.value("select $1::pg_lsn >= $2::pg_lsn", {reached, expected}) != "t") {
    throw ProofFailure("recovered to " + reached + ", not to the end at " + expected);
  }
  // What the vault promises and nobody can replay.
  if (expected_.log && (expected_.log->gap || expected_.log->level_drop)) {
    throw ProofFailure("can be recovered: " + span_text(*expected_.log, expected_.consistent));
  }
  return "recovered to " + reached + ", the vault has the log to " + expected +
         (expected_.log ? branches_text(expected_.log->others) : "");
}

std::string PostgresProof::check_assertion(const Assertion& assertion, Timestamp now) const {
  std::string database = assertion.database;
  if (database.empty() && !settings_.databases.empty()) database = settings_.databases.front();
  try {
    PgConnection connection(sandbox_->settings(), database.empty() ? "postgres" : database, stop_);
    const AnswerRows answer = connection.read(assertion.query);
    if (const auto failure = assertion_failure(assertion.expect, answer, now)) {
      throw ProofFailure(assertion.query + ": " + *failure);
    }
    return assertion.query + ": " + answer_text(answer);
  } catch (const Error& error) {
    // A table or database that did not come back, or a statement that the server refuses.
    if (error.code() != Code::kNotFound && error.code() != Code::kInvalid) throw;
    throw ProofFailure(assertion.query + ": " + error.message());
  }
}

void PostgresProof::check(const std::vector<Assertion>& assertions, Timestamp now) {
  const auto server_step = [this](const std::string& name, const auto& check) {
    steps_.step(name, [&] { return on_server(*sandbox_, check); });
  };
  const auto without_findings = [](const std::string& findings) {
    if (!findings.empty()) throw ProofFailure(findings);
    return std::string("nothing found");
  };
  if (facts_.method == "physical") server_step("position", [&] { return check_position(); });
  for (std::size_t i = 0; i < assertions.size(); ++i) {
    server_step("assertion " + std::to_string(i + 1),
                [&] { return check_assertion(assertions[i], now); });
  }
  server_step("amcheck", [&] { return without_findings(pg_amcheck_findings(*sandbox_, stop_)); });
  if (facts_.method != "physical" || !sandbox_->has_page_checksums()) return;
  steps_.step("checksums", [&] {
    sandbox_->shut_down();
    return without_findings(pg_checksum_findings(*sandbox_, data_, stop_));
  });
}

}  // namespace holdfast
