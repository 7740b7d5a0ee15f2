#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/error.h"
#include "base/human.h"
#include "cli/into_server.h"
#include "codec/kdf.h"
#include "protect/directory_dump.h"
#include "source/postgres/directory_dump.h"
#include "source/postgres/load.h"

namespace holdfast {
namespace {

constexpr int kPerMajor = 10000;
constexpr std::size_t kLongestName = 63;  // of PostgreSQL

std::string with_suffix(const std::string& database, const std::string& suffix) {
  return database.substr(0, kLongestName - suffix.size()) + suffix;
}

class IntoPostgres final : public IntoServer {
 public:
  IntoPostgres(const PostgresSettings& settings, const std::string& database, std::stop_token stop)
      : target_(settings, stop),
        database_(database),
        stop_(std::move(stop)),
        fresh_(with_suffix(database, "-restore-" + to_hex(random_array<4>()))),
        aside_(with_suffix(database, "-before-" + to_hex(random_array<4>()))) {}

  std::string name() const override { return target_.name(); }

  void check(const ChosenDump& dump, const std::set<std::string>& roles) override {
    check_version(dump);
    check_roles(roles);
    check_prepared();
  }

  std::string local_data_directory() override { return target_.local_data_directory(); }
  bool has_database() override { return target_.has_database(database_); }
  std::uint64_t size() override { return target_.size_of(database_); }
  std::vector<std::string> sessions() override { return target_.sessions_in(database_); }
  void end_sessions() override { target_.end_sessions_in(database_); }

  SourceSettings safety_source() const override {
    SourceSettings source;
    source.backup_class = "database";
    source.postgresql = target_.settings();
    source.postgresql->method = DatabaseMethod::kLogical;
    source.postgresql->databases = {database_};
    source.postgresql->format = PgDumpFormat::kPlain;
    return source;
  }

  bool loads_beside() const override { return true; }

  // Not in one transaction: nobody sees the database before it is whole, and a large one would need
  // more locks than a server has.
  void load(const ChosenDump& dump, std::atomic<std::uint64_t>& bytes) override {
    exists_ = has_database();
    if (dump.format == PgDumpFormat::kDirectory) {
      load_directory(dump, bytes);
    } else {
      load_stream(dump, bytes);
    }
  }

  AnswerRows ask(const std::string& query) override {
    return PgConnection(target_.settings(), taken_ ? database_ : fresh_, stop_).read(query);
  }

  void take_place() override {
    if (exists_) {
      target_.take_place(fresh_, database_, aside_);
    } else {
      target_.rename(fresh_, database_);
    }
    taken_ = true;
  }

  void drop_loaded() override {
    if (created_ && !taken_) PgLoadTarget(target_.settings(), {}).drop(fresh_);
  }
  void drop_old() override {
    if (!taken_ || !exists_) return;
    target_.drop(aside_);
    exists_ = false;
  }
  std::string old_name() const override { return taken_ && exists_ ? aside_ : ""; }

 private:
  void create() {
    target_.create(fresh_, exists_ ? database_ : "");
    created_ = true;
  }

  void load_stream(const ChosenDump& dump, std::atomic<std::uint64_t>& bytes) {
    create();
    const bool custom = dump.format == PgDumpFormat::kCustom;
    PgLoad load(target_.settings(), target_.server_version(), fresh_, custom, stop_);
    PgDatabaseFilter filter([&load](ByteView content) { load.write(content); });
    dump.read([&](ByteView content) {
      if (custom) {
        load.write(content);
      } else {
        filter.write(content);
      }
      bytes += content.size();
    });
    filter.finish();
    load.finish();
  }

  // Its workers read the files where they like: they have to be on a disk.
  void load_directory(const ChosenDump& dump, std::atomic<std::uint64_t>& bytes) {
    const PostgresSettings& settings = target_.settings();
    const DumpScratch scratch(settings);
    bytes = dump.unpack(scratch.directory(), settings.system_user, stop_);
    create();
    check_load(run_directory_load(settings, target_.server_version(), scratch.directory(), fresh_,
                                  false, stop_),
               "pg_restore");
  }

  void check_version(const ChosenDump& dump) {
    const int from = dump.server_version / kPerMajor;
    const int to = target_.server_version() / kPerMajor;
    if (from > to) {
      throw Error(Code::kUnsupported,
                  fmt::format("the dump is of PostgreSQL {}, and the server is {}: an older server "
                              "does not understand it",
                              from, to),
                  "restore it into a server of the same or a later version");
    }
  }

  void check_roles(const std::set<std::string>& roles) {
    const std::vector<std::string> missing = target_.missing_roles(roles);
    if (missing.empty()) return;
    throw Error(Code::kInvalid,
                fmt::format("the dump belongs to {} that the server does not have: {}",
                            missing.size() == 1 ? "a role" : "roles",
                            printable(fmt::format("{}", fmt::join(missing, ", ")))),
                "make them first: CREATE ROLE NAME; or load them from the backup: holdfast cat "
                "BACKUP '~globals.sql' | psql, or the archive of the source that ends in -globals");
  }

  // It would fail at the switch only, with the application stopped and all loaded.
  void check_prepared() {
    const std::vector<std::string> prepared = target_.prepared_in(database_);
    if (prepared.empty()) return;
    throw Error(Code::kConflict,
                fmt::format("{} in {} (first: {}): it cannot be replaced",
                            plural(prepared.size(), "prepared transaction"), printable(database_),
                            prepared.front()),
                "end them in that database: COMMIT PREPARED or ROLLBACK PREPARED, or restore "
                "beside it with --as-name NAME");
  }

  PgLoadTarget target_;
  std::string database_;
  std::stop_token stop_;
  std::string fresh_;
  std::string aside_;
  bool exists_ = false;
  bool created_ = false;
  bool taken_ = false;
};

}  // namespace

std::unique_ptr<IntoServer> into_postgres(const PostgresSettings& settings,
                                          const std::string& database, std::stop_token stop) {
  return std::make_unique<IntoPostgres>(settings, database, std::move(stop));
}

}  // namespace holdfast
