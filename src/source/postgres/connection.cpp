#include "source/postgres/connection.h"

#include <functional>
#include <string_view>

#include "base/error.h"
#include "base/human.h"
#include "base/one_line.h"
#include "os/file.h"
#include "os/identity.h"
#include "source/postgres/connect.h"
#include "source/postgres/libpq.h"

namespace holdfast {
namespace {

constexpr std::string_view kReadOnlyTransaction = "25006";  // SQLSTATE

Code code_of(std::string_view state) {
  if (state.starts_with("28") || state == "42501") return Code::kDenied;
  if (state.starts_with("53")) return Code::kExhausted;
  if (state == "57014") return Code::kCancelled;
  if (state.starts_with("08") || state.starts_with("57P")) return Code::kUnavailable;
  if (state == "3D000" || state == "42P01") return Code::kNotFound;
  return Code::kInvalid;
}

// Where the packages of Debian and of Red Hat have those of one version.
std::string pg_program(const PostgresSettings& settings, const std::string& program,
                       const std::string& major) {
  if (!settings.bin_directory.empty()) return settings.bin_directory + "/" + program;
  for (const std::string& place : {"/usr/lib/postgresql/" + major, "/usr/pgsql-" + major}) {
    if (std::string path = place + "/bin/" + program; path_exists(path)) return path;
  }
  return program;
}

}  // namespace

PgConnection::PgConnection(const PostgresSettings& settings, const std::string& database,
                           std::stop_token stop)
    : stop_(std::move(stop)) {
  // One form of times, numbers and messages, whatever the role has set.
  ConnectionKeywords fixed{
      {"application_name", "holdfast"},
      {"options",
       "-c DateStyle=ISO -c TimeZone=UTC -c statement_timeout=0 -c lock_timeout=0 "
       "-c synchronous_commit=on -c client_encoding=UTF8"}};
  if (!database.empty()) fixed.emplace_back("dbname", database);
  connection_ = connect(settings, fixed);
  if (server_version() >= 140000) query("set idle_session_timeout = 0");
}

PgConnection::~PgConnection() = default;

std::vector<PgRow> PgConnection::query(const std::string& sql,
                                       const std::vector<std::string>& values) {
  if (stop_.stop_requested()) throw Error(Code::kCancelled, "interrupted");
  const PqCancel cancel(PQgetCancel(connection_.get()));
  const std::stop_callback on_stop(stop_, [&cancel] {
    char ignored[256];
    PQcancel(cancel.get(), ignored, sizeof ignored);
  });
  std::vector<const char*> pointers;
  for (const std::string& value : values) pointers.push_back(value.c_str());
  const PqResult result(PQexecParams(connection_.get(), sql.c_str(),
                                     static_cast<int>(pointers.size()), nullptr, pointers.data(),
                                     nullptr, nullptr, 0));
  const ExecStatusType status = PQresultStatus(result.get());
  if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK) {
    const char* state = PQresultErrorField(result.get(), PG_DIAG_SQLSTATE);
    const Code code = PQstatus(connection_.get()) != CONNECTION_OK ? Code::kUnavailable
                      : state == nullptr                           ? Code::kUnavailable
                                                                   : code_of(state);
    failed_state_ = state == nullptr ? "" : state;
    throw Error(code, "PostgreSQL: " + one_line(PQresultErrorMessage(result.get())));
  }
  std::vector<PgRow> rows(static_cast<std::size_t>(PQntuples(result.get())));
  for (std::size_t row = 0; row < rows.size(); ++row) {
    for (int column = 0; column < PQnfields(result.get()); ++column) {
      const int r = static_cast<int>(row);
      if (PQgetisnull(result.get(), r, column) != 0) {
        rows[row].emplace_back(std::nullopt);
      } else {
        rows[row].emplace_back(PQgetvalue(result.get(), r, column));
      }
    }
  }
  return rows;
}

std::string PgConnection::value(const std::string& sql, const std::vector<std::string>& values) {
  const std::vector<PgRow> rows = query(sql, values);
  return rows.empty() || rows[0].empty() ? "" : rows[0][0].value_or("");
}

std::vector<PgRow> PgConnection::read(const std::string& sql) {
  query("BEGIN READ ONLY");
  try {
    std::vector<PgRow> rows = query(sql);
    query("ROLLBACK");
    return rows;
  } catch (const Error& error) {
    if (failed_state_ != kReadOnlyTransaction) throw;
    throw Error(Code::kInvalid, "it may only read, and it writes: " + error.message(),
                "ask with a SELECT that changes nothing");
  }
}

std::string PgConnection::name() const {
  const auto text = [](const char* part) { return std::string(part == nullptr ? "" : part); };
  return printable(text(PQuser(connection_.get())) + "@" + text(PQhost(connection_.get())) + ":" +
                   text(PQport(connection_.get())) + "/" + text(PQdb(connection_.get())));
}

int PgConnection::server_version() const { return PQserverVersion(connection_.get()); }

std::vector<std::string> pg_command(const PostgresSettings& settings, const std::string& program,
                                    int server_version) {
  std::vector<std::string> command = command_as(settings.system_user);
  command.push_back(pg_program(settings, program, std::to_string(server_version / 10000)));
  return command;
}

}  // namespace holdfast
