// The binary log of MySQL: kept while the server writes, and a server made anew from dump and log.
#include "mariadb_proof/mysql_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <filesystem>

#include "os/clock.h"
#include "os/file.h"
#include "source/mariadb/connection.h"
#include "source/mariadb/gtid.h"
#include "support/time_zone.h"

namespace holdfast {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

TEST_P(MysqlLog, AfterTheDeathOfAllEverythingThatWasDurableComesBack) {
  {
    Background stream = this->stream();
    shop_->back_up();
    for (int id = 1; id <= 50; ++id) commit(id);
    server_->run({"FLUSH LOGS"});
    for (int id = 51; id <= 100; ++id) commit(id);
    stream.end(SIGKILL);
    for (int id = 101; id <= 120; ++id) commit(id);
    server_->run({"FLUSH LOGS"});
  }
  Background stream = this->stream();
  server_->run({"CREATE TABLE shop.late (id INT PRIMARY KEY, b BLOB)",
                "INSERT INTO shop.late VALUES (1, REPEAT('y', 60000)), (2, NULL)",
                "SET GLOBAL log_bin_trust_function_creators = ON",
                "CREATE FUNCTION shop.late(a INT) RETURNS INT RETURN a + 1",
                "CREATE USER late@localhost IDENTIFIED BY 'pw'",
                "GRANT SELECT ON shop.* TO late@localhost", "INSERT INTO o_ther.t VALUES (1)",
                "XA START 'one'", "INSERT INTO o_ther.t VALUES (2)", "XA END 'one'",
                "XA PREPARE 'one'", "XA COMMIT 'one'", "SET SESSION binlog_format = STATEMENT",
                "UPDATE shop.orders SET v = CONCAT('z', id) WHERE id > 110"});
  if (!old()) {
    server_->run({"SET SESSION binlog_transaction_compression = ON",
                  "INSERT INTO o_ther.t SELECT id + 1000 FROM shop.orders"});
    server_->run({"SET SESSION gtid_next = 'AUTOMATIC:blue'", "INSERT INTO o_ther.t VALUES (3)",
                  "SET SESSION gtid_next = 'AUTOMATIC:red'", "INSERT INTO o_ther.t VALUES (4)"});
    server_->run({"FLUSH LOGS", "INSERT INTO o_ther.t VALUES (5)"});
  }
  wait_until_durable(stream);
  const std::string wanted = contents(*server_);
  const std::string gtid = executed();
  server_->kill();
  stream.end(SIGKILL);
  const auto running = TestMysql::on(GetParam(), restore("latest", {"--to-latest"}));
  const TestMysql& restored = *running;
  EXPECT_EQ(contents(restored), wanted);
  EXPECT_EQ(GtidPosition(restored_gtid_), GtidPosition(gtid));
  EXPECT_EQ(restored.sql("SELECT COUNT(*) FROM shop.late"), "2");
  EXPECT_EQ(MariadbConnection(restored.settings("late", "pw"), {}).value("SELECT 1"), "1");
  EXPECT_EQ(restored.sql("SELECT COUNT(*) FROM mysql.user WHERE user = 'holdfast_sandbox'"), "0");
  EXPECT_EQ(restored.rows(old() ? "SHOW SLAVE STATUS" : "SHOW REPLICA STATUS"), "");
  // 5.6 has nowhere to keep it.
  if (!old()) {
    EXPECT_TRUE(
        GtidPosition(restored.sql("SELECT @@GLOBAL.gtid_executed")).contains(GtidPosition(gtid)));
  }
}

TEST_P(MysqlLog, EachMomentIsReachedExactly) {
  Background stream = this->stream();
  shop_->back_up();
  const auto now = std::chrono::floor<std::chrono::seconds>(system_clock().now());
  const int begin = static_cast<int>(now.time_since_epoch().count());
  commit(1, begin + 10);
  commit(2, begin + 20);
  const std::string at_two = executed();
  commit(3, begin + 20);
  commit(4, begin + 30);
  wait_until_durable(stream);
  const auto rows_at = [&](const std::string& name, const std::vector<std::string>& words) {
    const auto restored = TestMysql::on(GetParam(), restore(name, words));
    return restored->rows("SELECT id FROM shop.orders ORDER BY id");
  };
  const auto time = [&](int second) {
    return format_rfc3339(Timestamp(std::chrono::seconds{begin + second}));
  };
  EXPECT_EQ(rows_at("before", {"--to-immediate"}), "");
  EXPECT_EQ(rows_at("second", {"--to-time", time(20)}), "1|\n2|\n3|\n");
  EXPECT_EQ(rows_at("between", {"--to-time", time(19)}), "1|\n");
  EXPECT_EQ(rows_at("exclusive", {"--to-time", time(20), "--exclusive"}), "1|\n");
  EXPECT_EQ(rows_at("gtid", {"--to-gtid", at_two}), "1|\n2|\n");
  EXPECT_EQ(GtidPosition(restored_gtid_), GtidPosition(at_two));
  const std::string server = server_->sql("SELECT @@server_uuid");
  const std::string one = at_two.substr(at_two.rfind('-') + 1);
  EXPECT_EQ(rows_at("one", {"--to-gtid", server + ":" + one, "--exclusive"}), "1|\n");
  EXPECT_THAT(shop_
                  ->expect(4, {"restore", "latest:shop", "--target", *shop_ / "later", "--to-time",
                               time(31)})
                  .err,
              HasSubstr(time(30)));
  EXPECT_FALSE(fs::exists(*shop_ / "later"));
  EXPECT_THAT(shop_->expect(0, {"list"}).out, HasSubstr("can be recovered (log to"));
}

TEST_P(MysqlLog, OfChosenDatabasesTheLogIsAppliedToThoseAlone) {
  configure(server_->settings(), ", databases: [o_ther]");
  Background stream = this->stream();
  shop_->back_up();
  commit(1);
  server_->run({"INSERT INTO o_ther.t VALUES (7)", "CREATE DATABASE oxther",
                "CREATE TABLE oxther.t (id INT PRIMARY KEY)", "INSERT INTO oxther.t VALUES (1)",
                "CREATE PROCEDURE oxther.p() SELECT 1", "DROP PROCEDURE oxther.p",
                "CREATE TABLE o_ther.more (id INT PRIMARY KEY)",
                "INSERT INTO o_ther.more VALUES (8)"});
  wait_until_durable(stream);
  const auto restored = TestMysql::on(GetParam(), restore("chosen", {"--to-latest"}));
  EXPECT_EQ(restored->rows("SELECT * FROM o_ther.t"), "7|\n");
  EXPECT_EQ(restored->rows("SELECT * FROM o_ther.more"), "8|\n");
  EXPECT_EQ(restored->sql("SELECT COUNT(*) FROM information_schema.schemata WHERE schema_name IN "
                          "('shop', 'oxther')"),
            "0");
  EXPECT_EQ(GtidPosition(restored_gtid_), GtidPosition(executed()));
}

TEST_P(MysqlLog, WhatReachesFromChosenDatabasesIntoOthersIsAppliedOrRefused) {
  server_->run(
      {"SET GLOBAL log_bin_trust_function_creators = ON", "CREATE PROCEDURE shop.old() SELECT 1",
       "CREATE FUNCTION shop.five() RETURNS INT DETERMINISTIC RETURN 5",
       "CREATE EVENT shop.daily ON SCHEDULE EVERY 1 DAY DO SELECT 1", "CREATE USER gone@localhost",
       "CREATE TABLE o_ther.moved (id INT PRIMARY KEY) ENGINE=InnoDB"});
  configure(server_->settings(), ", databases: [o_ther]");
  Background stream = this->stream();
  shop_->back_up();
  // The first statement of a file has no transaction before it in there.
  server_->run({"FLUSH LOGS", "DROP PROCEDURE shop.old", "ALTER EVENT shop.daily DISABLE",
                "ALTER EVENT shop.daily RENAME TO shop.nightly",
                "ALTER EVENT shop.nightly RENAME TO shop.daily", "DROP EVENT shop.daily",
                "CREATE PROCEDURE shop.young() SELECT 1", "USE shop", "DROP PROCEDURE young",
                "USE o_ther", "CREATE PROCEDURE kept() SELECT 1",
                "RENAME TABLE o_ther.moved TO shop.moved",
                "GRANT SELECT (id) ON shop.orders TO gone@localhost", "DROP USER gone@localhost",
                "CREATE USER late@localhost IDENTIFIED BY 'pw'",
                "GRANT SELECT ON o_ther.* TO late@localhost", "INSERT INTO o_ther.t VALUES (9)"});
  wait_until_durable(stream);
  {
    const auto restored = TestMysql::on(GetParam(), restore("chosen", {"--to-latest"}));
    EXPECT_EQ(restored->rows("SELECT * FROM o_ther.t"), "9|\n");
    EXPECT_EQ(restored->rows("SELECT table_name FROM information_schema.tables WHERE table_schema "
                             "= 'o_ther'"),
              "t|\n");
    EXPECT_EQ(restored->sql("SELECT COUNT(*) FROM information_schema.schemata WHERE schema_name = "
                            "'shop'"),
              "0");
    EXPECT_EQ(restored->rows("SELECT routine_name FROM information_schema.routines WHERE "
                             "routine_schema IN ('o_ther', 'shop')"),
              "kept|\n");
    EXPECT_EQ(restored->sql("SELECT COUNT(*) FROM mysql.user WHERE user = 'gone'"), "0");
    EXPECT_EQ(
        MariadbConnection(restored->settings("late", "pw"), {}).value("SELECT id FROM o_ther.t"),
        "9");
    EXPECT_EQ(GtidPosition(restored_gtid_), GtidPosition(executed()));
  }
  const auto expect_refused = [&](const std::string& why) {
    wait_until_durable(stream);
    const Outcome refused =
        shop_->expect(10, {"restore", "latest:shop", "--target", *shop_ / why, "--to-latest"});
    EXPECT_THAT(refused.err, HasSubstr("the binary log cannot be applied"));
    EXPECT_THAT(refused.err, HasSubstr(why));
    EXPECT_FALSE(fs::exists(*shop_ / why + "/ibdata1"));
  };
  // What happened to it there, nobody knows.
  server_->run({"INSERT INTO shop.moved VALUES (1)", "RENAME TABLE shop.moved TO o_ther.moved"});
  expect_refused("shop.moved");
  shop_->back_up();
  server_->run({"SET SESSION binlog_format = STATEMENT", "USE o_ther",
                "INSERT INTO o_ther.t VALUES (shop.five())"});
  expect_refused("shop.five");
}

TEST_P(MysqlLog, ATransactionOfTheFutureEndsARestoreToATimeAndIsNamed) {
  Background stream = this->stream();
  shop_->back_up();
  const auto now = std::chrono::floor<std::chrono::seconds>(system_clock().now());
  const int begin = static_cast<int>(now.time_since_epoch().count());
  commit(1, begin + 10);
  const std::string before = executed();
  commit(2, begin + 5000);
  commit(3, begin + 20);
  const std::string all = executed();
  wait_until_durable(stream);
  const auto time = [&](int second) {
    return format_rfc3339(Timestamp(std::chrono::seconds{begin + second}));
  };
  const Outcome ended = shop_->expect(
      3, {"restore", "latest:shop", "--target", *shop_ / "early", "--to-time", time(20)});
  EXPECT_THAT(ended.err, HasSubstr("which says that it is of " + time(5000)));
  const auto early = TestMysql::on(GetParam(), *shop_ / "early");
  EXPECT_EQ(early->rows("SELECT id FROM shop.orders ORDER BY id"), "1|\n");
  // Behind the one of before there is none.
  EXPECT_EQ(shop_
                ->expect(0, {"restore", "latest:shop", "--target", *shop_ / "right", "--to-time",
                             time(15)})
                .err.find("which says"),
            std::string::npos);
  const auto late = TestMysql::on(GetParam(), restore("late", {"--to-gtid", all}));
  EXPECT_EQ(late->rows("SELECT id FROM shop.orders ORDER BY id"), "1|\n2|\n3|\n");
}

TEST_P(MysqlLog, TimeZonesThatTheServerKnowsByNameComeBack) {
  server_->run({"CREATE TABLE shop.t (id INT PRIMARY KEY, there DATETIME)",
                "INSERT INTO mysql.time_zone (Time_zone_id, Use_leap_seconds) VALUES (7, 'N')",
                "INSERT INTO mysql.time_zone_name VALUES ('Test/Zone', 7)",
                "INSERT INTO mysql.time_zone_transition VALUES (7, 1000000000, 1)",
                "INSERT INTO mysql.time_zone_transition_type VALUES (7, 0, -3600, 0, 'OLD'), "
                "(7, 1, 19800, 0, 'NEW')"});
  Background stream = this->stream();
  shop_->back_up();
  server_->run({"SET SESSION binlog_format = STATEMENT", "SET SESSION time_zone = 'Test/Zone'",
                "SET SESSION timestamp = 1700000000", "INSERT INTO shop.t VALUES (1, now())",
                "SET SESSION timestamp = 900000000", "INSERT INTO shop.t VALUES (2, now())"});
  wait_until_durable(stream);
  const auto restored = TestMysql::on(GetParam(), restore("zones", {"--to-latest"}));
  EXPECT_EQ(restored->rows("SELECT * FROM shop.t"), server_->rows("SELECT * FROM shop.t"));
  EXPECT_EQ(restored->sql("SELECT CONVERT_TZ('2025-01-01 12:00:00', '+00:00', 'Test/Zone')"),
            "2025-01-01 17:30:00");
}

TEST_P(MysqlLog, ARestoreTestGoesToTheEndOfTheLog) {
  configure(server_->settings(), "",
            "    assertions:\n      - {query: 'select count(*) from shop.orders', expect: '2'}\n");
  Background stream = this->stream();
  shop_->back_up();
  commit(1);
  commit(2);
  wait_until_durable(stream);
  const json proved = shop_->validate(0);
  EXPECT_THAT(proved.dump(), HasSubstr("the end of the log in the vault"));
  commit(3);
  wait_until_durable(stream);
  EXPECT_EQ(MariadbShop::failed_steps(shop_->validate(5)), "assertion 1");
}

TEST_P(MysqlLog, AnUnfinishedRestoreBeginsAnew) {
  {
    Background stream = this->stream();
    shop_->back_up();
    commit(1);
    wait_until_durable(stream);
  }
  configure(with_client("exit 1\n"));
  const std::vector<std::string> words = {"restore", "latest:shop", "--target", *shop_ / "again",
                                          "--to-latest"};
  const Outcome failed = shop_->expect(10, words);
  EXPECT_THAT(failed.err, HasSubstr("the server did not take the dump"));
  EXPECT_FALSE(fs::exists(*shop_ / "again/ibdata1"));
  configure(server_->settings());
  const auto restored = TestMysql::on(GetParam(), restore("again", {"--to-latest"}));
  EXPECT_EQ(restored->rows("SELECT id FROM shop.orders"), "1|\n");
  // What holds something is not touched unless it is asked for.
  EXPECT_THAT(shop_->expect(6, words).err, HasSubstr("a server runs on"));
  // Nor what looks like a part of a server, such as a backup by another tool.
  fs::create_directory(*shop_ / "taken");
  write_file_atomic(*shop_ / "taken/backup-my.cnf", as_bytes("[mysqld]"));
  write_file_atomic(*shop_ / "taken/mine", as_bytes("mine"));
  std::vector<std::string> taken = words;
  taken[3] = *shop_ / "taken";
  EXPECT_THAT(shop_->expect(6, taken).err, HasSubstr("is not empty"));
  EXPECT_TRUE(fs::exists(*shop_ / "taken/mine"));
  taken.insert(taken.end(), {"--overwrite", "always", "--delete", "--no-safety-backup"});
  shop_->expect(0, taken);
  EXPECT_FALSE(fs::exists(*shop_ / "taken/mine"));
  EXPECT_TRUE(fs::exists(*shop_ / "taken/ibdata1"));
  EXPECT_THAT(shop_
                  ->expect(2, {"restore", "latest:shop", "--target", *shop_ / "x", "--to-latest",
                               "--exclusive"})
                  .err,
              HasSubstr("--exclusive goes with"));
}

TEST_P(MysqlLog, ALogThatCannotGoOnIsRefused) {
  {
    Background stream = this->stream();
    shop_->back_up();
    commit(1);
    wait_until_durable(stream);
  }
  server_->run(
      {old() ? "RESET MASTER" : "RESET BINARY LOGS AND GTIDS", "INSERT INTO o_ther.t VALUES (5)"});
  EXPECT_THAT(shop_->expect(6, {"stream", "shop"}).err, HasSubstr("take a new backup"));
  server_->run({"FLUSH LOGS"});
  shop_->back_up();
  Background stream = this->stream({"--skip-gap"});
  commit(2);
  wait_until_durable(stream);
  EXPECT_EQ(stream.end(SIGTERM), 0) << stream.said();
  const auto restored = TestMysql::on(GetParam(), restore("after", {"--to-latest"}));
  EXPECT_EQ(restored->rows("SELECT id FROM shop.orders ORDER BY id"), "1|\n2|\n");
}

TEST_P(MysqlLog, WithNothingNewItGoesOnWhereItWas) {
  for (int id = 1; id <= 3; ++id) {
    Background stream = this->stream();
    if (id == 1) shop_->back_up();
    if (id != 2) commit(id);
    wait_until_durable(stream);
    EXPECT_EQ(stream.end(SIGTERM), 0) << stream.said();
  }
  const auto restored = TestMysql::on(GetParam(), restore("all", {"--to-latest"}));
  EXPECT_EQ(restored->rows("SELECT id FROM shop.orders ORDER BY id"), "1|\n3|\n");
}

// More than two chunks before the backup: the restore does not bring what lies between.
TEST_P(MysqlLog, ABackupInTheMiddleOfALongFileIsFollowed) {
  server_->run({"CREATE TABLE shop.long_ (id INT PRIMARY KEY, b LONGBLOB)"});
  for (int id = 1; id <= 10; ++id) {
    server_->run(
        {"INSERT INTO shop.long_ VALUES (" + std::to_string(id) + ", REPEAT('l', 4000000))"});
  }
  server_->run({"DELETE FROM shop.long_"});
  Background stream = this->stream();
  shop_->back_up();
  commit(1);
  wait_until_durable(stream);
  const auto restored = TestMysql::on(GetParam(), restore("long", {"--to-latest"}));
  EXPECT_EQ(restored->rows("SELECT id FROM shop.orders"), "1|\n");
  EXPECT_EQ(GtidPosition(restored_gtid_), GtidPosition(executed()));
}

// An event of the log would run on a replica and its source: here nobody else runs it.
TEST_P(MysqlLog, EventsOfTheLogAreDisabledAndNamed) {
  server_->run({"CREATE EVENT shop.before ON SCHEDULE EVERY 1 DAY DO DELETE FROM shop.orders"});
  Background stream = this->stream();
  shop_->back_up();
  server_->run({"CREATE EVENT shop.`a``fter` ON SCHEDULE EVERY 1 DAY DO DELETE FROM shop.orders"});
  wait_until_durable(stream);
  const json done = shop_->expect_json(
      3, {"restore", "latest:shop", "--target", *shop_ / "events", "--to-latest"});
  ASSERT_EQ(done.at("warnings").size(), 1U);
  const std::string warning = done.at("warnings").at(0);
  EXPECT_THAT(warning, HasSubstr("ALTER EVENT `shop`.`a``fter` ENABLE"));
  const auto restored = TestMysql::on(GetParam(), *shop_ / "events");
  restored->run({"ALTER EVENT `shop`.`a``fter` ENABLE"});
  EXPECT_EQ(
      restored->sql("SELECT COUNT(*) FROM information_schema.events WHERE status = 'ENABLED'"),
      "2");
}

// Neither a root without a password, which a new server has, nor one that the source does not have.
TEST_P(MysqlLog, TheAccountsAreThoseOfTheSourceAlone) {
  server_->run({"CREATE USER boss@localhost IDENTIFIED BY 'pw'",
                "GRANT ALL ON *.* TO boss@localhost WITH GRANT OPTION",
                "SET GLOBAL log_bin_trust_function_creators = ON"});
  const MariadbSettings settings = server_->settings("boss", "pw");
  MariadbConnection boss(settings, {});
  boss.query("CREATE FUNCTION shop.f(a INT) RETURNS INT RETURN a + 1");
  boss.query("DROP USER root@localhost");
  if (old()) boss.query("DROP FUNCTION shop.f");  // the stand-in for mysqldump knows none
  configure(settings, "",
            std::string("    assertions:\n      - {query: \"select count(*) from mysql.user where "
                        "user = 'root'\", expect: '0'}\n") +
                (old() ? "" : "      - {query: 'select shop.f(1)', expect: '2'}\n"));
  shop_->back_up();
  EXPECT_EQ(MariadbShop::failed_steps(shop_->validate(0)), "");
}

// What a fresh machine brings back is the newest moment, as it says.
TEST_P(MysqlLog, RecoverMakesAServerOfDumpAndLog) {
  Background stream = this->stream();
  shop_->back_up();
  commit(1);
  wait_until_durable(stream);
  shop_->expect(0, {"recover", "--from", *shop_ / "vault", "--target", *shop_ / "recovered"});
  const auto restored = TestMysql::on(GetParam(), *shop_ / "recovered/database/shop");
  EXPECT_EQ(restored->rows("SELECT id FROM shop.orders"), "1|\n");
  // Without MySQL's server there is nothing to make it of.
  configure(server_->with_mariadb_tools());
  EXPECT_THAT(
      shop_->expect(3, {"recover", "--from", *shop_ / "vault", "--target", *shop_ / "files"}).err,
      HasSubstr("only the files of the dump come back"));
  EXPECT_TRUE(fs::exists(*shop_ / "files/database/shop/all.sql"));
}

TEST_P(MysqlLog, WithoutGtidsNothingIsStreamed) {
  const TestMysql plain(GetParam(), "gtid-mode=OFF\nenforce-gtid-consistency=OFF\n");
  plain.run({"CREATE DATABASE shop", "CREATE TABLE shop.orders (id INT PRIMARY KEY)",
             "INSERT INTO shop.orders VALUES (1)"});
  configure(plain.settings());
  EXPECT_THAT(shop_->expect(10, {"stream", "shop"}).err, HasSubstr("gtid_mode is OFF"));
  shop_->back_up();
  const Outcome refused =
      shop_->expect(4, {"restore", "latest:shop", "--target", *shop_ / "none", "--to-latest"});
  EXPECT_THAT(refused.err, HasSubstr("does not say where it is in the binary log"));
  shop_->expect(0, {"restore", "latest:shop", "--target", *shop_ / "alone", "--to-immediate"});
  const auto restored = TestMysql::on(GetParam(), *shop_ / "alone");
  EXPECT_EQ(restored->rows("SELECT id FROM shop.orders"), "1|\n");
}

// Its host is not in UTC, and its log has statements.
class MysqlElsewhere : public MysqlLog {
  const TimeZone there_{kNewYork};
};

TEST_P(MysqlElsewhere, StatementsThatMeanTheHostsTimeComeBackAsTheyWere) {
  server_->run({"CREATE TABLE shop.t (id INT PRIMARY KEY, there DATETIME, at TIMESTAMP NULL)"});
  Background stream = this->stream();
  shop_->back_up();
  for (const std::string second : {"0", "1810000000", "1830000000"}) {
    server_->run({"SET SESSION binlog_format = STATEMENT", "SET SESSION timestamp = " + second,
                  "SET SESSION time_zone = 'SYSTEM'",
                  "INSERT INTO shop.t VALUES (unix_timestamp(), now(), "
                  "date_format(now(), '%Y-%m-%d 12:00:00'))"});
  }
  // What is converted need not be the present.
  server_->run({"SET SESSION binlog_format = STATEMENT", "SET SESSION time_zone = 'SYSTEM'",
                "INSERT INTO shop.t VALUES (1, NULL, '1999-07-01 12:00:00')",
                "UPDATE shop.t SET there = at WHERE id < 10"});
  // Of a definition the log may leave out what its session's zone was.
  server_->run({"SET SESSION time_zone = 'SYSTEM'",
                "ALTER TABLE shop.t ADD COLUMN made DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP"});
  wait_until_durable(stream);
  const auto restored = TestMysql::on(GetParam(), restore("there", {"--to-latest"}));
  const std::string rows = "SELECT * FROM shop.t ORDER BY id";
  EXPECT_EQ(restored->rows(rows), server_->rows(rows));
}

INSTANTIATE_TEST_SUITE_P(Of, MysqlElsewhere, ::testing::ValuesIn(mysql_kinds()),
                         [](const auto& of) { return mysql_kind_name(of.param); });
INSTANTIATE_TEST_SUITE_P(Of, MysqlLog, ::testing::ValuesIn(mysql_kinds()),
                         [](const auto& of) { return mysql_kind_name(of.param); });

}  // namespace
}  // namespace holdfast
