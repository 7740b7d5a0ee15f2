#include "cli/archive_mariadb_test.h"

#include "base/error.h"
#include "base/human.h"
#include "os/file.h"
#include "protect/archive_backup.h"
#include "protect/mariadb_questions.h"
#include "source/mariadb/dump.h"
#include "source/mariadb/restore.h"

namespace holdfast {
namespace {

// For a dump that names no database, when nobody knows which it was.
constexpr const char* kDatabase = "restored";

// What a question finds is the archive's fault.
std::string found(const std::function<std::string()>& question) {
  try {
    return question();
  } catch (const ProofFailure& failure) {
    throw Error(Code::kCorrupt, failure.what());
  }
}

}  // namespace

MariadbArchiveTest::MariadbArchiveTest(Context& context, ObjectStore& store,
                                       const StoredArchive& archive, ChosenDump dump,
                                       const SourceSettings* source, std::vector<Key> identities,
                                       const std::string& scratch)
    : context_(context),
      store_(store),
      archive_(archive),
      dump_(std::move(dump)),
      source_(source),
      identities_(std::move(identities)),
      scratch_(scratch) {
  if (source_ != nullptr && source_->mariadb) settings_ = *source_->mariadb;
}

std::vector<RestoreStep> MariadbArchiveTest::steps() {
  return {
      {"validate", "", [this] { return validate(); }},
      {"start", "", [this] { return start(); }},
      {"load", "", [this] { return on_server(*sandbox_, [this] { return load(); }); }},
      {"assertions", "",
       [this] { return on_server(*sandbox_, [this] { return check_answers(); }); }},
      {"tables", "", [this] { return on_server(*sandbox_, [this] { return check_tables(); }); }}};
}

// All databases lie in one dump: what has a name of its own are the accounts.
bool MariadbArchiveTest::is_accounts() const {
  return archive_.name.source.ends_with("-" + std::string(kGlobalsPart));
}

std::string MariadbArchiveTest::validate() {
  const CheckedArchive checked = check_archive(store_, archive_.name, identities_, context_.stop);
  // A dump of a newer server that does not load would look like a damaged one.
  const std::string version = checked.dump ? checked.dump->mariadb_version() : "";
  if (checked.dump) engine_ = checked.dump->mariadb_engine();
  if (!version.empty()) require_mariadb_for(version, false, settings_, engine_);
  require_reachable(scratch_, settings_.system_user);
  return format_size(checked.content.bytes);
}

std::string MariadbArchiveTest::start() {
  const std::string data = scratch_ + "/data";
  make_directory_for(data, settings_.system_user);
  make_server_directory(settings_, data, engine_, {}, context_.stop);
  make_directories(scratch_ + "/server", 0700);
  sandbox_ = std::make_unique<MariadbSandbox>(settings_, data, scratch_ + "/server", context_.stop,
                                              SandboxOptions{}, engine_);
  return sandbox_->title();
}

std::string MariadbArchiveTest::load() {
  const std::string database =
      mariadb_identifier(dump_.database.empty() ? kDatabase : dump_.database);
  MariadbImport import(sandbox_->settings(), context_.stop, engine_);
  if (is_accounts()) {
    std::string accounts;
    dump_.read([&accounts](ByteView content) { accounts += as_text(content); });
    import.write(as_bytes(mended_users_dump(accounts)));
    import.finish();
    return "accounts";
  }
  // Where a dump of one database goes; one of several makes its own and goes into them.
  import.write(as_bytes("CREATE DATABASE " + database + ";\nUSE " + database + ";\n"));
  dump_.read([&import](ByteView content) { import.write(content); });
  import.finish();
  return dump_.database.empty() ? "" : "database " + printable(dump_.database);
}

bool MariadbArchiveTest::is_about(const Assertion& assertion) const {
  if (is_accounts()) return false;
  return assertion.database.empty() || dump_.database.empty() ||
         assertion.database == dump_.database;
}

std::string MariadbArchiveTest::check_answers() {
  if (source_ == nullptr) return "no source of the configuration has assertions about it";
  std::uint64_t asked = 0;
  for (const Assertion& assertion : source_->assertions) {
    if (!is_about(assertion)) continue;
    std::string database = assertion.database.empty() ? dump_.database : assertion.database;
    if (database.empty() && !settings_.databases.empty()) database = settings_.databases.front();
    found([&] { return ask_mariadb(*sandbox_, assertion, database, context_.clock.now()); });
    ++asked;
  }
  return plural(asked, "assertion") + " passed";
}

std::string MariadbArchiveTest::check_tables() {
  return found([this] { return judged(check_mariadb_tables(*sandbox_), "table"); });
}

}  // namespace holdfast
