#include "source/mariadb/check.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <iterator>
#include <set>
#include <string>

#include "base/error.h"
#include "base/human.h"
#include "source/mariadb/dump.h"
#include "source/mariadb/mysql_tools.h"
#include "source/mariadb/physical.h"
#include "source/mariadb/server.h"
#include "source/mariadb/tools.h"

namespace holdfast {
namespace {

constexpr unsigned kFirstWithSeconds = 80001;  // of MySQL: binlog_expire_logs_seconds
constexpr std::uint64_t kShortLog = std::uint64_t{3} * 86400;  // a weekend without anybody, seconds

// The rights on everything, of the account and of its default role; "ALL PRIVILEGES" for all.
std::set<std::string> rights_of(MariadbConnection& connection) {
  constexpr std::string_view kGrant = "GRANT ";
  std::set<std::string> rights;
  for (const MariadbRow& row : connection.query("SHOW GRANTS")) {
    const std::string line = row.at(0).value_or("");
    const std::size_t end = line.find(" ON *.* TO ");
    if (!line.starts_with(kGrant) || end == std::string::npos) continue;
    std::string_view list = std::string_view(line).substr(kGrant.size(), end - kGrant.size());
    while (!list.empty()) {
      const std::size_t comma = std::min(list.find(", "), list.size());
      rights.emplace(list.substr(0, comma));
      list.remove_prefix(std::min(comma + 2, list.size()));
    }
  }
  return rights;
}

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

class Check {
 public:
  Check(const MariadbSettings& settings, std::stop_token stop)
      : settings_(settings), stop_(std::move(stop)) {}

  std::vector<SetupFinding> run() {
    try {
      MariadbConnection connection(settings_, stop_);
      good("connected to " + connection.name());
      const MariadbServer server = read_mariadb_server(connection);
      good(std::string(engine_title(server.engine)) + " " + server.version +
           (server.uid.empty() ? "" : ", system " + server.uid));
      if (settings_.method == DatabaseMethod::kPhysical) require_physical(server);
      check_rights(connection, server);
      check_method(connection, server);
      check_durability(connection);
      check_log(connection, server);
    } catch (const Error& error) {
      if (error.code() == Code::kCancelled) throw;
      bad(error.message(), error.hint());
    }
    return std::move(findings_);
  }

 private:
  void good(std::string what) { findings_.push_back({Verdict::kGood, std::move(what), ""}); }
  void advise(std::string what, std::string hint) {
    findings_.push_back({Verdict::kAdvice, std::move(what), std::move(hint)});
  }
  void bad(std::string what, std::string hint) {
    findings_.push_back({Verdict::kBad, std::move(what), std::move(hint)});
  }

  void check_method(MariadbConnection& connection, const MariadbServer& server) {
    if (settings_.method == DatabaseMethod::kPhysical) {
      check_tool("mariadb-backup", server);
      check_files(server);
      return;
    }
    if (server.engine == MariadbEngine::kMysql) {
      check_mysql_tools(server);
    } else {
      check_tool("mariadb-dump", server);
    }
    check_dump(connection);
  }

  void check_rights(MariadbConnection& connection, const MariadbServer& server) {
    const bool mysql = server.engine == MariadbEngine::kMysql;
    std::vector<std::string> needed = {"RELOAD"};
    if (settings_.method == DatabaseMethod::kPhysical) {
      needed.insert(needed.end(), {"PROCESS", "LOCK TABLES"});
    } else {
      needed.insert(needed.end(), {"SELECT", "SHOW VIEW", "TRIGGER", "EVENT"});
    }
    if (server.log_bin) needed.emplace_back(mysql ? "REPLICATION CLIENT" : "BINLOG MONITOR");
    const std::set<std::string> rights = rights_of(connection);
    account_ = connection.value(
        "SELECT CONCAT(QUOTE(SUBSTRING_INDEX(CURRENT_USER(), '@', 1)), '@', "
        "QUOTE(SUBSTRING_INDEX(CURRENT_USER(), '@', -1)))");
    const auto lacks = [&rights](const std::string& right) {
      return !rights.contains("ALL PRIVILEGES") && !rights.contains(right);
    };
    std::vector<std::string> missing;
    std::copy_if(needed.begin(), needed.end(), std::back_inserter(missing), lacks);
    if (missing.empty()) {
      good("the account " + printable(account_) + " may back up");
    } else {
      bad("the account " + printable(account_) + " lacks " + joined(missing) +
              ": backups will fail",
          grant(missing));
    }
    if (server.log_bin && lacks("REPLICATION SLAVE")) {
      advise("the account " + printable(account_) +
                 " lacks REPLICATION SLAVE: it cannot read the binary log, which " +
                 (mysql ? "the GTIDs of a backup, and recovery to a moment, need"
                        : "recovery to a moment needs"),
             grant({"REPLICATION SLAVE"}));
    }
  }

  std::string grant(const std::vector<std::string>& rights) const {
    return "GRANT " + joined(rights) + " ON *.* TO " + printable(account_) + ";";
  }

  void check_tool(const std::string& name, const MariadbServer& server) {
    MariadbTool tool;
    try {
      tool = find_mariadb_tool(settings_, name, stop_);
    } catch (const Error& error) {
      if (error.code() == Code::kCancelled) throw;
      bad(error.message(), "apt install " +
                               std::string(name == "mariadb-backup" ? name : "mariadb-client") +
                               ", or set bin_directory to where it is");
      return;
    }
    if (name == "mariadb-backup" &&
        mariadb_series(tool.version) != mariadb_series(server.version)) {
      bad(fmt::format("{} is of {}, the server of {}: it does not know the server's files",
                      tool.path, tool.version.empty() ? "an unknown version" : tool.version,
                      server.version),
          "install mariadb-backup " + mariadb_series(server.version) +
              ", or set bin_directory to where it is");
      return;
    }
    good("backups are made by " + tool.path + " " + tool.version);
  }

  void check_mysql_tools(const MariadbServer& server) {
    try {
      const MariadbTool tool = find_mysql_dump(settings_, server, stop_);
      const std::string by = "backups are made by " + tool.path + " " + tool.version;
      if (tool.engine == MariadbEngine::kMysql) {
        good(by + ", which is MySQL's");
      } else {
        advise(by + ", which is MariaDB's: there is no mysqldump of MySQL on this host",
               "install MySQL's client programs of the server's version, or set bin_directory to "
               "where they are");
      }
    } catch (const Error& error) {
      if (error.code() == Code::kCancelled) throw;
      bad(error.message(), error.hint());
    }
  }

  void check_files(const MariadbServer& server) {
    const std::string& directory = server.data_directory;
    if (::access(directory.c_str(), R_OK | X_OK) == 0 &&
        ::access((directory + "/ibdata1").c_str(), R_OK) == 0) {
      good("the data directory " + printable(directory) + " is readable");
      return;
    }
    bad("the data directory " + printable(directory) +
            " is not readable on this host: physical backups need it",
        "run Holdfast on the database host, as root or as the server's user; or write "
        "'method: logical'");
  }

  void check_dump(MariadbConnection& connection) {
    const std::vector<std::string> databases = chosen_databases(settings_, connection);
    const std::vector<std::string> tables = tables_without_transactions(connection, databases);
    if (!tables.empty()) {
      advise(fmt::format("{} without transactions (first: {}): the dump holds each as it was when "
                         "it was read, not of one moment",
                         plural(tables.size(), "table"), printable(tables.front())),
             "ALTER TABLE " + printable(tables.front()) + " ENGINE=InnoDB" +
                 (connection.engine() == MariadbEngine::kMysql ? ""
                                                               : "; or write 'method: physical'"));
    }
    if (connection.value("SELECT @@skip_name_resolve") != "1") return;
    const bool mysql = connection.engine() == MariadbEngine::kMysql;
    const std::string accounts =
        mysql ? "mysql.user WHERE "
              : "mysql.global_priv WHERE JSON_VALUE(priv, '$.is_role') IS NULL AND ";
    try {
      for (const MariadbRow& row :
           connection.query("SELECT QUOTE(user), QUOTE(host) FROM " + accounts +
                            "host REGEXP '[g-z]' AND host <> 'localhost'")) {
        const std::string account = row[0].value_or("") + "@" + row[1].value_or("");
        bad("the server ignores the account " + printable(account) +
                ", whose host is a name, and cannot show it: the dump of accounts will fail",
            "DROP USER " + printable(account) +
                "; or give it an address for a host; or do not set skip_name_resolve");
      }
    } catch (const Error& error) {
      if (error.code() != Code::kDenied) throw;  // said already: SELECT is missing
    }
  }

  // What clients were told is committed may be gone after a power cut, in the server and in what
  // was read of its log.
  void check_durability(MariadbConnection& connection) {
    const std::string flush = connection.value("SELECT @@innodb_flush_log_at_trx_commit");
    if (flush == "1" || flush == "3") {
      good("commits are durable");
    } else {
      advise("innodb_flush_log_at_trx_commit is " + flush +
                 ": a crash of the host loses commits that clients were told of",
             "SET GLOBAL innodb_flush_log_at_trx_commit = 1; and the same in the configuration");
    }
  }

  void check_log(MariadbConnection& connection, const MariadbServer& server) {
    if (!server.log_bin) {
      advise("log_bin is off: restores reach the backups, and no moment between them",
             "write 'log_bin = binlog' under [mysqld] in its configuration and restart the server");
      return;
    }
    const bool mysql = server.engine == MariadbEngine::kMysql;
    if (mysql && server.gtid_mode != "ON") {
      advise("gtid_mode is " + server.gtid_mode +
                 ": the binary log cannot be kept, and restores reach the backups only",
             "set enforce_gtid_consistency = ON, then gtid_mode = ON (from 5.7 on step by step, "
             "without a restart)");
    } else {
      good("the binary log is on" + std::string(mysql ? ", with GTIDs" : ""));
    }
    const bool in_seconds = mysql && connection.version() >= kFirstWithSeconds;
    const MariadbRow row =
        connection
            .query(std::string("SELECT @@sync_binlog, @@binlog_format, ") +
                   (in_seconds ? "@@binlog_expire_logs_seconds" : "@@expire_logs_days * 86400"))
            .at(0);
    if (row[0] != "1") {
      advise("sync_binlog is " + row[0].value_or("") +
                 ": after a crash of the host the binary log may lack what the tables have",
             "SET GLOBAL sync_binlog = 1; and the same in the configuration");
    }
    if (row[1] != "ROW") {
      advise("binlog_format is " + row[1].value_or("") +
                 ": statements can give other rows when they are run again by a recovery",
             "SET GLOBAL binlog_format = ROW; and the same in the configuration");
    }
    if (server.binlog_checksum == "NONE") {
      advise("binlog_checksum is NONE: damage of the binary log is found by nobody",
             "SET GLOBAL binlog_checksum = CRC32; and the same in the configuration");
    }
    check_expiry(std::stod(row[2].value_or("0")),
                 in_seconds ? "binlog_expire_logs_seconds = 604800" : "expire_logs_days = 7");
  }

  void check_expiry(double seconds, const std::string& better) {
    if (seconds == 0 || seconds >= static_cast<double>(kShortLog)) return;
    advise(fmt::format("the server removes its binary log after {}: what a longer outage of the "
                       "vault leaves unread is lost",
                       format_duration(std::chrono::duration_cast<Duration>(
                           std::chrono::duration<double>(seconds)))),
           "SET GLOBAL " + better + "; and the same in the configuration");
  }

  const MariadbSettings& settings_;
  std::stop_token stop_;
  std::string account_;
  std::vector<SetupFinding> findings_;
};

}  // namespace

std::vector<SetupFinding> check_mariadb(const MariadbSettings& settings, std::stop_token stop) {
  return Check(settings, std::move(stop)).run();
}

}  // namespace holdfast
