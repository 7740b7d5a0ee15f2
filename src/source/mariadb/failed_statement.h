// What a replica says of the statement that it stopped at, and what that statement is about.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace holdfast {

struct FailedStatement {
  std::string message;      // "Unknown database 'archive'"
  std::string database;     // the session's
  std::string statement;    // its beginning
  std::string transaction;  // its GTID, when an applier with workers said it; else ""
};

// Of Last_SQL_Error, or the same of one of the workers; nothing when it is no statement that
// failed.
std::optional<FailedStatement> parse_failed_statement(const std::string& error);

// The databases that it may have lacked: the one that the server did not find, and where the
// statement moves tables, of which old servers do not say what was wrong.
std::vector<std::string> needed_databases(const FailedStatement& failed);

// Of a statement that does nothing but make, change or drop a routine or an event, or give or take
// rights to one object: the database of that. "" for all others. Such a statement can be left out
// when its database is not wanted.
std::string database_of_object(const FailedStatement& failed);

}  // namespace holdfast
