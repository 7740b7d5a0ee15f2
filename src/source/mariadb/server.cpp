#include "source/mariadb/server.h"

#include <algorithm>

#include "base/error.h"

namespace holdfast {
namespace {

constexpr unsigned kOldestMariadb = 100500;
constexpr unsigned kOldestMysql = 50600;
constexpr unsigned kFirstWithUid = 101000;
constexpr unsigned kFirstWithLogStatus = 80200;  // of MySQL

std::uint64_t number(const std::optional<std::string>& text) {
  return std::stoull(text.value_or("0"));
}

std::string question_for_defaults() {
  std::string names;
  for (const char* name : kUnloggedDefaults) {
    names += (names.empty() ? "'" : ", '") + std::string(name) + "'";
  }
  return "SHOW GLOBAL VARIABLES WHERE Variable_name IN (" + names + ")";
}

// The server breaks a set of many servers into lines.
std::string without_breaks(std::string text) {
  std::erase(text, '\n');
  return text;
}

void require_known_version(const MariadbConnection& connection, const MariadbServer& server) {
  const bool mysql = server.engine == MariadbEngine::kMysql;
  if (connection.version() >= (mysql ? kOldestMysql : kOldestMariadb)) return;
  throw Error(Code::kUnsupported,
              std::string(mysql ? "MySQL before 5.6" : "MariaDB before 10.5") +
                  " is not supported, this is " + server.version,
              "upgrade the server; until then dump it in a hook");
}

void read_common(MariadbConnection& connection, const std::string& gtid, MariadbServer& server) {
  const MariadbRow row =
      connection
          .query("SELECT @@server_id, @@datadir, @@log_bin, @@binlog_checksum, " + gtid +
                 ", @@lower_case_table_names, @@GLOBAL.sql_mode, @@GLOBAL.time_zone")
          .at(0);
  server.server_id = row[0].value_or("");
  server.data_directory = row[1].value_or("");
  while (server.data_directory.size() > 1 && server.data_directory.ends_with('/')) {
    server.data_directory.pop_back();
  }
  server.log_bin = row[2] == "1";
  server.binlog_checksum = row[3].value_or("");
  server.gtid_current_pos = without_breaks(row[4].value_or(""));
  server.settings = {{"lower_case_table_names", row[5].value_or("0")},
                     {"sql_mode", row[6].value_or("")},
                     {"time_zone", row[7].value_or("")}};
  for (const MariadbRow& variable : connection.query(question_for_defaults())) {
    server.settings[variable.at(0).value_or("")] = variable.at(1).value_or("");
  }
}

}  // namespace

std::string MariadbPosition::text() const {
  return file.empty() ? "" : file + ":" + std::to_string(offset);
}

MariadbServer read_mariadb_server(MariadbConnection& connection) {
  MariadbServer server;
  server.engine = connection.engine();
  server.version = connection.value("SELECT @@version");
  server.version.erase(
      std::min(server.version.find_first_not_of("0123456789."), server.version.size()));
  require_known_version(connection, server);
  if (server.engine == MariadbEngine::kMysql) {
    read_common(connection, "@@gtid_executed", server);
    server.uid = connection.value("SELECT @@server_uuid");
    server.gtid_mode = connection.value("SELECT @@GLOBAL.gtid_mode");
    return server;
  }
  read_common(connection, "@@gtid_current_pos", server);
  server.gtid_binlog_pos = connection.value("SELECT @@gtid_binlog_pos");
  if (connection.version() >= kFirstWithUid) server.uid = connection.value("SELECT @@server_uid");
  return server;
}

void require_log(const MariadbServer& server) {
  if (!server.log_bin) {
    throw Error(Code::kInvalid, "the server writes no binary log",
                "set log_bin (and server_id) in its configuration, and restart it");
  }
  if (server.engine == MariadbEngine::kMysql && server.gtid_mode != "ON") {
    throw Error(Code::kInvalid,
                "the binary log of this MySQL server is without GTIDs (gtid_mode is " +
                    server.gtid_mode + "), so that no recovery could say where it is",
                "set enforce_gtid_consistency = ON and gtid_mode = ON, from 5.7 on without a "
                "restart (step by step, as its manual says); then FLUSH BINARY LOGS, take a "
                "backup, and run this again");
  }
}

MariadbPosition mariadb_log_end(MariadbConnection& connection) {
  const bool mysql = connection.engine() == MariadbEngine::kMysql;
  const bool renamed = mysql && connection.version() >= kFirstWithLogStatus;
  const std::vector<MariadbRow> rows =
      connection.query(renamed ? "SHOW BINARY LOG STATUS" : "SHOW MASTER STATUS");
  if (rows.empty()) return {};
  MariadbPosition position{rows[0].at(0).value_or(""), number(rows[0].at(1)), {}};
  if (mysql) {
    position.gtid = without_breaks(rows[0].at(4).value_or(""));
  } else {
    position.gtid = connection.value("SELECT BINLOG_GTID_POS(" + connection.quoted(position.file) +
                                     ", " + std::to_string(position.offset) + ")");
  }
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
           "WHERE e.transactions = 'NO' AND t.table_type IN ('BASE TABLE', 'SYSTEM VERSIONED') "
           "ORDER BY 1, 2")) {
    const std::string database = row[0].value_or("");
    if (std::find(databases.begin(), databases.end(), database) == databases.end()) continue;
    tables.push_back(database + "." + row[1].value_or(""));
  }
  return tables;
}

VersionedTables versioned_tables(MariadbConnection& connection,
                                 const std::vector<std::string>& databases) {
  VersionedTables found = VersionedTables::kNone;
  for (const MariadbRow& row : connection.query(
           "SELECT DISTINCT t.table_schema, c.data_type FROM information_schema.tables t "
           "LEFT JOIN information_schema.columns c ON c.table_schema = t.table_schema AND "
           "c.table_name = t.table_name AND c.generation_expression = 'ROW START' "
           "WHERE t.table_type = 'SYSTEM VERSIONED'")) {
    if (std::find(databases.begin(), databases.end(), row[0].value_or("")) == databases.end()) {
      continue;
    }
    if (row[1] == "bigint") return VersionedTables::kByTransaction;
    found = VersionedTables::kByTime;
  }
  return found;
}

}  // namespace holdfast
