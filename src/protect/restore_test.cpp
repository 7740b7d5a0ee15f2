#include "protect/restore_test.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/human.h"
#include "objective/assertion.h"
#include "os/file.h"
#include "protect/backup_content.h"
#include "protect/mariadb_proof.h"
#include "protect/postgres_proof.h"
#include "protect/verdict.h"
#include "source/mariadb/engine.h"

namespace holdfast {
namespace {

using Json = nlohmann::json;

class RestoreTest : private ProofSteps {
 public:
  RestoreTest(const Vault& vault, const RestoreTestJob& job, RestoreProgress& restoring,
              const std::function<void(const ProofStep&)>& progress, Warnings& warnings,
              std::stop_token stop)
      : vault_(vault),
        job_(job),
        restoring_(restoring),
        progress_(progress),
        warnings_(warnings),
        stop_(std::move(stop)) {}

  RestoreTestResult run() {
    for (const Assertion& assertion : job_.source.assertions) check_expectation(assertion.expect);
    const Duration begin = vault_.clock().monotonic();
    const auto database = database_of(vault_, job_.backup);
    if (!database) {
      test_files();
    } else if (database->engine == "postgresql") {
      test_postgres(*database);
    } else if (database->engine == kMariadbKey || database->engine == kMysqlKey) {
      test_mariadb(*database);
    } else {
      throw Error(Code::kUnsupported,
                  "this version cannot test the restore of a backup of " + database->engine);
    }
    result_.duration = vault_.clock().monotonic() - begin;
    if (job_.record) record();
    return std::move(result_);
  }

 private:
  bool step(const std::string& name, const std::function<std::string()>& check) override {
    const Duration begin = vault_.clock().monotonic();
    ProofStep step{name, true, "", {}};
    try {
      step.detail = check();
    } catch (const ProofFailure& failure) {
      step.passed = false;
      step.detail = failure.what();
    } catch (const Error& error) {
      // Only what the backup is to blame for is a result; the rest kept us from testing it.
      if (error.code() != Code::kCorrupt && error.code() != Code::kInvalid) throw;
      step.passed = false;
      step.detail = error.message();
    }
    step.duration = vault_.clock().monotonic() - begin;
    result_.steps.push_back(step);
    if (progress_) progress_(step);
    return step.passed;
  }

  RestoreJob restore_job() const {
    RestoreJob job;
    job.backup = job_.backup;
    job.target = job_.scratch + "/data";
    job.threads = job_.threads;
    return job;
  }

  std::string restored_text() const {
    return fmt::format("{} files, {} in {}", format_count(result_.restored.files),
                       format_size(result_.restored.bytes),
                       format_duration(result_.restored.duration));
  }

  void test_files() {
    RestoreJob job = restore_job();
    const Duration begin = vault_.clock().monotonic();
    const bool whole = step("restore", [&] {
      result_.restored = run_restore(vault_, job, restoring_, warnings_, stop_);
      if (result_.restored.damaged > 0) {
        throw ProofFailure(plural(result_.restored.damaged, "file") + " came back damaged");
      }
      return restored_text();
    });
    result_.until_ready = vault_.clock().monotonic() - begin;
    if (!whole) return;
    step("compare", [&] {
      // What is there already and right is kept; anything else would be written again.
      job.overwrite = Overwrite::kIfChanged;
      RestoreProgress again;
      const RestoreResult compared = run_restore(vault_, job, again, warnings_, stop_);
      if (compared.bytes_written > 0) {
        throw ProofFailure(format_size(compared.bytes_written) +
                           " differ on the disk from what was restored");
      }
      return format_size(compared.bytes_kept) + " read back and compared";
    });
  }

  void test_postgres(const DatabaseFacts& facts) {
    const PostgresSettings settings = job_.source.postgresql.value_or(PostgresSettings());
    const Duration begin = vault_.clock().monotonic();
    PostgresProof proof(vault_, job_.backup, facts, settings, job_.scratch, *this, stop_);
    const bool physical = facts.method == "physical";
    const bool restored = step("restore", [&] {
      if (physical) {
        DatabaseRestore job;
        job.files = restore_job();
        job.tablespace_directory = job_.scratch + "/tablespaces";
        const RecoveryScope scope = recovery_scope(vault_, job, stop_);
        proof.expect(scope);
        result_.restored = run_postgres_restore(vault_, job, scope, restoring_, warnings_, stop_);
      } else {
        result_.restored = proof.make_cluster();
      }
      return restored_text();
    });
    if (!restored || !step("start", [&] { return proof.start(); })) return;
    if (!physical && !step("load", [&] { return proof.load(result_.restored); })) return;
    result_.until_ready = vault_.clock().monotonic() - begin;
    proof.check(job_.source.assertions, vault_.clock().now());
  }

  void test_mariadb(const DatabaseFacts& facts) {
    const MariadbSettings settings = job_.source.mariadb.value_or(MariadbSettings());
    const Duration begin = vault_.clock().monotonic();
    MariadbProof proof(vault_, job_.backup, facts, settings, job_.scratch, *this, stop_);
    const bool physical = facts.method == "physical";
    const bool restored = step("restore", [&] {
      result_.restored =
          physical ? proof.restore(restore_job(), restoring_, warnings_) : proof.make_directory();
      return restored_text();
    });
    if (!restored || !step("start", [&] { return proof.start(); })) return;
    if (!physical && !step("load", [&] { return proof.load(result_.restored); })) return;
    result_.until_ready = vault_.clock().monotonic() - begin;
    proof.check(job_.source.assertions, vault_.clock().now());
  }

  // Tells nothing of the content: this object is plain.
  void record() {
    const std::string result = result_.passed() ? "restored" : "failed";
    Json steps = Json::array();
    for (const ProofStep& step : result_.steps) {
      steps.push_back({{"name", step.name},
                       {"passed", step.passed},
                       {"seconds", std::chrono::duration<double>(step.duration).count()}});
    }
    const Json facts{{"files", result_.restored.files},
                     {"bytes", result_.restored.bytes},
                     {"ready_seconds", std::chrono::duration<double>(result_.until_ready).count()},
                     {"seconds", std::chrono::duration<double>(result_.duration).count()},
                     {"steps", steps}};
    try {
      vault_.require_writable();
      note_verdict(vault_.store(), job_.backup.id(), vault_.clock().now(), result, facts);
    } catch (const Error& error) {
      warnings_.add("the result could not be noted in the vault: " + error.message());
    }
  }

  const Vault& vault_;
  const RestoreTestJob& job_;
  RestoreProgress& restoring_;
  const std::function<void(const ProofStep&)>& progress_;
  Warnings& warnings_;
  std::stop_token stop_;
  RestoreTestResult result_;
};

}  // namespace

bool RestoreTestResult::passed() const {
  return !steps.empty() &&
         std::all_of(steps.begin(), steps.end(), [](const ProofStep& s) { return s.passed; });
}

RestoreTestResult run_restore_test(const Vault& vault, const RestoreTestJob& job,
                                   RestoreProgress& restoring,
                                   const std::function<void(const ProofStep&)>& progress,
                                   Warnings& warnings, std::stop_token stop) {
  return RestoreTest(vault, job, restoring, progress, warnings, std::move(stop)).run();
}

}  // namespace holdfast
