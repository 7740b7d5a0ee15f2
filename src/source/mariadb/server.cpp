#include "source/mariadb/server.h"

#include <algorithm>

#include "base/error.h"

namespace holdfast {
namespace {

constexpr unsigned kOldestVersion = 100500;
constexpr unsigned kFirstWithUid = 101000;

std::uint64_t number(const std::optional<std::string>& text) {
  return std::stoull(text.value_or("0"));
}

}  // namespace

std::string MariadbPosition::text() const {
  return file.empty() ? "" : file + ":" + std::to_string(offset);
}

MariadbServer read_mariadb_server(MariadbConnection& connection) {
  MariadbServer server;
  server.version = connection.value("SELECT @@version");
  if (server.version.find("MariaDB") == std::string::npos) {
    throw Error(Code::kUnsupported, connection.name() + " is no MariaDB but " + server.version,
                "dump it with its own tools in a hook of a source of class files");
  }
  server.version.erase(std::min(server.version.find('-'), server.version.size()));
  if (connection.version() < kOldestVersion) {
    throw Error(Code::kUnsupported,
                "MariaDB before 10.5 is not supported, this is " + server.version,
                "upgrade the server; until then dump it in a hook");
  }
  const MariadbRow row =
      connection
          .query(
              "SELECT @@server_id, @@datadir, @@log_bin, @@binlog_checksum, @@gtid_binlog_pos, "
              "@@gtid_current_pos, @@lower_case_table_names, @@GLOBAL.sql_mode")
          .at(0);
  server.server_id = row[0].value_or("");
  server.data_directory = row[1].value_or("");
  while (server.data_directory.size() > 1 && server.data_directory.ends_with('/')) {
    server.data_directory.pop_back();
  }
  server.log_bin = row[2] == "1";
  server.binlog_checksum = row[3].value_or("");
  server.gtid_binlog_pos = row[4].value_or("");
  server.gtid_current_pos = row[5].value_or("");
  server.settings = {{"lower_case_table_names", row[6].value_or("0")},
                     {"sql_mode", row[7].value_or("")}};
  if (connection.version() >= kFirstWithUid) server.uid = connection.value("SELECT @@server_uid");
  return server;
}

MariadbPosition mariadb_log_end(MariadbConnection& connection) {
  const std::vector<MariadbRow> rows = connection.query("SHOW MASTER STATUS");
  if (rows.empty()) return {};
  MariadbPosition position{rows[0].at(0).value_or(""), number(rows[0].at(1)), {}};
  position.gtid = connection.value("SELECT BINLOG_GTID_POS(" + connection.quoted(position.file) +
                                   ", " + std::to_string(position.offset) + ")");
  return position;
}

std::vector<BinlogFileSize> mariadb_log_files(MariadbConnection& connection) {
  std::vector<BinlogFileSize> files;
  for (const MariadbRow& row : connection.query("SHOW BINARY LOGS")) {
    files.push_back({row.at(0).value_or(""), number(row.at(1))});
  }
  return files;
}

std::vector<std::string> mariadb_databases(MariadbConnection& connection) {
  std::vector<std::string> names;
  for (const MariadbRow& row :
       connection.query("SELECT schema_name FROM information_schema.schemata "
                        "WHERE schema_name NOT IN ('information_schema', 'performance_schema', "
                        "'mysql', 'sys') ORDER BY schema_name")) {
    names.push_back(row[0].value_or(""));
  }
  return names;
}

std::vector<std::string> tables_without_transactions(MariadbConnection& connection,
                                                     const std::vector<std::string>& databases) {
  std::vector<std::string> tables;
  for (const MariadbRow& row : connection.query(
           "SELECT t.table_schema, t.table_name FROM information_schema.tables t "
           "JOIN information_schema.engines e ON e.engine = t.engine "
           "WHERE e.transactions = 'NO' AND t.table_type = 'BASE TABLE' ORDER BY 1, 2")) {
    const std::string database = row[0].value_or("");
    if (std::find(databases.begin(), databases.end(), database) == databases.end()) continue;
    tables.push_back(database + "." + row[1].value_or(""));
  }
  return tables;
}

}  // namespace holdfast
