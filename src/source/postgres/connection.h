// A connection to a PostgreSQL server through libpq.
#pragma once

#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "settings/settings.h"
#include "source/postgres/connect.h"

namespace holdfast {

// A row of values as text; nothing: NULL.
using PgRow = std::vector<std::optional<std::string>>;

// One thread at a time.
class PgConnection {
 public:
  // Connects to `database` (empty: the one of the settings); what the settings leave out comes from
  // libpq's environment variables and ~/.pgpass. As root, a local socket sees the system user of
  // the settings. Throws kDenied (password, role), kUnavailable (no server), kNotFound (database).
  PgConnection(const PostgresSettings& settings, const std::string& database, std::stop_token stop);
  ~PgConnection();

  // Runs one statement. A stop request cancels it. Throws what the server says: kDenied for missing
  // rights, kExhausted, kUnavailable when the server goes away, kCancelled, else kInvalid.
  std::vector<PgRow> query(const std::string& sql, const std::vector<std::string>& values = {});
  // The first value of the first row; "" for NULL and for no row.
  std::string value(const std::string& sql, const std::vector<std::string>& values = {});

  // Runs one statement of the user in a transaction that can only read. Throws kInvalid when it
  // writes.
  std::vector<PgRow> read(const std::string& sql);

  // Where it leads, for messages: "postgres@/run/postgresql:5432/app".
  std::string name() const;
  int server_version() const;  // 150018

 private:
  PgHandle connection_;
  std::stop_token stop_;
  std::string failed_state_;  // SQLSTATE of the last statement that failed
};

// The settings as libpq's environment variables: for pg_dump and its like, whose command lines
// everybody can read.
std::vector<std::pair<std::string, std::string>> pg_environment(const PostgresSettings& settings,
                                                                const std::string& database);

// The command `program` of the server's version; as root, run as the system user.
std::vector<std::string> pg_command(const PostgresSettings& settings, const std::string& program,
                                    int server_version);

}  // namespace holdfast
