#include "source/mariadb/mysql_accounts.h"

#include <algorithm>
#include <set>

#include "base/error.h"
#include "base/human.h"
#include "base/one_line.h"

namespace holdfast {
namespace {

constexpr unsigned kFirstWithCreateUser = 50706;  // SHOW CREATE USER, IF NOT EXISTS
constexpr unsigned kFirstWithHex = 80017;         // hashes are bytes, which are no text
constexpr std::string_view kPassword = " IDENTIFIED BY PASSWORD ";
constexpr std::string_view kDefaultRole = " DEFAULT ROLE ";

// What opens at `at`: past its end.
std::size_t skip_quoted(const std::string& sql, std::size_t at) {
  const char quote = sql[at];
  for (++at; at < sql.size(); ++at) {
    if (sql[at] == '\\' && quote != '`') {
      ++at;
    } else if (sql[at] == quote) {
      return at + 1;  // a doubled quote opens again
    }
  }
  return sql.size();
}

bool is_quote(char c) { return c == '\'' || c == '"' || c == '`'; }

// `name` between the quotes that SHOW GRANTS puts around it, and where it ends.
std::string quoted_at(const std::string& sql, std::size_t& at) {
  const char quote = sql[at];
  std::string name;
  for (++at; at < sql.size(); ++at) {
    if (sql[at] == quote) {
      if (at + 1 >= sql.size() || sql[at + 1] != quote) break;
      ++at;
    }
    name += sql[at];
  }
  ++at;
  return name;
}

struct Account {
  std::string name;  // 'user'@'host'
  std::string user;
  std::string host;
};

// Made and kept by the server, since 5.7.
bool is_servers_own(const Account& account) {
  return account.host == "localhost" &&
         (account.user == "mysql.sys" || account.user == "mysql.session" ||
          account.user == "mysql.infoschema");
}

// "db.name" of all tables and routines of the chosen databases and the server's own.
std::set<std::string> known_objects(MariadbConnection& connection,
                                    const std::vector<std::string>& databases) {
  std::set<std::string> wanted(databases.begin(), databases.end());
  wanted.insert({"mysql", "sys"});
  std::set<std::string> found;
  for (const char* query : {"SELECT table_schema, table_name FROM information_schema.tables",
                            "SELECT routine_schema, routine_name FROM "
                            "information_schema.routines"}) {
    for (const MariadbRow& row : connection.query(query)) {
      const std::string database = row[0].value_or("");
      if (wanted.contains(database)) found.insert(database + "." + row[1].value_or(""));
    }
  }
  return found;
}

class Accounts {
 public:
  Accounts(MariadbConnection& connection, const std::vector<std::string>& databases)
      : connection_(connection),
        modern_(connection.version() >= kFirstWithCreateUser),
        objects_(known_objects(connection, databases)) {}

  std::string dump() {
    text_ = "-- MySQL dump of accounts by Holdfast\n--\n-- Server version\t" +
            connection_.value("SELECT @@version") +
            "\n\nSET NAMES utf8mb4;\nSET SESSION sql_mode = '';\n\n";
    if (connection_.version() >= kFirstWithHex) {
      connection_.query("SET SESSION print_identified_with_as_hex = 1");
    }
    const std::vector<Account> accounts = read();
    for (const Account& account : accounts) create(account);
    for (const Account& account : accounts) grant(account);
    text_ += default_roles_ + "\n-- Dump completed\n";
    return std::move(text_);
  }

 private:
  std::vector<Account> read() {
    std::vector<Account> accounts;
    for (const MariadbRow& row :
         connection_.query("SELECT user, host FROM mysql.user ORDER BY user, host")) {
      Account account{"", row[0].value_or(""), row[1].value_or("")};
      account.name = connection_.quoted(account.user) + "@" + connection_.quoted(account.host);
      if (!is_servers_own(account)) accounts.push_back(account);
    }
    return accounts;
  }

  std::vector<MariadbRow> show(const std::string& what, const Account& account) {
    try {
      return connection_.query(what + account.name);
    } catch (Error& error) {
      if (error.code() != Code::kInvalid) throw;
      throw Error(
          Code::kInvalid,
          "the server cannot show the account " + printable(account.name) + ": " + error.message(),
          "with skip_name_resolve it ignores accounts whose host is a name: DROP USER "
          "this one, or give it an address for a host");
    }
  }

  void create(const Account& account) {
    if (!modern_) return create_old(account);
    std::string statement = show("SHOW CREATE USER ", account).at(0).at(0).value_or("");
    constexpr std::string_view kCreate = "CREATE USER ";
    if (statement.starts_with(kCreate)) statement.insert(kCreate.size(), "IF NOT EXISTS ");
    take_default_role(statement, account);
    text_ += statement + ";\n";
  }

  // The roles need not be there yet.
  void take_default_role(std::string& statement, const Account& account) {
    const std::size_t begin = find_unquoted(statement, kDefaultRole);
    if (begin == std::string::npos) return;
    const std::size_t end =
        std::min(find_unquoted(statement, " REQUIRE ", begin), statement.size());
    const std::size_t roles = begin + kDefaultRole.size();
    default_roles_ +=
        "SET DEFAULT ROLE " + statement.substr(roles, end - roles) + " TO " + account.name + ";\n";
    statement.erase(begin, end - begin);
  }

  // 5.6 has no IF NOT EXISTS: a statement that is made when it is needed.
  void create_old(const Account& account) {
    const MariadbRow row =
        connection_
            .query(
                "SELECT plugin, password, authentication_string, password_expired FROM "
                "mysql.user WHERE user = " +
                connection_.quoted(account.user) +
                " AND host = " + connection_.quoted(account.host))
            .at(0);
    const std::string plugin = row[0].value_or("");
    const bool is_native = plugin.empty() || plugin == "mysql_native_password";
    std::string statement = "CREATE USER " + account.name;
    if (!is_native) {
      statement += " IDENTIFIED WITH " + connection_.quoted(plugin);
      if (!row[2].value_or("").empty()) statement += " AS " + connection_.quoted(*row[2]);
    } else if (!row[1].value_or("").empty()) {
      statement += std::string(kPassword) + connection_.quoted(*row[1]);
    }
    text_ += "SET @holdfast_new = (SELECT COUNT(*) = 0 FROM mysql.user WHERE user = " +
             connection_.quoted(account.user) + " AND host = " + connection_.quoted(account.host) +
             ");\n";
    add_if_new(statement);
    if (row[3] == "Y") add_if_new("ALTER USER " + account.name + " PASSWORD EXPIRE");
  }

  void add_if_new(const std::string& statement) {
    text_ += "SET @holdfast = IF(@holdfast_new, " + connection_.quoted(statement) +
             ", 'DO 0');\nPREPARE holdfast FROM @holdfast;\nEXECUTE holdfast;\n"
             "DEALLOCATE PREPARE holdfast;\n";
  }

  void grant(const Account& account) {
    for (const MariadbRow& row : show("SHOW GRANTS FOR ", account)) {
      std::string statement = row.at(0).value_or("");
      mend_name(account, statement);
      // 5.6 shows it with each: an account that is there keeps its own.
      const std::size_t password = find_unquoted(statement, kPassword);
      if (password != std::string::npos) {
        const std::size_t quoted = password + kPassword.size();
        const std::size_t end = is_quote(statement[quoted])
                                    ? skip_quoted(statement, quoted)
                                    : std::min(statement.find(' ', quoted), statement.size());
        statement.erase(password, end - password);
      }
      // A comment ends with its line.
      text_ += is_about_nothing(statement) ? "-- not there: " + one_line(statement) : statement;
      text_ += ";\n";
    }
  }

  // A quote in a name is shown as it is.
  static void mend_name(const Account& account, std::string& statement) {
    const std::string shown = " TO '" + account.user + "'@'" + account.host + "'";
    const std::size_t at = statement.rfind(shown);
    if (at != std::string::npos) statement.replace(at + 4, shown.size() - 4, account.name);
  }

  bool is_about_nothing(const std::string& statement) const {
    std::size_t at = find_unquoted(statement, " ON ");
    if (at == std::string::npos) return false;
    at += 4;
    for (const std::string_view kind : {"PROCEDURE ", "FUNCTION "}) {
      if (statement.compare(at, kind.size(), kind) == 0) at += kind.size();
    }
    if (at >= statement.size() || statement[at] != '`') return false;
    const std::string database = quoted_at(statement, at);
    if (at + 1 >= statement.size() || statement[at] != '.' || statement[at + 1] != '`') {
      return false;  // all of a database, which need not be there
    }
    ++at;
    return !objects_.contains(database + "." + quoted_at(statement, at));
  }

  MariadbConnection& connection_;
  const bool modern_;
  const std::set<std::string> objects_;
  std::string text_;
  std::string default_roles_;
};

}  // namespace

std::size_t find_unquoted(const std::string& sql, std::string_view part, std::size_t from) {
  for (std::size_t at = from; at < sql.size();) {
    if (sql.compare(at, part.size(), part) == 0) return at;
    at = is_quote(sql[at]) ? skip_quoted(sql, at) : at + 1;
  }
  return std::string::npos;
}

std::string mysql_accounts_dump(MariadbConnection& connection,
                                const std::vector<std::string>& databases) {
  return Accounts(connection, databases).dump();
}

}  // namespace holdfast
