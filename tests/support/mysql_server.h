// A MySQL server of the test's own: below a directory, behind a private socket, without network.
#pragma once

#include <csignal>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "settings/settings.h"
#include "support/mysqld_process.h"
#include "support/temp_dir.h"

namespace holdfast {

// Where MySQL comes from.
enum class MysqlKind {
  k56,    // the server of build/servers (tests/servers/package.json), with a stand-in for mysqldump
  kFull,  // a whole MySQL with bin/mysqld, bin/mysqldump and bin/mysql, below $HOLDFAST_MYSQL
};

// Why there are no tests with it on this host; nothing: there are.
std::optional<std::string> mysql_missing(MysqlKind kind);
// What tests take as their parameter, and its name. A test that only few hosts can run is not there
// on the others, rather than skipped for ever.
std::vector<MysqlKind> mysql_kinds();
std::string mysql_kind_name(MysqlKind kind);

// Not thread-safe, but for settings(). Everything throws Error when the server does not do as told.
class TestMysql {
 public:
  // A fresh server with the account root, without password, a binary log and GTIDs.
  // `more`: lines of its configuration.
  explicit TestMysql(MysqlKind kind, const std::string& more = "");
  // One on the files of `data_directory`, which somebody has made.
  static std::unique_ptr<TestMysql> on(MysqlKind kind, const std::string& data_directory);
  TestMysql(const TestMysql&) = delete;
  TestMysql& operator=(const TestMysql&) = delete;

  // How a backup reaches it, as root, and its programs. Method: logical.
  MariadbSettings settings() const;
  // As another account; the password goes into an option file.
  MariadbSettings settings(const std::string& user, const std::string& password) const;
  // The same with nothing but MariaDB's programs.
  MariadbSettings with_mariadb_tools() const;

  void kill() { process_.end(SIGKILL); }

  std::string sql(const std::string& statement) const;
  void run(const std::vector<std::string>& statements) const;
  // What `client < file` would do; the client's exit code.
  int load(const std::string& file) const;
  // All rows of a query as one text.
  std::string rows(const std::string& query) const;
  std::string log() const;

 private:
  struct Restored {
    std::string data_directory;
  };
  TestMysql(MysqlKind kind, const Restored& restored);
  void prepare(MysqlKind kind);
  void start(const std::string& more);
  void link_programs(MysqlKind kind);
  void write_configuration(const std::string& more) const;

  TempDir directory_;
  std::string data_;
  std::string bin_directory_;
  MysqldProcess process_{std::chrono::seconds{120}};
};

}  // namespace holdfast
