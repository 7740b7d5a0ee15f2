// Logical backups of PostgreSQL: how pg_dump and pg_dumpall are called, and what their dumps are
// called.
#pragma once

#include <memory>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "source/postgres/cluster.h"

namespace holdfast {

// The databases that people can connect to, but for templates.
std::vector<std::string> pg_databases(PgConnection& connection);

// Those of the settings; without any: all. Throws kNotFound for one that does not exist.
std::vector<std::string> chosen_pg_databases(const PostgresSettings& settings,
                                             PgConnection& connection);

// One dump.
struct PgDumpPlan {
  std::string stored_path;  // "app.sql", "app.dump", "app.dir", "~globals.sql"
  std::string database;     // empty: roles and tablespaces
  // Writes to its output, but for a dump that is a directory: see PgDirectoryDump.
  std::vector<std::string> command;
  std::vector<std::pair<std::string, std::string>> environment;
};

// Roles and tablespaces. No dump of a database has that name.
inline constexpr const char* kPgGlobals = "~globals.sql";

// The database that a dump of a logical backup is of, by its path: "app.sql", "app.dump",
// "app.dir". Empty for what is no database's.
std::string database_of_dump(const std::string& stored_path);
PgDumpFormat format_of_dump(const std::string& stored_path);

// How many workers make or load a dump that is a directory.
unsigned pg_jobs(const PostgresSettings& settings);

// One plan for each database of the settings (without any: all), and one for roles and tablespaces.
// Throws kNotFound for a database that the server does not have.
std::vector<PgDumpPlan> plan_pg_dumps(const PostgresSettings& settings, PgConnection& connection);

// The same for archives that psql loads into any database: plain SQL that neither names the
// database nor fails on what is there (it is dropped first). The databases first; one for roles
// comes only when the settings do not name exactly one database, without their passwords unless
// `passwords`.
std::vector<PgDumpPlan> plan_pg_archives(const PostgresSettings& settings, PgConnection& connection,
                                         bool passwords);

}  // namespace holdfast
