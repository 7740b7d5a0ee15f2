// The GTIDs of a place in MySQL's binary log, which no function of the server tells.
#pragma once

#include <stop_token>
#include <string>

#include "source/mariadb/server.h"

namespace holdfast {

// Kinds of events, as SHOW BINLOG EVENTS calls them.
inline constexpr const char* kMysqlPreviousGtids = "Previous_gtids";
inline constexpr const char* kMysqlAnonymous = "Anonymous_Gtid";
// "UUID:42" of a row of SHOW BINLOG EVENTS with which a transaction begins; "" of others.
std::string next_gtid_of(const MariadbRow& event);

// The set of all transactions up to `at`, a place that the log went through shortly after it had
// been at `before` (mariadb_log_end()): "UUID:1-42". "" when the server has no GTIDs, or its log
// cannot be read (it takes the right REPLICATION SLAVE), or is too long from there. Throws
// kCancelled only.
std::string mysql_gtid_at(const MariadbSettings& settings, const MariadbPosition& before,
                          const MariadbPosition& at, const std::stop_token& stop);

}  // namespace holdfast
