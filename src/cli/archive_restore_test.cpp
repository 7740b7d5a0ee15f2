#include "cli/archive_restore_test.h"

#include <fmt/format.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/human.h"
#include "cli/archive_access.h"
#include "cli/archive_mariadb_test.h"
#include "cli/restore_steps.h"
#include "objective/assertion.h"
#include "os/file.h"
#include "os/identity.h"
#include "os/process_stream.h"
#include "protect/dump_choice.h"
#include "protect/proof_steps.h"
#include "protect/verdict.h"
#include "source/postgres/load.h"
#include "source/postgres/proof.h"

namespace holdfast {
namespace {

constexpr int kPerMajor = 10000;
constexpr const char* kRestoredDatabase = "restored";

class ArchiveTest {
 public:
  ArchiveTest(Context& context, ObjectStore& store, const StoredArchive& archive,
              const std::string& scratch, const std::string& identity)
      : context_(context),
        store_(store),
        archive_(archive),
        data_(scratch + "/data"),
        scratch_(scratch),
        source_(source_of_archive(context.settings(), archive.name)),
        identities_(identities_for(context, archive.name, identity)) {
    if (source_ != nullptr && source_->postgresql) settings_ = *source_->postgresql;
  }

  std::vector<RestoreStep> steps() {
    if (is_tar(archive_.name.format)) {
      return {{"validate", "", [this] { return validate_files(); }},
              {"restore", "", [this] { return unpack(); }}};
    }
    dump_ = dump_of_archive(store_, archive_, source_, identities_, context_.stop);
    if (dump_.mariadb) {
      mariadb_ = std::make_unique<MariadbArchiveTest>(context_, store_, archive_, dump_, source_,
                                                      identities_, scratch_);
      return mariadb_->steps();
    }
    return {{"validate", "", [this] { return validate_dump(); }},
            {"start", "", [this] { return start(); }},
            {"load", "", [this] { return on_server(*sandbox_, [this] { return load(); }); }},
            {"assertions", "",
             [this] { return on_server(*sandbox_, [this] { return check_answers(); }); }},
            {"amcheck", "",
             [this] { return on_server(*sandbox_, [this] { return check_integrity(); }); }}};
  }

 private:
  std::string validate_files() {
    const CheckedArchive checked = check_archive(store_, archive_.name, identities_, context_.stop);
    return format_size(checked.content.bytes);
  }

  std::string unpack() {
    make_directories(data_, 0700);
    ProcessOptions options;
    options.argv = {"tar", "--extract", "--file=-", "--directory", data_, "--xattrs"};
    options.environment = {{"LC_ALL", "C"}};
    ProcessStream tar(options, ProcessStream::Direction::kInput, context_.stop);
    bool reading = true;
    read_archive(
        store_, archive_.name, identities_,
        [&](ByteView plain) { reading = reading && tar.write(plain); }, context_.stop);
    const ProcessResult result = tar.finish();
    if (result.stopped) throw Error(Code::kCancelled, "interrupted");
    if (result.exit_code == 0) return "unpacked";
    throw Error(Code::kCorrupt, "tar cannot unpack it: " + complaint(result));
  }

  std::string validate_dump() {
    std::atomic<std::uint64_t> bytes{0};
    checked_ = check_dump(dump_, bytes);
    return format_size(checked_.bytes);
  }

  std::string start() {
    make_directories(data_, 0700);
    if (::geteuid() == 0 && !settings_.system_user.empty()) {
      const SystemUser user = system_user(settings_.system_user);
      if (::chown(data_.c_str(), user.uid, user.gid) != 0) {
        throw system_error(errno, "cannot set the owner of " + printable(data_));
      }
    }
    const int version = dump_.server_version / kPerMajor * kPerMajor;
    make_pg_cluster(settings_, version, data_, context_.stop);
    make_directories(scratch_ + "/server", 0700);
    sandbox_ = std::make_unique<PgSandbox>(settings_, data_, scratch_ + "/server", context_.clock,
                                           context_.stop);
    return "PostgreSQL " + std::to_string(sandbox_->major_version());
  }

  // Roles lie in another archive; here their names are enough.
  void make_roles(PgLoadTarget& target) {
    for (const std::string& role : target.missing_roles(checked_.roles)) target.create_role(role);
  }

  std::string load() {
    PgLoadTarget target(sandbox_->settings(), context_.stop);
    make_roles(target);
    target.create(kRestoredDatabase, "");
    PgLoad load(sandbox_->settings(), target.server_version(), kRestoredDatabase, false,
                context_.stop);
    PgDatabaseFilter filter([&load](ByteView content) { load.write(content); });
    dump_.read([&filter](ByteView content) { filter.write(content); });
    filter.finish();
    load.finish();
    return plural(checked_.roles.size(), "role") + " made for it";
  }

  std::string check_answers() {
    if (source_ == nullptr) return "no source of the configuration has assertions about it";
    std::uint64_t asked = 0;
    for (const Assertion& assertion : source_->assertions) {
      const bool about = assertion.database.empty() ? archive_.name.source == source_->name
                                                    : assertion.database == dump_.database;
      if (!about) continue;
      PgConnection connection(sandbox_->settings(), kRestoredDatabase, context_.stop);
      const AnswerRows answer = connection.read(assertion.query);
      const auto failure = assertion_failure(assertion.expect, answer, context_.clock.now());
      if (failure) throw Error(Code::kCorrupt, assertion.query + ": " + *failure);
      ++asked;
    }
    return plural(asked, "assertion") + " passed";
  }

  std::string check_integrity() {
    const std::string findings = pg_amcheck_findings(*sandbox_, context_.stop);
    if (findings.empty()) return "nothing found";
    throw Error(Code::kCorrupt, findings);
  }

  Context& context_;
  ObjectStore& store_;
  const StoredArchive& archive_;
  std::string data_;
  std::string scratch_;
  const SourceSettings* source_;
  std::vector<Key> identities_;
  PostgresSettings settings_;
  ChosenDump dump_;
  CheckedDump checked_;
  std::unique_ptr<PgSandbox> sandbox_;
  std::unique_ptr<MariadbArchiveTest> mariadb_;  // instead of all that
};

void note_result(Context& context, ObjectStore& store, const std::string& file,
                 const std::string& result) {
  if (!vault_id_of(store)) return;
  try {
    note_verdict(store, file, context.clock.now(), result);
  } catch (const Error& error) {
    context.output.warning("the result could not be noted in the vault: " + error.message());
  }
}

}  // namespace

int test_archive(Context& context, ObjectStore& store, const StoredArchive& archive,
                 const std::string& scratch, const std::string& identity, bool record) {
  const std::string file = archive.name.file();
  const Duration begin = context.clock.monotonic();
  RunLog log(context, "restore", "restore-test");
  context.output.note("restore test of " + file + "\n");
  log.info("restore test of " + file);
  ArchiveTest test(context, store, archive, scratch, identity);
  std::vector<StepDone> done;
  try {
    run_steps(context, test.steps(), log, done);
  } catch (const Error& error) {
    log.failure("restore test", error.message());
    const bool found = error.code() == Code::kCorrupt || error.code() == Code::kInvalid;
    if (!found) throw;
    if (record) note_result(context, store, file, "failed");
    // A server that does not take it says so in many ways; here all of them are the archive's.
    throw Error(Code::kCorrupt, error.message(), error.hint());
  }
  if (record) note_result(context, store, file, "restored");
  const Duration took = context.clock.monotonic() - begin;
  log.duration(took);
  context.output.note("passed in " + format_duration(took) + "\n");
  context.output.document(Json{{"backup", file},
                               {"passed", true},
                               {"steps", steps_json(done)},
                               {"duration_seconds", std::chrono::duration<double>(took).count()}});
  return kExitSuccess;
}

}  // namespace holdfast
