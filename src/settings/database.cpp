#include "settings/database.h"

#include <fmt/format.h>

#include <array>

#include "settings/values.h"

namespace holdfast {
namespace {

constexpr auto kMethods = std::to_array<Choice<DatabaseMethod>>(
    {{"physical", DatabaseMethod::kPhysical}, {"logical", DatabaseMethod::kLogical}});
constexpr auto kReads = std::to_array<Choice<PgRead>>(
    {{"auto", PgRead::kAuto}, {"direct", PgRead::kDirect}, {"stream", PgRead::kStream}});
constexpr auto kDumpFormats =
    std::to_array<Choice<PgDumpFormat>>({{"plain", PgDumpFormat::kPlain},
                                         {"custom", PgDumpFormat::kCustom},
                                         {"directory", PgDumpFormat::kDirectory}});
constexpr unsigned kMostJobs = 64;
constexpr unsigned kMostPort = 65535;

std::vector<std::string> read_databases(const Fields& fields, DatabaseMethod method) {
  std::vector<std::string> names;
  const auto field = fields.find("databases");
  if (!field) return names;
  for (const Field& item : field->items()) names.push_back(item.text());
  if (method == DatabaseMethod::kPhysical) {
    field->fail("a physical backup holds every database of the server",
                "leave 'databases' out, or write 'method: logical'");
  }
  return names;
}

DatabaseMethod read_method(const Fields& fields) {
  const auto field = fields.find("method");
  return field ? read_choice(*field, kMethods) : DatabaseMethod::kPhysical;
}

DatabaseMethod read_mysql_method(const Fields& fields) {
  const auto field = fields.find("method");
  if (field && read_choice(*field, kMethods) == DatabaseMethod::kPhysical) {
    field->fail("there are no physical backups of MySQL",
                "write 'method: logical', or leave 'method' out");
  }
  return DatabaseMethod::kLogical;
}

void read_text(const Fields& fields, std::string_view key, std::string& value) {
  if (const auto field = fields.find(key)) value = field->text();
}

void read_file(const Fields& fields, std::string_view key, std::string& value) {
  if (const auto field = fields.find(key)) value = read_path(*field);
}

// What only makes sense for dumps that are directories.
void read_directory_keys(const Fields& fields, PostgresSettings& settings) {
  const auto jobs = fields.find("jobs");
  const auto scratch = fields.find("scratch");
  if (jobs) settings.jobs = jobs->number(1, kMostJobs);
  if (scratch) settings.scratch = read_path(*scratch);
  if (settings.format == PgDumpFormat::kDirectory || (!jobs && !scratch)) return;
  (jobs ? jobs : scratch)
      ->fail("only for dumps that are directories",
             "write 'method: logical' and 'format: directory', or leave it out");
}

PostgresSettings read_postgresql(const Field& field, const std::string& where) {
  const Fields fields(field, " in 'postgresql'" + where, postgresql_keys());
  PostgresSettings settings;
  settings.method = read_method(fields);
  read_text(fields, "connection", settings.connection);
  settings.databases = read_databases(fields, settings.method);
  if (const auto read = fields.find("read")) {
    settings.read = read_choice(*read, kReads);
    if (settings.method == DatabaseMethod::kLogical) {
      read->fail("only for physical backups", "write 'method: physical', or leave 'read' out");
    }
  }
  if (const auto format = fields.find("format")) {
    settings.format = read_choice(*format, kDumpFormats);
    if (settings.method == DatabaseMethod::kPhysical) {
      format->fail("only for logical backups", "write 'method: logical', or leave 'format' out");
    }
  }
  read_directory_keys(fields, settings);
  read_text(fields, "system_user", settings.system_user);
  read_file(fields, "bin_directory", settings.bin_directory);
  return settings;
}

// Under either of its names: which server it is the server says.
MariadbSettings read_mariadb(const Field& field, const std::string& key, const std::string& where) {
  const Fields fields(field, " in '" + key + "'" + where, mariadb_keys());
  MariadbSettings settings;
  settings.method = key == "mysql" ? read_mysql_method(fields) : read_method(fields);
  read_file(fields, "defaults_file", settings.defaults_file);
  read_file(fields, "socket", settings.socket);
  read_text(fields, "host", settings.host);
  if (const auto port = fields.find("port")) settings.port = port->number(1, kMostPort);
  read_text(fields, "user", settings.user);
  settings.databases = read_databases(fields, settings.method);
  read_text(fields, "system_user", settings.system_user);
  read_file(fields, "bin_directory", settings.bin_directory);
  return settings;
}

Assertion read_assertion(const Field& field, const std::string& where) {
  const Fields fields(field, " in 'assertions'" + where, assertion_keys());
  Assertion assertion;
  assertion.query = fields.require("query", "the SQL to be run").literal_text();
  assertion.expect =
      fields.require("expect", "what its first value must be: a value or a bound, '> 0'")
          .literal_text();
  read_text(fields, "database", assertion.database);
  return assertion;
}

void require_one_server(const Fields& fields, const std::string& where) {
  std::vector<std::string> servers;
  for (const char* key : {"postgresql", "mariadb", "mysql"}) {
    if (fields.find(key)) servers.push_back(key);
  }
  if (servers.size() == 1) return;
  fields.mapping().fail(
      (servers.empty() ? "no server" : fmt::format("both '{}' and '{}'", servers[0], servers[1])) +
          where,
      "a source of class database has one of 'postgresql', 'mariadb' and 'mysql'");
}

}  // namespace

void read_database(const Fields& fields, const std::string& where, SourceSettings& source) {
  if (const auto paths = fields.find("paths")) {
    paths->fail("not for class 'database'",
                "say which server under 'postgresql', 'mariadb' or 'mysql'");
  }
  const auto postgresql = fields.find("postgresql");
  const auto mariadb = fields.find("mariadb");
  const auto mysql = fields.find("mysql");
  require_one_server(fields, where);
  if (postgresql) source.postgresql = read_postgresql(*postgresql, where);
  if (mariadb) source.mariadb = read_mariadb(*mariadb, "mariadb", where);
  if (mysql) source.mariadb = read_mariadb(*mysql, "mysql", where);
  if (const auto assertions = fields.find("assertions")) {
    for (const Field& item : assertions->items()) {
      source.assertions.push_back(read_assertion(item, where));
    }
  }
}

}  // namespace holdfast
