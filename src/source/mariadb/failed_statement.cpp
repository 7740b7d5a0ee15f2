#include "source/mariadb/failed_statement.h"

#include <algorithm>
#include <string_view>
#include <vector>

#include "source/mariadb/sql_words.h"

namespace holdfast {
namespace {

constexpr std::string_view kError = "Error '";
constexpr std::string_view kDatabase = "' on query. Default database: '";
constexpr std::string_view kQuery = "'. Query: '";
constexpr std::string_view kTransaction = " failed executing transaction '";
constexpr std::string_view kUnknown = "Unknown database '";
constexpr std::size_t kLookedAt = 24;  // words before the kind of object: a definer, an algorithm

bool is_point(const std::vector<SqlWord>& words, std::size_t at) {
  return at < words.size() && !words[at].quoted && words[at].text == ".";
}

// Of "name", "database.name".
std::string database_at(const std::vector<SqlWord>& words, std::size_t at,
                        const std::string& session) {
  if (at >= words.size()) return {};
  return is_point(words, at + 1) ? words[at].text : session;
}

std::string database_of_definition(const std::vector<SqlWord>& words, const std::string& session) {
  std::size_t at = 1;
  if (is_keyword(words, 1, {"DEFINER"}) && !is_keyword(words, 0, {"DROP"})) {
    while (at < std::min(words.size(), kLookedAt) &&
           !is_keyword(words, at, {"PROCEDURE", "FUNCTION", "EVENT", "TRIGGER", "VIEW"})) {
      ++at;
    }
  }
  if (!is_keyword(words, at, {"PROCEDURE", "FUNCTION", "EVENT"})) return {};
  ++at;
  if (is_keyword(words, at, {"IF"})) {
    while (is_keyword(words, at, {"IF", "NOT", "EXISTS"})) ++at;
  }
  const std::string database = database_at(words, at, session);
  // An event may be moved into another database.
  for (std::size_t i = at; is_keyword(words, 0, {"ALTER"}) && i < words.size(); ++i) {
    const bool moves = is_keyword(words, i, {"RENAME"}) && is_keyword(words, i + 1, {"TO"});
    if (moves && database_at(words, i + 2, session) != database) return {};
  }
  return database;
}

// Old servers make accounts and set passwords and limits with GRANT.
bool says_more_of_accounts(const std::vector<SqlWord>& words) {
  for (std::size_t at = 0; at < words.size(); ++at) {
    if (is_keyword(words, at,
                   {"IDENTIFIED", "REQUIRE", "MAX_QUERIES_PER_HOUR", "MAX_UPDATES_PER_HOUR",
                    "MAX_CONNECTIONS_PER_HOUR", "MAX_USER_CONNECTIONS"})) {
      return true;
    }
  }
  return false;
}

// Roles, and rights to all of a database or of a server, are no objects that could be missing.
std::string database_of_grant(const std::vector<SqlWord>& words, const std::string& session) {
  if (is_keyword(words, 1, {"PROXY"}) || says_more_of_accounts(words)) return {};
  for (std::size_t at = 1; at < words.size(); ++at) {
    if (!is_keyword(words, at, {"ON"})) continue;
    ++at;
    if (is_keyword(words, at, {"TABLE", "PROCEDURE", "FUNCTION"})) ++at;
    const std::string database = database_at(words, at, session);
    const std::size_t object = is_point(words, at + 1) ? at + 2 : at;
    const bool is_name = object < words.size() &&
                         (words[object].quoted || is_part_of_sql_word(words[object].text[0]));
    return is_name && is_keyword(words, object + 1, {"TO", "FROM"}) ? database : "";
  }
  return {};
}

}  // namespace

std::optional<FailedStatement> parse_failed_statement(const std::string& error) {
  const std::size_t begin = error.find(kError);
  const std::size_t database = error.find(kDatabase, begin);
  const std::size_t query = error.find(kQuery, database);
  if (begin == std::string::npos || database == std::string::npos || query == std::string::npos) {
    return std::nullopt;
  }
  const auto part = [&](std::size_t from, std::string_view mark, std::size_t to) {
    return error.substr(from + mark.size(), to - from - mark.size());
  };
  FailedStatement failed;
  failed.message = part(begin, kError, database);
  failed.database = part(database, kDatabase, query);
  failed.statement = error.substr(query + kQuery.size());
  if (failed.statement.ends_with('\'')) failed.statement.pop_back();
  const std::size_t transaction = error.find(kTransaction);
  if (transaction < begin) {
    const std::size_t from = transaction + kTransaction.size();
    failed.transaction = error.substr(from, error.find('\'', from) - from);
  }
  return failed;
}

std::vector<std::string> needed_databases(const FailedStatement& failed) {
  std::vector<std::string> databases;
  const std::string& message = failed.message;
  if (message.starts_with(kUnknown) && message.ends_with('\'')) {
    databases.push_back(message.substr(kUnknown.size(), message.size() - kUnknown.size() - 1));
  }
  // RENAME TABLE t TO archive.t, ALTER TABLE t RENAME archive.t
  const std::vector<SqlWord> words = words_of_sql(failed.statement);
  if (!is_keyword(words, 0, {"RENAME", "ALTER"})) return databases;
  for (std::size_t at = 1; at < words.size(); ++at) {
    if (is_keyword(words, at, {"TO", "AS", "RENAME"}) && is_point(words, at + 2)) {
      databases.push_back(words[at + 1].text);
    }
  }
  return databases;
}

std::string database_of_object(const FailedStatement& failed) {
  const std::vector<SqlWord> words = words_of_sql(failed.statement);
  if (is_keyword(words, 0, {"CREATE", "ALTER", "DROP"})) {
    return database_of_definition(words, failed.database);
  }
  if (is_keyword(words, 0, {"GRANT", "REVOKE"})) return database_of_grant(words, failed.database);
  return {};
}

}  // namespace holdfast
