// Dumps into a running server: a fresh database is filled, and takes the place of another only when
// it is whole.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <vector>

#include "codec/line_filter.h"
#include "os/process.h"
#include "source/postgres/connection.h"

namespace holdfast {

// The database that a connection string names; empty when it names none. Throws kInvalid.
std::string pg_database_of(const std::string& connection);

// A server that databases are restored into. One thread at a time.
class PgLoadTarget {
 public:
  // Connects; throws what PgConnection throws.
  PgLoadTarget(const PostgresSettings& settings, std::stop_token stop);

  const PostgresSettings& settings() const { return settings_; }
  std::string name() const { return connection_->name(); }  // for messages, without a password
  int server_version() const { return connection_->server_version(); }
  // Where it keeps its data, when that is on this host; else empty.
  std::string local_data_directory();

  bool has_database(const std::string& database);
  std::uint64_t size_of(const std::string& database);  // bytes
  void create_role(const std::string& role);           // that cannot log in
  // Those of `roles` that the server does not have.
  std::vector<std::string> missing_roles(const std::set<std::string>& roles);
  // "app@10.0.0.7 (web)" for each session in the database.
  std::vector<std::string> sessions_in(const std::string& database);
  void end_sessions_in(const std::string& database);
  // The names of prepared transactions in the database: while there are some nobody can rename it.
  std::vector<std::string> prepared_in(const std::string& database);

  // An empty database; with the owner, encoding and locale of `like` when that is not empty.
  void create(const std::string& database, const std::string& like);
  // Gives `fresh` the settings, rights and comment of `database`, and in one transaction the name:
  // what had it is called `aside` then. Nobody may be in either.
  void take_place(const std::string& fresh, const std::string& database, const std::string& aside);
  void rename(const std::string& database, const std::string& name);
  // Also when it is not there.
  void drop(const std::string& database);

 private:
  PostgresSettings settings_;
  std::unique_ptr<PgConnection> connection_;
};

// Throws what a program that loads a dump said of its failure.
void check_load(const ProcessResult& result, const std::string& program);

// Feeds one dump to psql or pg_restore. One thread at a time.
class PgLoad {
 public:
  // `custom`: in the format of pg_restore; else SQL, which ends at its first error.
  PgLoad(const PostgresSettings& settings, int server_version, const std::string& database,
         bool custom, std::stop_token stop);
  ~PgLoad();

  // Throws what the server said when it took no more.
  void write(ByteView content);
  // To be called at the end. Throws what the server said.
  void finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Takes out of a dump that was made with --create what concerns the database as a whole (making it,
// its settings and rights, going into it), so that it loads into any database. Other dumps pass
// unchanged. Goes by the headers that pg_dump puts before each object.
class PgDatabaseFilter final : public LineFilter {
 public:
  explicit PgDatabaseFilter(ByteSink sink) : LineFilter(std::move(sink)) {}

 private:
  enum class State { kPass, kSkip, kConnected };
  bool passes(std::string_view line) override;

  State state_ = State::kPass;
  bool in_rows_ = false;
};

}  // namespace holdfast
