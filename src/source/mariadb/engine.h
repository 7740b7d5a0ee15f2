// Which of two relatives a server, a tool or a dump is of. They speak the same protocol and most of
// the same SQL; their files, logs and accounts differ.
#pragma once

#include <string_view>

namespace holdfast {

enum class MariadbEngine { kMariadb, kMysql };

// As backups name it.
inline constexpr const char* kMariadbKey = "mariadb";
inline constexpr const char* kMysqlKey = "mysql";

constexpr const char* engine_key(MariadbEngine engine) {
  return engine == MariadbEngine::kMysql ? kMysqlKey : kMariadbKey;
}
constexpr const char* engine_title(MariadbEngine engine) {
  return engine == MariadbEngine::kMysql ? "MySQL" : "MariaDB";
}
constexpr MariadbEngine engine_of_key(std::string_view key) {
  return key == kMysqlKey ? MariadbEngine::kMysql : MariadbEngine::kMariadb;
}

// One of the two, and no other kind of server: it has a binary log.
constexpr bool has_binary_log(std::string_view key) {
  return key == kMariadbKey || key == kMysqlKey;
}

}  // namespace holdfast
