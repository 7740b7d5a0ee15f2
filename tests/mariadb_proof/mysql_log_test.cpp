// The binary log of MySQL: kept while the server writes, and a server made anew from dump and log.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <filesystem>
#include <fstream>

#include "mariadb_proof/shop.h"
#include "os/clock.h"
#include "os/file.h"
#include "source/mariadb/gtid.h"
#include "support/mysql_server.h"

namespace holdfast {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class MysqlLog : public ::testing::TestWithParam<MysqlKind> {
 protected:
  void SetUp() override {
    if (const auto missing = mysql_missing(GetParam())) GTEST_SKIP() << *missing;
    server_ = std::make_unique<TestMysql>(GetParam());
    server_->run({"CREATE DATABASE shop", "CREATE DATABASE o_ther",
                  "CREATE TABLE shop.orders (id INT PRIMARY KEY, v VARCHAR(200)) ENGINE=InnoDB",
                  "CREATE TABLE o_ther.t (id INT PRIMARY KEY) ENGINE=InnoDB"});
    shop_ = std::make_unique<MariadbShop>(server_->settings());
    configure(server_->settings());
    // The server's user must reach what is restored here.
    fs::permissions(shop_->path(), fs::perms(0755));
  }

  void configure(const MariadbSettings& settings, const std::string& more = "",
                 const std::string& yaml = "") const {
    std::ofstream out(*shop_ / "holdfast.yaml");
    out << "state_dir: " << *shop_ / "state"
        << "\ncache_dir: " << *shop_ / "cache"
        << "\nsources:\n  - name: shop\n    class: database\n    mysql: {defaults_file: "
        << settings.defaults_file << ", socket: " << settings.socket << ", user: " << settings.user
        << ", bin_directory: " << settings.bin_directory << more << "}\n"
        << yaml;
  }

  // Commits one row; its text is the second that it is committed in.
  void commit(int id, int second = 0) const {
    const std::string insert =
        "INSERT INTO shop.orders VALUES (" + std::to_string(id) + ", REPEAT('x', 100))";
    if (second == 0) {
      server_->run({insert});
    } else {
      server_->run({"SET SESSION timestamp = " + std::to_string(second), insert});
    }
  }
  std::string executed() const { return server_->sql("SELECT @@GLOBAL.gtid_executed"); }

  Background stream() {
    // What another one has said of itself.
    fs::remove(*shop_ / "state/stream/shop.json");
    Background stream = shop_->start("stream" + std::to_string(++streams_) + ".log",
                                     {"stream", "shop", "--interval", "20ms"});
    stream.wait_for("receiving from");
    return stream;
  }

  void wait_until_durable(Background& stream) const {
    const GtidPosition wanted(executed());
    const std::string file = *shop_ / "state/stream/shop.json";
    const Duration end = system_clock().monotonic() + std::chrono::minutes{1};
    while (system_clock().monotonic() < end) {
      if (path_exists(file)) {
        const json status = json::parse(as_text(read_file(file)));
        if (GtidPosition(status.value("durable_gtid", "")).contains(wanted)) return;
      }
      if (!stream.running()) throw std::runtime_error("the stream ended:\n" + stream.said());
      system_clock().sleep_for(std::chrono::milliseconds{20}, {});
    }
    throw std::runtime_error("the vault stays behind:\n" + stream.said());
  }

  // The directory `name` with a server as of a moment.
  std::string restore(const std::string& name, std::vector<std::string> words) const {
    words.insert(words.begin(), {"restore", "latest:shop", "--target", *shop_ / name});
    const json done = shop_->expect_json(0, words);
    EXPECT_TRUE(fs::exists(*shop_ / name + "/ibdata1"));
    EXPECT_FALSE(fs::exists(*shop_ / name + "/.holdfast-unfinished"));
    restored_gtid_ = done.at("gtid").get<std::string>();
    return *shop_ / name;
  }
  static std::string contents(const TestMysql& server) {
    return server.rows("SELECT * FROM shop.orders ORDER BY id") +
           server.rows("SELECT * FROM o_ther.t ORDER BY id") +
           server.rows(
               "SELECT table_schema, table_name FROM information_schema.tables WHERE "
               "table_schema IN ('shop', 'o_ther') ORDER BY 1, 2");
  }
  bool old() const { return GetParam() == MysqlKind::k56; }

  std::unique_ptr<TestMysql> server_;
  std::unique_ptr<MariadbShop> shop_;
  mutable std::string restored_gtid_;
  int streams_ = 0;
};

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
  // A client that dies in the middle of the dump.
  MariadbSettings broken = server_->settings();
  broken.bin_directory = *shop_ / "bin";
  fs::create_directory(broken.bin_directory);
  for (const auto& program : fs::directory_iterator(server_->settings().bin_directory)) {
    const std::string name = program.path().filename();
    if (name == "mysql" || name == "mariadb") continue;
    fs::create_symlink(program.path(), broken.bin_directory + "/" + name);
  }
  if (fs::exists(server_->settings().bin_directory + "/../share")) {
    fs::create_directory_symlink(server_->settings().bin_directory + "/../share", *shop_ / "share");
  }
  write_file_atomic(broken.bin_directory + "/mariadb",
                    as_bytes("#!/bin/sh\n[ \"$1\" = --version ] && exec /usr/bin/mariadb "
                             "--version\nexit 1\n"),
                    0755);
  configure(broken);
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
  fs::remove(*shop_ / "state/stream/shop.json");
  Background stream =
      shop_->start("skipped.log", {"stream", "shop", "--interval", "20ms", "--skip-gap"});
  stream.wait_for("receiving from");
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

// As in mysql_test.cpp.
std::vector<MysqlKind> kinds() {
  std::vector<MysqlKind> kinds{MysqlKind::k56};
  if (!mysql_missing(MysqlKind::kFull)) kinds.push_back(MysqlKind::kFull);
  return kinds;
}

INSTANTIATE_TEST_SUITE_P(Of, MysqlLog, ::testing::ValuesIn(kinds()), [](const auto& parameter) {
  return parameter.param == MysqlKind::k56 ? "Npm" : "Host";
});

}  // namespace
}  // namespace holdfast
