#include "source/postgres/connect.h"

#include <cstdlib>
#include <optional>
#include <string_view>

#include "base/error.h"
#include "base/one_line.h"
#include "os/identity.h"
#include "source/postgres/libpq.h"
#include "source/postgres/load.h"

namespace holdfast {
namespace {

PqOptions parse(const std::string& conninfo) {
  char* message = nullptr;
  PqOptions options(PQconninfoParse(conninfo.c_str(), &message));
  if (options) return options;
  const std::string reason = one_line(message == nullptr ? "" : message);
  PQfreemem(message);
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
  const PqOptions options = parse(settings.connection);
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

// A socket in the file system, by libpq's rules; several hosts are taken by their first.
bool is_local(const Keywords& keywords) {
  const char* in_environment = std::getenv("PGHOST");
  std::string host = in_environment == nullptr ? "" : in_environment;
  for (std::size_t i = 0; i < keywords.names.size(); ++i) {
    if (keywords.names[i] == "hostaddr") return false;
    if (keywords.names[i] == "host") host = keywords.values[i];
  }
  return host.empty() || host.front() == '/' || host.front() == '@';
}

// What a connection in replication mode needs beyond one to a database.
std::optional<Error> replication_error(const std::string& text) {
  if (says(text, "max_wal_senders")) {
    return Error(
        Code::kExhausted, text,
        "a backup from elsewhere needs one free WAL sender: raise max_wal_senders (needs a "
        "restart), or end a receiver that nobody needs (select * from "
        "pg_stat_replication)");
  }
  if (says(text, "to start walsender")) {
    return Error(Code::kDenied, text,
                 "a backup needs a role with REPLICATION: ALTER ROLE ... REPLICATION");
  }
  if (says(text, "no pg_hba.conf entry for replication")) {
    return Error(Code::kDenied, text,
                 "add a line for the database 'replication' to the server's pg_hba.conf and reload "
                 "it: hostssl replication ROLE ADDRESS/32 scram-sha-256");
  }
  return std::nullopt;
}

// libpq gives no SQLSTATE for a failed connection, so the text has to do.
Error connection_error(pg_conn* connection) {
  const std::string text = one_line(PQerrorMessage(connection));
  if (auto error = replication_error(text)) return *error;
  if (PQconnectionNeedsPassword(connection) != 0 || PQconnectionUsedPassword(connection) != 0 ||
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

}  // namespace

std::string pg_database_of(const std::string& connection) {
  const PqOptions options = parse(connection);
  for (const PQconninfoOption* o = options.get(); o->keyword != nullptr; ++o) {
    if (std::string_view(o->keyword) == "dbname" && o->val != nullptr) return o->val;
  }
  return {};
}

std::string conninfo_value(const std::string& value) {
  std::string text = "'";
  for (const char c : value) {
    if (c == '\'' || c == '\\') text += '\\';
    text += c;
  }
  return text + "'";
}

void PgCloser::operator()(pg_conn* connection) const { PQfinish(connection); }

PgHandle connect(const PostgresSettings& settings, const ConnectionKeywords& fixed) {
  Keywords keywords = keywords_of(settings, "");
  if (!keywords.has("connect_timeout")) keywords.set("connect_timeout", "15");
  // A host that vanished is noticed within two minutes, not within two hours.
  if (!keywords.has("keepalives_idle")) keywords.set("keepalives_idle", "60");
  if (!keywords.has("keepalives_interval")) keywords.set("keepalives_interval", "10");
  if (!keywords.has("keepalives_count")) keywords.set("keepalives_count", "6");
  for (const auto& [name, value] : fixed) keywords.set(name, value);
  std::vector<const char*> names;
  std::vector<const char*> values;
  for (std::size_t i = 0; i < keywords.names.size(); ++i) {
    names.push_back(keywords.names[i].c_str());
    values.push_back(keywords.values[i].c_str());
  }
  names.push_back(nullptr);
  values.push_back(nullptr);
  std::optional<ActAs> as;
  // Over the network nobody sees who we are, and ~/.pgpass is the caller's own.
  if (!settings.system_user.empty() && is_local(keywords)) {
    as.emplace(system_user(settings.system_user));
  }
  PgHandle connection(PQconnectdbParams(names.data(), values.data(), 0));
  if (!connection) throw Error(Code::kExhausted, "out of memory");
  if (PQstatus(connection.get()) != CONNECTION_OK) throw connection_error(connection.get());
  return connection;
}

std::vector<std::pair<std::string, std::string>> pg_environment(const PostgresSettings& settings,
                                                                const std::string& database) {
  const Keywords keywords = keywords_of(settings, database);
  const PqOptions known(PQconndefaults());
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

}  // namespace holdfast
