// holdfast validate restore of MariaDB: what it lets pass, what it finds, and that it leaves
// nothing behind.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "mariadb_proof/shop.h"
#include "os/file.h"

namespace holdfast {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

const char* const kAssertions =
    "    assertions:\n"
    "      - {query: \"select count(*) from shop.orders\", expect: \">= 2000\"}\n"
    "      - {query: \"select max(at) from orders\", database: shop, expect: \"within 1h\"}\n";

std::string detail_of(const json& result, const std::string& name) {
  for (const json& step : result.at("steps")) {
    if (step.at("name") == name) return step.at("detail").get<std::string>();
  }
  return "no such step";
}

class MariadbProofTest : public ::testing::Test {
 protected:
  MariadbProofTest() {
    const char* const orders =
        "CREATE TABLE shop.orders (id INT PRIMARY KEY, v VARCHAR(500), at TIMESTAMP(6) "
        "DEFAULT NOW(6), here DATETIME DEFAULT NOW(), KEY (v))";
    const char* const some =
        "INSERT INTO shop.orders (id, v) SELECT seq, REPEAT(MD5(seq), 8) FROM shop.seq_1_to_2000";
    server_.run(
        // East of Greenwich a local time that is taken for UTC seems to be new for hours.
        {"SET SESSION time_zone = '+05:30'", "CREATE DATABASE shop", orders, some,
         "CREATE TABLE shop.old (i INT, KEY (i)) ENGINE=MyISAM",
         "INSERT INTO shop.old SELECT seq FROM shop.seq_1_to_5000",
         "CREATE TABLE shop.`odd ``name` (i INT)", "CREATE TABLE shop.gone (i INT PRIMARY KEY)",
         "CREATE SEQUENCE shop.numbers", "CREATE VIEW shop.recent AS SELECT * FROM shop.orders",
         "CREATE PROCEDURE shop.p() BEGIN SELECT 1; END",
         "CREATE USER clerk@'%' IDENTIFIED BY 'Secret-1'", "GRANT SELECT ON shop.* TO clerk@'%'"});
  }
  bool verified() const { return !shop_.backups().at(0).at("verified").is_null(); }

  TestMariadb server_;
  MariadbShop shop_{server_.settings(), kAssertions};
};

TEST_F(MariadbProofTest, AGoodBackupPassesAndIsVerifiedFromThenOn) {
  shop_.time_zone = "Asia/Kolkata";
  shop_.back_up();
  EXPECT_FALSE(verified());
  const json good = shop_.validate(0);
  EXPECT_EQ(MariadbShop::failed_steps(good), "");
  std::string names;
  for (const json& step : good.at("steps")) names += step.at("name").get<std::string>() + " ";
  EXPECT_EQ(names, "restore start position assertion 1 assertion 2 tables checksums ");
  EXPECT_THAT(detail_of(good, "position"), HasSubstr(server_.sql("SELECT @@gtid_binlog_pos")));
  EXPECT_GT(good.at("ready_seconds").get<double>(), 0);
  EXPECT_TRUE(verified());
  EXPECT_EQ(server_.sql("SELECT COUNT(*) FROM shop.orders"), "2000");
  // Of the old account nothing is needed.
  server_.stop();
  shop_.configure(server_.settings(),
                  std::string(kAssertions) +
                      "      - {query: \"select count(*) from shop.missing\", expect: \"0\"}\n"
                      "      - {query: \"select 1\", database: nowhere, expect: \"1\"}\n"
                      "      - {query: \"select count(*) from shop.gone\", expect: \"> 0\"}\n"
                      "      - {query: \"select max(here) from shop.orders\", expect: \"within "
                      "1h\"}\n");
  const json bad = shop_.validate(5);
  EXPECT_EQ(MariadbShop::failed_steps(bad), "assertion 3, assertion 4, assertion 5, assertion 6")
      << bad.dump();
  EXPECT_THAT(detail_of(bad, "assertion 3"), HasSubstr("missing"));
  EXPECT_THAT(detail_of(bad, "assertion 6"), HasSubstr("in the future"));
  EXPECT_THAT(bad.dump(), HasSubstr("did not pass its restore test"));
}

// What one of them changes, the next one would see.
TEST_F(MariadbProofTest, AnAssertionOnlyReadsAndNoAnswerFailsIt) {
  server_.run({"CREATE PROCEDURE shop.clear() BEGIN COMMIT; DELETE FROM shop.orders; END"});
  shop_.back_up();
  shop_.configure(server_.settings(),
                  "    assertions:\n"
                  "      - {query: \"delete from shop.orders returning 1\", expect: \"1\"}\n"
                  "      - {query: \"call shop.clear()\", expect: no row}\n"
                  "      - {query: \"drop table shop.gone\", expect: no row}\n"
                  "      - {query: \"delete from shop.old\", expect: no row}\n"
                  "      - {query: \"select null\", expect: \"!= 5\"}\n"
                  "      - {query: \"select 1 from shop.gone\", expect: \"!= 5\"}\n"
                  "      - {query: \"select count(*) from shop.orders\", expect: \"2000\"}\n"
                  "      - {query: \"select count(*) from shop.old\", expect: \"5000\"}\n"
                  "      - {query: \"select null\", expect: \"null\"}\n"
                  "      - {query: \"select 1 from shop.gone\", expect: no row}\n");
  const json result = shop_.validate(5);
  EXPECT_EQ(MariadbShop::failed_steps(result),
            "assertion 1, assertion 2, assertion 3, assertion 4, assertion 5, assertion 6")
      << result.dump();
  for (const char* step : {"assertion 1", "assertion 2", "assertion 3", "assertion 4"}) {
    EXPECT_THAT(detail_of(result, step), HasSubstr(": it may only read, and it writes")) << step;
  }
  EXPECT_THAT(detail_of(result, "assertion 6"), HasSubstr("the answer is no row"));
}

// In list and show, for whoever looks for the place of a backup in a log.
TEST_F(MariadbProofTest, ThePositionOfABackupIsSaid) {
  const auto expect_position = [this](const std::string& method) {
    const std::string id = shop_.back_up().at("id");
    const json database = shop_.backups().back().at("database");
    EXPECT_EQ(database.at("engine"), "mariadb");
    EXPECT_EQ(database.at("method"), method);
    EXPECT_EQ(server_.sql("SELECT @@version").find(database.at("version").get<std::string>()), 0u);
    EXPECT_EQ(database.at("server_uid"), server_.sql("SELECT @@server_uid"));
    // Nothing was written since.
    const std::string gtid = server_.sql("SELECT @@gtid_binlog_pos");
    EXPECT_EQ(database.at("gtid"), gtid);
    const std::string file = database.at("binlog").at("file");
    const auto position = database.at("binlog").at("position").get<std::uint64_t>();
    EXPECT_EQ(
        server_.sql("SELECT BINLOG_GTID_POS('" + file + "', " + std::to_string(position) + ")"),
        gtid);
    EXPECT_EQ(shop_.expect_json(0, {"show", id}).at("backup").at("database"), database);
    EXPECT_THAT(shop_.expect(0, {"show", id}).out,
                HasSubstr(", " + method + ", server " +
                          database.at("server_uid").get<std::string>() + ", binary log " + file +
                          ":" + std::to_string(position) + ", GTID " + gtid + "\n"));
  };
  expect_position("physical");
  MariadbSettings settings = server_.settings();
  server_.run({"DROP TABLE shop.old"});  // a dump warns of it
  settings.method = DatabaseMethod::kLogical;
  shop_.configure(settings);
  expect_position("logical");
}

TEST_F(MariadbProofTest, DamageIsFound) {
  shop_.back_up();
  const auto damaged = [&](const std::string& damage) {
    const std::string script =
        "/usr/bin/mariadb-backup \"$@\" || exit\ncd \"${@: -1:1}\" 2>/dev/null || "
        "cd \"${3#--target-dir=}\"\n" +
        damage + "\n";
    shop_.configure(shop_.with_tool(server_.settings(), "mariadb-backup", script), kAssertions);
    return shop_.validate(5);
  };
  // A page of data in the middle of a table of InnoDB, and one of its index.
  const json page = damaged(
      "for page in 6 40; do printf 'not what was written' | dd of=shop/orders.ibd bs=1 "
      "seek=$((page * 16384 + 5000)) conv=notrunc 2>/dev/null; done");
  EXPECT_THAT(MariadbShop::failed_steps(page), HasSubstr("tables"));
  EXPECT_THAT(MariadbShop::failed_steps(page), HasSubstr("checksums"));
  EXPECT_THAT(detail_of(page, "tables"), HasSubstr("shop.orders: ")) << page.dump();
  EXPECT_THAT(detail_of(page, "checksums"), HasSubstr("shop/orders.ibd: ")) << page.dump();
  // Files that InnoDB does not know, and one that it misses.
  const json others = damaged("truncate -s 3000 shop/old.MYD; rm shop/gone.ibd");
  EXPECT_EQ(MariadbShop::failed_steps(others), "tables");
  EXPECT_THAT(detail_of(others, "tables"), HasSubstr("shop.old: "));
  EXPECT_THAT(detail_of(others, "tables"), HasSubstr("shop.gone: "));
  // No server at all.
  const json none = damaged("truncate -s 65536 ibdata1");
  EXPECT_EQ(MariadbShop::failed_steps(none), "start");
  EXPECT_THAT(detail_of(none, "start"), HasSubstr("ibdata1"));
  EXPECT_FALSE(verified());
}

TEST_F(MariadbProofTest, AServerThatEndsMeanwhileIsAResultUnlessItWasKilled) {
  shop_.back_up();
  shop_.configure(server_.settings(), std::string(kAssertions) +
                                          "      - {query: \"shutdown\", expect: \"1\"}\n"
                                          "      - {query: \"select 1\", expect: \"1\"}\n");
  const json ended = shop_.validate(5);
  EXPECT_THAT(MariadbShop::failed_steps(ended), HasSubstr("assertion 3, assertion 4, tables"))
      << ended.dump();
  EXPECT_THAT(detail_of(ended, "assertion 4"), HasSubstr("crashed"));
  EXPECT_TRUE(path_exists(shop_ / "vault/run/verify"));
  fs::remove_all(shop_ / "vault/run/verify");
  // As the kernel does it when memory ends: nothing is known about the backup.
  const std::string killed =
      "if [[ $1 == --defaults-file=* ]]; then\n"
      "socket=$(sed -n 's/^socket = \"\\(.*\\)\"/\\1/p' \"${1#*=}\")\n"
      "(until [[ -S $socket ]]; do sleep 0.02; done; kill -KILL $$) &\nfi\n"
      "exec /usr/sbin/mariadbd \"$@\"\n";
  shop_.configure(shop_.with_tool(server_.settings(), "mariadbd", killed), kAssertions);
  EXPECT_THAT(shop_.validate(9).dump(), HasSubstr("it was killed (signal 9)"));
  EXPECT_FALSE(path_exists(shop_ / "vault/run/verify"));
}

TEST_F(MariadbProofTest, ADumpIsLoadedAndQuestioned) {
  MariadbSettings settings = server_.settings();
  settings.method = DatabaseMethod::kLogical;
  // What a new server would hold against the hashes of a dump.
  server_.run({"INSTALL SONAME 'simple_password_check'",
               "CREATE USER second@localhost IDENTIFIED BY 'Secret-22'"});
  const std::string more =
      "      - {query: \"select count(*) from mysql.global_priv where user in ('clerk', "
      "'second')\", "
      "expect: \"2\"}\n"
      "      - {query: \"select count(*) from mysql.proc where db = 'shop'\", expect: \"1\"}\n";
  shop_.configure(settings, kAssertions + more);
  shop_.expect_json(3, {"backup", "database", "shop"});  // warns of a table without transactions
  const json good = shop_.validate(0);
  EXPECT_EQ(MariadbShop::failed_steps(good), "");
  EXPECT_THAT(detail_of(good, "load"), HasSubstr("2 dumps"));
  EXPECT_TRUE(verified());
  // A table that does not come back: its rows are refused.
  const std::string script =
      "/usr/bin/mariadb-dump \"$@\" | sed 's/^INSERT INTO `old` VALUES/INSERT INTO `olds` "
      "VALUES/'\n";
  shop_.configure(shop_.with_tool(settings, "mariadb-dump", script), kAssertions);
  shop_.expect_json(3, {"backup", "database", "shop"});
  const json bad = shop_.validate(5);
  EXPECT_EQ(MariadbShop::failed_steps(bad), "load");
  EXPECT_THAT(detail_of(bad, "load"), HasSubstr("olds"));
}

TEST_F(MariadbProofTest, TheLogIsReplayedToItsEndAndAHoleFailsIt) {
  Background stream = shop_.stream();
  shop_.back_up();
  for (int i = 0; i < 3; ++i) {
    server_.run({"FLUSH BINARY LOGS",
                 "INSERT INTO shop.orders (id, v) SELECT seq + (SELECT MAX(id) FROM shop.orders), "
                 "MD5(seq) FROM shop.seq_1_to_100"});
  }
  const std::string end = server_.sql("SELECT @@gtid_binlog_pos");
  shop_.wait_until_durable(server_, stream);
  EXPECT_EQ(stream.end(SIGTERM), 0) << stream.said();
  shop_.configure(server_.settings(),
                  std::string(kAssertions) +
                      "      - {query: \"select count(*) from shop.orders\", expect: \"2300\"}\n");
  const json good = shop_.validate(0);
  EXPECT_EQ(MariadbShop::failed_steps(good), "");
  EXPECT_THAT(detail_of(good, "position"), HasSubstr(end + ", the end of the log"));
  // A file of the log in the middle is gone: what is behind it cannot be recovered.
  std::vector<std::string> objects;
  for (const auto& file : fs::recursive_directory_iterator(shop_ / "vault/log/shop")) {
    if (file.is_regular_file()) objects.push_back(file.path().string());
  }
  std::sort(objects.begin(), objects.end());
  for (const std::string& object : objects) {
    if (object.find("000003") != std::string::npos) fs::remove(object);
  }
  const json bad = shop_.validate(5);
  EXPECT_EQ(MariadbShop::failed_steps(bad), "position, assertion 3") << bad.dump();
  EXPECT_THAT(detail_of(bad, "position"), HasSubstr("can be recovered"));
}

// Names and quotes mean in the sandbox what they mean on the server that was backed up.
TEST(MariadbProofSettings, OfTheServerAreTheSandboxesToo) {
  const TestMariadb server(
      {"lower-case-table-names=1", "sql-mode=ANSI_QUOTES,PIPES_AS_CONCAT", "binlog-format=MIXED"});
  const std::string assertions =
      "    assertions:\n"
      "      - {query: 'select \"v\" || \"V\" from Shop.ORDERS', expect: xx}\n";
  MariadbShop shop(server.settings(), assertions);
  server.run({"CREATE DATABASE Shop", "CREATE TABLE Shop.Orders (v CHAR(1))",
              "INSERT INTO SHOP.ORDERS VALUES ('x')"});
  Background stream = shop.stream();
  shop.back_up();
  const json settings = shop.backups().back().at("database").at("settings");
  EXPECT_EQ(settings.at("lower_case_table_names"), "1");
  EXPECT_EQ(settings.at("sql_mode"), server.sql("SELECT @@GLOBAL.sql_mode"));
  EXPECT_EQ(MariadbShop::failed_steps(shop.validate(0)), "");
  // The log has names as people wrote them.
  server.run({"CREATE TABLE SHOP.Later (i INT)", "INSERT INTO shop.LATER VALUES (7)"});
  shop.wait_until_durable(server, stream);
  EXPECT_EQ(stream.end(SIGTERM), 0) << stream.said();
  const std::string later = "      - {query: 'select I from SHOP.later', expect: '7'}\n";
  shop.configure(server.settings(), assertions + later);
  EXPECT_EQ(MariadbShop::failed_steps(shop.validate(0)), "");
  shop.expect(0, {"restore", "latest:shop", "--target", shop / "restored"});
  EXPECT_TRUE(path_exists(shop / "restored/shop/later.frm"));
  MariadbSettings logical = server.settings();
  logical.method = DatabaseMethod::kLogical;
  shop.configure(logical, assertions + later);
  shop.back_up();
  EXPECT_EQ(MariadbShop::failed_steps(shop.validate(0)), "");
}

TEST(MariadbHistory, ADumpHasTheRowsOfBeforeOfVersionedTables) {
  const TestMariadb server;
  server.run({"CREATE DATABASE shop", "CREATE TABLE shop.t (i INT) WITH SYSTEM VERSIONING",
              "INSERT INTO shop.t VALUES (1)", "UPDATE shop.t SET i = 2"});
  MariadbSettings logical = server.settings();
  logical.method = DatabaseMethod::kLogical;
  const MariadbShop shop(logical,
                         "    assertions:\n      - {query: 'select group_concat(i order by i) from "
                         "shop.t for system_time all', expect: '1,2'}\n");
  shop.back_up();
  EXPECT_EQ(MariadbShop::failed_steps(shop.validate(0)), "");
}

TEST_F(MariadbProofTest, WhatAKilledRunLeavesTheNextOneTakesAway) {
  shop_.back_up();
  shop_.configure(server_.settings(),
                  "    assertions:\n      - {query: \"select 1\", expect: \"1\"}\n"
                  "      - {query: \"select sleep(100)\", expect: \"0\"}\n");
  Background killed = shop_.start("killed.log", shop_.validation());
  killed.wait_for("assertion 1");  // the second is being asked now
  EXPECT_EQ(killed.end(SIGKILL), 128 + SIGKILL);
  ASSERT_FALSE(fs::is_empty(shop_ / "scratch"));
  std::string sockets;
  for (const auto& entry : fs::directory_iterator(shop_ / "scratch")) {
    sockets = as_text(read_file(entry.path().string() + "/server/socket-directory"));
    sockets.pop_back();
  }
  EXPECT_TRUE(path_exists(sockets));
  // One that lives is left alone.
  Background living = shop_.start("living.log", shop_.validation());
  living.wait_for("assertion 1");
  EXPECT_FALSE(path_exists(sockets));
  shop_.configure(server_.settings(), kAssertions);
  const Outcome next = shop_.expect(0, shop_.validation());
  EXPECT_EQ(next.err.find("killed run"), std::string::npos) << next.err;
  EXPECT_TRUE(living.running()) << living.said();
  EXPECT_EQ(living.end(SIGTERM), 130) << living.said();
  EXPECT_THAT(living.said(), HasSubstr("removed what a killed run had left"));
  shop_.expect_nothing_left();
}

}  // namespace
}  // namespace holdfast
