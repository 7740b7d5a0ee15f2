// From settings to an open libpq connection. Inside the room.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "settings/settings.h"

struct pg_conn;

namespace holdfast {

struct PgCloser {
  void operator()(pg_conn* connection) const;
};
using PgHandle = std::unique_ptr<pg_conn, PgCloser>;
using ConnectionKeywords = std::vector<std::pair<std::string, std::string>>;

// Connects with the keywords of libpq in `fixed` over those of the settings. As root, a local
// socket sees the system user of the settings. Errors as PgConnection.
PgHandle connect(const PostgresSettings& settings, const ConnectionKeywords& fixed);

// As a value in a connection string.
std::string conninfo_value(const std::string& value);

}  // namespace holdfast
