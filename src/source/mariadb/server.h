// What a MariaDB or MySQL server says of itself.
#pragma once

#include <array>
#include <map>
#include <string>
#include <vector>

#include "source/mariadb/connection.h"

namespace holdfast {

// What definitions and statements take from their server, and its log does not say: among its
// settings as far as it has them.
inline constexpr std::array<const char*, 8> kUnloggedDefaults = {"default_storage_engine",
                                                                 "old_mode",
                                                                 "innodb_default_row_format",
                                                                 "innodb_strict_mode",
                                                                 "explicit_defaults_for_timestamp",
                                                                 "div_precision_increment",
                                                                 "group_concat_max_len",
                                                                 "default_week_format"};

// A place in the binary log. All empty when the server writes none.
struct MariadbPosition {
  std::string file;          // "binlog.000002"
  std::uint64_t offset = 0;  // bytes
  std::string gtid;          // the GTIDs up to there: "0-1-42", of MySQL "UUID:1-42"; may be empty

  std::string text() const;  // "binlog.000002:988"; "" without a file
  bool operator==(const MariadbPosition&) const = default;
};

struct MariadbServer {
  MariadbEngine engine = MariadbEngine::kMariadb;
  std::string version;    // "10.11.19"
  std::string uid;        // of this installation; empty before MariaDB 10.10
  std::string server_id;  // decimal
  std::string data_directory;
  bool log_bin = false;
  std::string binlog_checksum;   // "CRC32", "NONE"
  std::string gtid_binlog_pos;   // of MySQL empty
  std::string gtid_current_pos;  // of MySQL gtid_executed
  std::string gtid_mode;         // of MySQL: "ON", "OFF" and between; of MariaDB empty
  // Set by include_history(): dumps have the rows of before of versioned tables.
  bool dumps_history = false;
  // Of its configuration, by name: what decides how names and statements are understood.
  std::map<std::string, std::string> settings;
};

// Throws kUnsupported for MariaDB before 10.5 and MySQL before 5.6.
MariadbServer read_mariadb_server(MariadbConnection& connection);

// Throws kInvalid when the log of the server cannot be kept: it writes none, or without GTIDs.
void require_log(const MariadbServer& server);

// The end of the binary log at this moment.
MariadbPosition mariadb_log_end(MariadbConnection& connection);

// The files of the binary log that the server still has, the oldest first, and their sizes.
struct BinlogFileSize {
  std::string file;
  std::uint64_t size = 0;
};
std::vector<BinlogFileSize> mariadb_log_files(MariadbConnection& connection);

// The databases that people make.
std::vector<std::string> mariadb_databases(MariadbConnection& connection);

// Whether any of `databases` has tables WITH SYSTEM VERSIONING, whose rows of before are no part of
// a dump unless it is told to have them. It can have them of versions by time alone.
enum class VersionedTables { kNone, kByTime, kByTransaction };
VersionedTables versioned_tables(MariadbConnection& connection,
                                 const std::vector<std::string>& databases);

// "DATABASE.TABLE" of each table whose engine has no transactions, in any of `databases`.
std::vector<std::string> tables_without_transactions(MariadbConnection& connection,
                                                     const std::vector<std::string>& databases);

}  // namespace holdfast
