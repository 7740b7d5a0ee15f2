// holdfast check of MariaDB, and what a backup says of the same set-up: found before the first
// backup is.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "mariadb_proof/shop.h"

namespace holdfast {
namespace {

using ::testing::HasSubstr;

// What stands behind `verdict`, a line each.
std::string found(const MariadbShop& shop, const std::string& verdict, int code) {
  std::string lines;
  const json document = shop.expect_json(code, {"check", "shop"});
  for (const json& finding : document.at("findings")) {
    if (finding.at("verdict") != verdict) continue;
    EXPECT_FALSE(finding.at("hint").get<std::string>().empty()) << finding.dump();
    lines += finding.at("what").get<std::string>() + "\n";
  }
  return lines;
}

// The commands that it says to type are typed, as root.
void do_as_told(const MariadbShop& shop, const TestMariadb& server) {
  const json document = shop.expect_json(10, {"check", "shop"});
  for (const json& finding : document.at("findings")) {
    const std::string hint = finding.at("hint").get<std::string>();
    if (hint.starts_with("GRANT ")) server.run({hint});
  }
}

TEST(MariadbCheck, AGoodSetUpAndAnAccountWithoutRights) {
  const TestMariadb server({"sync-binlog=1", "binlog-format=ROW", "binlog-checksum=CRC32"});
  server.run({"CREATE DATABASE shop", "CREATE TABLE shop.t (i INT)",
              "CREATE USER backup@localhost IDENTIFIED BY 'right'"});
  MariadbShop shop(server.settings());
  EXPECT_EQ(found(shop, "BAD", 0), "");
  EXPECT_EQ(found(shop, "advice", 0), "");
  for (const auto method : {DatabaseMethod::kPhysical, DatabaseMethod::kLogical}) {
    server.run({"REVOKE ALL, GRANT OPTION FROM backup@localhost"});
    MariadbSettings settings = server.settings("backup", "right");
    settings.method = method;
    shop.configure(settings);
    const std::string bad = found(shop, "BAD", 10);
    EXPECT_THAT(bad, HasSubstr("'backup'@'localhost' lacks RELOAD, "));
    EXPECT_THAT(bad, HasSubstr("BINLOG MONITOR"));
    EXPECT_THAT(found(shop, "advice", 10), HasSubstr("REPLICATION SLAVE"));
    // Typed as it stands there, it is enough; and not less.
    do_as_told(shop, server);
    EXPECT_EQ(found(shop, "BAD", 0), "");
    shop.back_up();
  }
  shop.configure(server.settings("backup", "wrong"));
  EXPECT_THAT(found(shop, "BAD", 10), HasSubstr("Access denied"));
  shop.expect(7, {"backup", "database", "shop"});
}

TEST(MariadbCheck, ASetUpThatLosesWhatIsCommitted) {
  TestMariadb server({"skip-log-bin", "innodb-flush-log-at-trx-commit=2", "skip-name-resolve"});
  MariadbShop shop(server.settings());
  const std::string off = found(shop, "advice", 0);
  EXPECT_THAT(off, HasSubstr("log_bin is off"));
  EXPECT_THAT(off, HasSubstr("innodb_flush_log_at_trx_commit is 2"));
  server.run({"CREATE DATABASE shop", "CREATE TABLE shop.old (i INT) ENGINE=MyISAM",
              "INSERT INTO mysql.global_priv VALUES ('app.example.com', 'clerk', '{}')",
              "FLUSH PRIVILEGES"});
  MariadbSettings settings = server.settings();
  settings.method = DatabaseMethod::kLogical;
  shop.configure(settings);
  EXPECT_THAT(found(shop, "BAD", 10), HasSubstr("'clerk'@'app.example.com'"));
  EXPECT_THAT(found(shop, "advice", 10), HasSubstr("shop.old"));
  // A tool of another version, and none.
  shop.configure(shop.with_tool(server.settings(), "mariadb-backup",
                                "echo mariadb-backup based on MariaDB server 10.6.3-MariaDB\n"));
  EXPECT_THAT(found(shop, "BAD", 10), HasSubstr("is of 10.6.3, the server of 10.11."));
  MariadbSettings none = server.settings();
  none.bin_directory = shop / "nowhere";
  shop.configure(none);
  EXPECT_THAT(found(shop, "BAD", 10), HasSubstr("nowhere/mariadb-backup"));
  server.stop();
  shop.configure(server.settings());
  EXPECT_THAT(found(shop, "BAD", 10), HasSubstr("Can't connect"));
  shop.expect(8, {"backup", "database", "shop"});
}

TEST(MariadbCheck, ALogThatCannotBeReliedOn) {
  const TestMariadb server(
      {"binlog-format=STATEMENT", "binlog-checksum=NONE", "sync-binlog=0", "expire-logs-days=1"});
  const MariadbShop shop(server.settings());
  const std::string advice = found(shop, "advice", 0);
  for (const char* part : {"sync_binlog is 0", "binlog_format is STATEMENT",
                           "binlog_checksum is NONE", "removes its binary log after 1d"}) {
    EXPECT_THAT(advice, HasSubstr(part));
  }
}

}  // namespace
}  // namespace holdfast
