// What of MySQL needs no server.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "source/mariadb/mysql_accounts.h"
#include "source/mariadb/mysql_tools.h"
#include "source/mariadb/mysqld.h"

namespace holdfast {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

std::string filtered(const std::string& text, std::size_t piece) {
  SandboxLineFilter filter;
  std::string passed;
  ByteView left = as_bytes(text);
  while (!left.empty()) {
    const ByteView part = left.first(std::min(piece, left.size()));
    passed += as_text(filter.pass(part));
    left = left.subspan(part.size());
  }
  return passed += as_text(filter.finish());
}

TEST(Mysql, TheLineThatItsClientDoesNotTakeIsTakenAway) {
  const std::string line = "/*M!999999\\- enable the sandbox mode */ \n";
  const std::string dump = "-- MariaDB dump 10.19\nINSERT\n" + line;
  for (std::size_t piece = 1; piece < 60; ++piece) {
    EXPECT_EQ(filtered(line + dump, piece), dump) << piece;
    EXPECT_EQ(filtered(dump, piece), dump) << piece;
    EXPECT_EQ(filtered("/*M!99", piece), "/*M!99") << piece;
    EXPECT_EQ(filtered("", piece), "");
  }
}

std::vector<std::string> command(const std::string& tool, const std::string& server_version,
                                 MariadbEngine engine = MariadbEngine::kMysql) {
  MariadbServer server;
  server.engine = MariadbEngine::kMysql;
  server.version = server_version;
  server.log_bin = true;
  return plan_mysql_dump({}, server, {"mysqldump", tool, engine}, {"shop"}, true).command;
}

TEST(Mysql, TheDumpToolGetsTheOptionsThatItKnows) {
  EXPECT_THAT(command("5.6.24", "5.6.24"),
              AllOf(Contains("--master-data=2"), Contains("--set-gtid-purged=OFF"),
                    Not(Contains("--column-statistics=0"))));
  EXPECT_THAT(command("8.0.25", "5.7.44"),
              AllOf(Contains("--master-data=2"), Contains("--column-statistics=0")));
  EXPECT_THAT(command("9.7.4", "9.7.4"),
              AllOf(Contains("--source-data=2"), Not(Contains("--master-data=2")),
                    Not(Contains("--column-statistics=0"))));
  EXPECT_THAT(command("10.11.19", "8.0.36", MariadbEngine::kMariadb),
              AllOf(Contains("--master-data=2"), Not(Contains("--set-gtid-purged=OFF"))));
  EXPECT_THAT(command("10.11.19", "8.4.0", MariadbEngine::kMariadb),
              Not(Contains("--master-data=2")));
}

TEST(Mysql, NewNamesOfThePositionAreRead) {
  MariadbDumpWatch watch;
  watch.see(
      as_bytes("-- MySQL dump\n\n-- CHANGE REPLICATION SOURCE TO "
               "SOURCE_LOG_FILE='bin.000001', SOURCE_LOG_POS=158;\n"
               "\n-- CHANGE MASTER TO MASTER_LOG_FILE='evil.000009', MASTER_LOG_POS=1;\n"));
  EXPECT_EQ(watch.position().text(), "bin.000001:158");
}

TEST(Mysql, VersionsAreCompared) {
  EXPECT_EQ(version_number("5.6.24"), 50624U);
  EXPECT_EQ(version_number("8.0.36-28"), 80036U);
  EXPECT_EQ(version_number("9.7"), 90700U);
  EXPECT_EQ(version_number(""), 0U);
}

TEST(Mysql, WordsBetweenQuotesAreNoWords) {
  const std::string sql = "GRANT `a ON b` TO 'x ON y\\' ON '' ON ' ON \"z\" ON `t`";
  EXPECT_EQ(find_unquoted(sql, " ON "), sql.find(" ON \"z\""));
  EXPECT_EQ(find_unquoted("'never closed ON ", " ON "), std::string::npos);
}

TEST(Mysql, ALaterServerIsNotGivenWhatItDoesNotKnow) {
  const std::vector<std::string> options = {"sql_mode = \"ANSI,NO_AUTO_CREATE_USER,TRADITIONAL\""};
  EXPECT_THAT(mysqld_configuration({"mysqld", "8.0.36", ""}, options),
              AllOf(HasSubstr("sql_mode = \"ANSI,TRADITIONAL\""), HasSubstr("skip-log-bin"),
                    HasSubstr("secure-file-priv = NULL")));
  EXPECT_THAT(mysqld_configuration({"mysqld", "5.6.24", "/opt/my"}, options),
              AllOf(HasSubstr("NO_AUTO_CREATE_USER"), HasSubstr("basedir = \"/opt/my\""),
                    Not(HasSubstr("secure-file-priv"))));
}

}  // namespace
}  // namespace holdfast
