// Logical backups of PostgreSQL: pg_dump and pg_dumpall as children, their output as streams.
#pragma once

#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "source/postgres/cluster.h"

namespace holdfast {

// The databases that people can connect to, but for templates.
std::vector<std::string> pg_databases(PgConnection& connection);

// One dump.
struct PgDumpPlan {
  std::string stored_path;  // "app.sql", "app.dump", "~globals.sql"
  std::vector<std::string> command;
  std::vector<std::pair<std::string, std::string>> environment;
};

// One plan for each database of the settings (without any: all), and one for roles and tablespaces.
// Throws kNotFound for a database that the server does not have.
std::vector<PgDumpPlan> plan_pg_dumps(const PostgresSettings& settings, PgConnection& connection);

}  // namespace holdfast
