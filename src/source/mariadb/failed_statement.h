// What a replica says of the statement that it stopped at, and what that statement is about.
#pragma once

#include <optional>
#include <string>

namespace holdfast {

struct FailedStatement {
  std::string message;      // "Unknown database 'archive'"
  std::string database;     // the session's
  std::string statement;    // its beginning
  std::string transaction;  // its GTID, when an applier with workers said it; else ""
};

// Of Last_SQL_Error, or the same of one of the workers; nothing when it is no statement that failed.
std::optional<FailedStatement> parse_failed_statement(const std::string& error);

// The database that the server did not find; "" when it was something else.
std::string unknown_database(const FailedStatement& failed);

// Of a statement that does nothing but make, change or drop a routine or an event, or give or take
// rights to one object: the database of that. "" for all others. Such a statement can be left out
// when its database is not wanted.
std::string database_of_object(const FailedStatement& failed);

}  // namespace holdfast
