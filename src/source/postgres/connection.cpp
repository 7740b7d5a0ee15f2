#include "source/postgres/connection.h"

#include <libpq-fe.h>

#include <functional>
#include <string_view>

#include "base/error.h"
#include "base/human.h"
#include "os/file.h"
#include "os/identity.h"

namespace holdfast {
namespace {

using Result = std::unique_ptr<PGresult, decltype(&::PQclear)>;
using Options = std::unique_ptr<PQconninfoOption, decltype(&::PQconninfoFree)>;

std::string trimmed(const char* text) {
  std::string trimmed(text == nullptr ? "" : text);
  while (!trimmed.empty() && (trimmed.back() == '\n' || trimmed.back() == ' ')) trimmed.pop_back();
  return printable(trimmed);
}

Options parse(const std::string& conninfo) {
  char* message = nullptr;
  Options options(::PQconninfoParse(conninfo.c_str(), &message), &::PQconninfoFree);
  if (options) return options;
  const std::string reason = trimmed(message);
  ::PQfreemem(message);
  throw Error(Code::kInvalid, "the connection of a database source is not understood: " + reason,
              "write it as 'host=/run/postgresql user=postgres' or postgresql://USER@HOST/");
}

// Keywords and values of a connection.
struct Keywords {
  std::vector<std::string> names;
  std::vector<std::string> values;

  void set(const std::string& name, const std::string& value) {
    for (std::size_t i = 0; i < names.size(); ++i) {
      if (names[i] == name) {
        values[i] = value;
        return;
      }
    }
    names.push_back(name);
    values.push_back(value);
  }
  bool has(std::string_view name) const {
    for (const std::string& known : names) {
      if (known == name) return true;
    }
    return false;
  }
};

bool environment_has(const char* name) { return std::getenv(name) != nullptr; }

Keywords keywords_of(const PostgresSettings& settings, const std::string& database) {
  Keywords keywords;
  const Options options = parse(settings.connection);
  for (const PQconninfoOption* o = options.get(); o->keyword != nullptr; ++o) {
    if (o->val != nullptr && *o->val != '\0') keywords.set(o->keyword, o->val);
  }
  if (!database.empty()) keywords.set("dbname", database);
  if (!keywords.has("dbname") && !environment_has("PGDATABASE")) keywords.set("dbname", "postgres");
  // The user of the operating system is its namesake in the server.
  if (!keywords.has("user") && !environment_has("PGUSER") && !settings.system_user.empty()) {
    keywords.set("user", settings.system_user);
  }
  return keywords;
}

bool says(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

// libpq gives no SQLSTATE for a failed connection, so the text has to do.
Error connection_error(pg_conn* connection) {
  const std::string text = trimmed(::PQerrorMessage(connection));
  if (::PQconnectionNeedsPassword(connection) != 0 || ::PQconnectionUsedPassword(connection) != 0 ||
      says(text, "authentication failed") || says(text, "no pg_hba.conf entry")) {
    return {Code::kDenied, text,
            "check user and password: ~/.pgpass, PGPASSWORD, or the server's pg_hba.conf; for a "
            "local server, run as root or as its system user"};
  }
  if (says(text, "role \"") || says(text, "permission denied")) {
    return {Code::kDenied, text, "name a role that exists: connection: 'user=NAME ...'"};
  }
  if (says(text, "database \"")) return {Code::kNotFound, text, "check the name of the database"};
  return {Code::kUnavailable, text, "check that the server runs, its address and its port"};
}

Code code_of(std::string_view state) {
  if (state.starts_with("28") || state == "42501") return Code::kDenied;
  if (state.starts_with("53")) return Code::kExhausted;
  if (state == "57014") return Code::kCancelled;
  if (state.starts_with("08") || state.starts_with("57P")) return Code::kUnavailable;
  if (state == "3D000" || state == "42P01") return Code::kNotFound;
  return Code::kInvalid;
}

}  // namespace

void PgConnection::Closer::operator()(pg_conn* connection) const { ::PQfinish(connection); }

PgConnection::PgConnection(const PostgresSettings& settings, const std::string& database,
                           std::stop_token stop)
    : stop_(std::move(stop)) {
  Keywords keywords = keywords_of(settings, database);
  if (!keywords.has("connect_timeout")) keywords.set("connect_timeout", "15");
  keywords.set("application_name", "holdfast");
  // One form of times, numbers and messages, whatever the role has set.
  keywords.set("options",
               "-c DateStyle=ISO -c TimeZone=UTC -c statement_timeout=0 -c lock_timeout=0 "
               "-c idle_session_timeout=0 -c synchronous_commit=on -c client_encoding=UTF8");
  std::vector<const char*> names;
  std::vector<const char*> values;
  for (std::size_t i = 0; i < keywords.names.size(); ++i) {
    names.push_back(keywords.names[i].c_str());
    values.push_back(keywords.values[i].c_str());
  }
  names.push_back(nullptr);
  values.push_back(nullptr);
  std::optional<ActAs> as;
  if (!settings.system_user.empty()) as.emplace(system_user(settings.system_user));
  connection_.reset(::PQconnectdbParams(names.data(), values.data(), 0));
  if (!connection_) throw Error(Code::kExhausted, "out of memory");
  if (::PQstatus(connection_.get()) != CONNECTION_OK) throw connection_error(connection_.get());
}

PgConnection::~PgConnection() = default;

std::vector<PgRow> PgConnection::query(const std::string& sql,
                                       const std::vector<std::string>& values) {
  if (stop_.stop_requested()) throw Error(Code::kCancelled, "interrupted");
  const std::unique_ptr<PGcancel, decltype(&::PQfreeCancel)> cancel(
      ::PQgetCancel(connection_.get()), &::PQfreeCancel);
  const std::stop_callback on_stop(stop_, [&cancel] {
    char ignored[256];
    ::PQcancel(cancel.get(), ignored, sizeof ignored);
  });
  std::vector<const char*> pointers;
  for (const std::string& value : values) pointers.push_back(value.c_str());
  const Result result(
      ::PQexecParams(connection_.get(), sql.c_str(), static_cast<int>(pointers.size()), nullptr,
                     pointers.data(), nullptr, nullptr, 0),
      &::PQclear);
  const ExecStatusType status = ::PQresultStatus(result.get());
  if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK) {
    const char* state = ::PQresultErrorField(result.get(), PG_DIAG_SQLSTATE);
    const Code code = ::PQstatus(connection_.get()) != CONNECTION_OK ? Code::kUnavailable
                      : state == nullptr                             ? Code::kUnavailable
                                                                     : code_of(state);
    throw Error(code, "PostgreSQL: " + trimmed(::PQresultErrorMessage(result.get())));
  }
  std::vector<PgRow> rows(static_cast<std::size_t>(::PQntuples(result.get())));
  for (std::size_t row = 0; row < rows.size(); ++row) {
    for (int column = 0; column < ::PQnfields(result.get()); ++column) {
      const int r = static_cast<int>(row);
      if (::PQgetisnull(result.get(), r, column) != 0) {
        rows[row].emplace_back(std::nullopt);
      } else {
        rows[row].emplace_back(::PQgetvalue(result.get(), r, column));
      }
    }
  }
  return rows;
}

std::string PgConnection::value(const std::string& sql, const std::vector<std::string>& values) {
  const std::vector<PgRow> rows = query(sql, values);
  return rows.empty() || rows[0].empty() ? "" : rows[0][0].value_or("");
}

std::string PgConnection::name() const {
  const auto text = [](const char* part) { return std::string(part == nullptr ? "" : part); };
  return printable(text(::PQuser(connection_.get())) + "@" + text(::PQhost(connection_.get())) +
                   ":" + text(::PQport(connection_.get())) + "/" + text(::PQdb(connection_.get())));
}

int PgConnection::server_version() const { return ::PQserverVersion(connection_.get()); }

std::vector<std::pair<std::string, std::string>> pg_environment(const PostgresSettings& settings,
                                                                const std::string& database) {
  const Keywords keywords = keywords_of(settings, database);
  const Options known(::PQconndefaults(), &::PQconninfoFree);
  if (!known) throw Error(Code::kExhausted, "out of memory");
  std::vector<std::pair<std::string, std::string>> environment;
  for (std::size_t i = 0; i < keywords.names.size(); ++i) {
    for (const PQconninfoOption* o = known.get(); o->keyword != nullptr; ++o) {
      if (keywords.names[i] != o->keyword) continue;
      if (o->envvar != nullptr) environment.emplace_back(o->envvar, keywords.values[i]);
    }
  }
  environment.emplace_back("PGAPPNAME", "holdfast");
  return environment;
}

std::vector<std::string> pg_command(const PostgresSettings& settings, const std::string& program,
                                    int server_version) {
  std::vector<std::string> command = command_as(settings.system_user);
  const std::string debian =
      "/usr/lib/postgresql/" + std::to_string(server_version / 10000) + "/bin/" + program;
  if (!settings.bin_directory.empty()) {
    command.push_back(settings.bin_directory + "/" + program);
  } else {
    command.push_back(path_exists(debian) ? debian : program);
  }
  return command;
}

}  // namespace holdfast
