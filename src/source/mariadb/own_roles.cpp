#include "source/mariadb/own_roles.h"

#include <algorithm>
#include <cctype>

#include "source/mariadb/relay_statements.h"
#include "source/mariadb/sql_words.h"

namespace holdfast {
namespace {

constexpr unsigned kFirstWithGlobalPriv = 100400;

// Before a statement, which may be long, is cut into words.
bool may_name_its_user(std::string_view sql) {
  constexpr std::string_view kBeginning = "CURRENT_";
  const auto same = [](char a, char b) { return std::toupper(static_cast<unsigned char>(a)) == b; };
  return std::search(sql.begin(), sql.end(), kBeginning.begin(), kBeginning.end(), same) !=
         sql.end();
}

}  // namespace

bool is_about_own_roles(std::string_view sql) {
  if (!may_name_its_user(sql)) return false;
  const std::vector<SqlWord> words = words_of_sql(sql);
  const std::size_t verb = verb_of_sql(words);
  if (!is_keyword(words, verb, {"GRANT", "REVOKE"})) return false;
  // All rights of an account are taken with its name; the log has that.
  if (is_keyword(words, verb + 1, {"ALL"})) return false;
  bool names_itself = false;
  for (std::size_t at = verb + 1; at < words.size(); ++at) {
    if (is_keyword(words, at, {"ON"})) return false;  // rights, of which the log says it
    names_itself = names_itself || is_keyword(words, at, {"CURRENT_USER", "CURRENT_ROLE"});
  }
  return names_itself;
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
