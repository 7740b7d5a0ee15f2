#include "source/mariadb/own_roles.h"

#include "source/mariadb/relay_statements.h"
#include "source/mariadb/sql_words.h"

namespace holdfast {
namespace {

constexpr unsigned kFirstWithGlobalPriv = 100400;

// Longer ones are about rows.
constexpr std::size_t kLongest = std::size_t{64} << 10;

// Of a statement that gives or takes roles: where TO or FROM stands, else the end.
std::size_t whom(const std::vector<SqlWord>& words) {
  const std::size_t verb = verb_of_sql(words);
  if (!is_keyword(words, verb, {"GRANT", "REVOKE"})) return words.size();
  // All rights of an account are taken with its name; the log has that.
  if (is_keyword(words, verb + 1, {"ALL"})) return words.size();
  std::size_t found = words.size();
  for (std::size_t at = words.size(); at-- > verb + 1;) {
    if (is_keyword(words, at, {"ON"})) return words.size();  // rights, of which the log says it
    if (is_keyword(words, at, {"TO", "FROM"})) found = at;
  }
  return found;
}

}  // namespace

bool is_about_own_roles(std::string_view sql) {
  if (sql.size() > kLongest) return false;
  const std::vector<SqlWord> words = words_of_sql(sql);
  for (std::size_t at = whom(words); at < words.size(); ++at) {
    if (is_keyword(words, at, {"CURRENT_USER", "CURRENT_ROLE"})) return true;
  }
  return false;
}

bool is_about_roles(std::string_view sql) {
  const std::vector<SqlWord> words = words_of_sql(sql);
  const std::size_t verb = verb_of_sql(words);
  const bool sets = is_keyword(words, verb, {"SET"}) && is_keyword(words, verb + 1, {"DEFAULT"}) &&
                    is_keyword(words, verb + 2, {"ROLE"});
  return sets || whom(words) < words.size();
}

std::vector<std::string> statements_about_own_roles(const std::string& received,
                                                    const std::stop_token& stop) {
  std::vector<std::string> found;
  for_each_statement(received, stop, [&](const RelayStatement& statement) {
    if (is_about_own_roles(statement.sql)) found.emplace_back(statement.sql);
  });
  return found;
}

bool has_nameless_account(MariadbConnection& connection) {
  return !connection.query("SELECT 1 FROM mysql.user WHERE user = '' AND host = ''").empty();
}

// DROP USER takes an empty host for '%'.
void drop_nameless_account(MariadbConnection& connection) {
  const std::string table = connection.version() >= kFirstWithGlobalPriv ? "global_priv" : "user";
  connection.query("SET SESSION sql_log_bin = 0");
  for (const std::string& one : {table, std::string("roles_mapping")}) {
    connection.query("DELETE FROM mysql." + one + " WHERE user = '' AND host = ''");
  }
  connection.query("FLUSH PRIVILEGES");
  connection.query("SET SESSION sql_log_bin = 1");
}

}  // namespace holdfast
