#include "source/postgres/dump.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <string_view>

#include "base/error.h"
#include "base/human.h"
#include "os/processors.h"

namespace holdfast {
namespace {

constexpr unsigned kMostJobsByDefault = 8;  // each is a session of the server

// A database may have any name; a path has no '/' in its parts.
std::string file_name(const std::string& database) {
  std::string name;
  for (const char c : database) {
    const bool first = name.empty();
    if (c == '/' || c == '%' || (first && (c == '.' || c == '~'))) {
      name += fmt::format("%{:02X}", static_cast<unsigned>(c));
    } else {
      name += c;
    }
  }
  return name;
}

// By its suffix, which says the format.
constexpr std::array<std::pair<PgDumpFormat, std::string_view>, 3> kSuffixes = {
    {{PgDumpFormat::kPlain, ".sql"},
     {PgDumpFormat::kCustom, ".dump"},
     {PgDumpFormat::kDirectory, ".dir"}}};

std::string_view suffix_of(PgDumpFormat wanted) {
  for (const auto& [format, suffix] : kSuffixes) {
    if (format == wanted) return suffix;
  }
  return {};
}

std::vector<std::string> format_options(const PostgresSettings& settings) {
  switch (settings.format) {
    case PgDumpFormat::kPlain:
      return {"--format=plain"};
    case PgDumpFormat::kCustom:
      return {"--format=custom"};
    case PgDumpFormat::kDirectory:
      // Not synced: what counts is what the vault has.
      return {"--format=directory", "--no-sync", fmt::format("--jobs={}", pg_jobs(settings))};
  }
  return {};
}

}  // namespace

std::string database_of_dump(const std::string& stored_path) {
  std::string_view name = stored_path;
  if (name.starts_with('~')) return {};
  for (const auto& [format, suffix] : kSuffixes) {
    if (!name.ends_with(suffix)) continue;
    name.remove_suffix(suffix.size());
    break;
  }
  std::string database;
  for (std::size_t i = 0; i < name.size(); ++i) {
    unsigned value = 0;
    const char* const digits = name.data() + i + 1;
    if (name[i] == '%' && i + 2 < name.size() &&
        std::from_chars(digits, digits + 2, value, 16).ptr == digits + 2) {
      database += static_cast<char>(value);
      i += 2;
    } else {
      database += name[i];
    }
  }
  return database;
}

PgDumpFormat format_of_dump(const std::string& stored_path) {
  for (const auto& [format, suffix] : kSuffixes) {
    if (stored_path.ends_with(suffix)) return format;
  }
  return PgDumpFormat::kPlain;
}

unsigned pg_jobs(const PostgresSettings& settings) {
  return settings.jobs > 0 ? settings.jobs : std::min(processors(), kMostJobsByDefault);
}

std::vector<std::string> pg_databases(PgConnection& connection) {
  std::vector<std::string> names;
  for (const PgRow& row : connection.query("select datname from pg_database "
                                           "where datallowconn and not datistemplate "
                                           "order by datname")) {
    names.push_back(row[0].value_or(""));
  }
  return names;
}

std::vector<std::string> chosen_pg_databases(const PostgresSettings& settings,
                                             PgConnection& connection) {
  std::vector<std::string> known = pg_databases(connection);
  if (settings.databases.empty()) return known;
  for (const std::string& wanted : settings.databases) {
    if (std::find(known.begin(), known.end(), wanted) != known.end()) continue;
    const std::string near = nearest(wanted, known);
    throw Error(Code::kNotFound, fmt::format("the server has no database '{}'", printable(wanted)),
                near.empty() ? "" : fmt::format("did you mean '{}'?", near));
  }
  return settings.databases;
}

std::vector<PgDumpPlan> plan_pg_dumps(const PostgresSettings& settings, PgConnection& connection) {
  const int version = connection.server_version();
  std::vector<PgDumpPlan> plans;
  PgDumpPlan globals;
  globals.stored_path = kPgGlobals;
  globals.command = pg_command(settings, "pg_dumpall", version);
  globals.command.insert(globals.command.end(), {"--globals-only", "--no-password"});
  globals.environment = pg_environment(settings, "");
  plans.push_back(std::move(globals));
  const std::vector<std::string> format = format_options(settings);
  for (const std::string& database : chosen_pg_databases(settings, connection)) {
    PgDumpPlan plan;
    plan.database = database;
    plan.stored_path = file_name(database) + std::string(suffix_of(settings.format));
    plan.command = pg_command(settings, "pg_dump", version);
    // Not compressed: equal parts of two dumps must be equal bytes to be stored once.
    plan.command.insert(plan.command.end(), format.begin(), format.end());
    plan.command.insert(plan.command.end(),
                        {"--compress=0", "--no-password", "--lock-wait-timeout=600000"});
    // Every server has this one: creating it again would fail.
    if (database != "postgres") plan.command.push_back("--create");
    plan.environment = pg_environment(settings, database);
    plans.push_back(std::move(plan));
  }
  return plans;
}

std::vector<PgDumpPlan> plan_pg_archives(const PostgresSettings& settings, PgConnection& connection,
                                         bool passwords) {
  const int version = connection.server_version();
  std::vector<PgDumpPlan> plans;
  for (const std::string& database : chosen_pg_databases(settings, connection)) {
    PgDumpPlan plan;
    plan.database = database;
    plan.stored_path = file_name(database) + ".sql";
    plan.command = pg_command(settings, "pg_dump", version);
    // Without --create: a dump that connects to the database it came from would write into that one
    // when somebody meant to load it into another.
    plan.command.insert(plan.command.end(), {"--format=plain", "--clean", "--if-exists",
                                             "--no-password", "--lock-wait-timeout=600000"});
    plan.environment = pg_environment(settings, database);
    plans.push_back(std::move(plan));
  }
  if (settings.databases.size() == 1) return plans;
  PgDumpPlan globals;
  globals.stored_path = kPgGlobals;
  globals.command = pg_command(settings, "pg_dumpall", version);
  globals.command.insert(globals.command.end(), {"--globals-only", "--no-password"});
  if (!passwords) globals.command.emplace_back("--no-role-passwords");
  globals.environment = pg_environment(settings, "");
  plans.push_back(std::move(globals));
  return plans;
}

}  // namespace holdfast
