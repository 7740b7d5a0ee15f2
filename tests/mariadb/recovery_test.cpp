// Recovery of MariaDB to moments: exactly what was there, whatever the time zone.
#include <gtest/gtest.h>

#include <csignal>
#include <filesystem>
#include <fstream>

#include "base/time.h"
#include "mariadb/shop.h"
#include "os/clock.h"
#include "os/file.h"

namespace holdfast {
namespace {

// A state of the server: after everything before, and before everything after.
struct Moment {
  std::string contents;  // checksums and GTID
  std::string gtid;
  Timestamp time{};  // its second is over
};

class MariadbRecovery : public ::testing::Test {
 protected:
  MariadbRecovery() {
    server_.run({"CREATE DATABASE shop",
                 "CREATE TABLE shop.orders (id INT AUTO_INCREMENT PRIMARY KEY, at TIMESTAMP(6), "
                 "what VARCHAR(40))",
                 "INSERT INTO shop.orders (at, what) VALUES (now(6), 'in the backup')"});
    Background stream = shop_.stream();
    shop_.back_up();
    // Statements that depend on the session, rows, and what a replay in pieces would break.
    connection_.query("SET time_zone = '-03:00'");
    history({"SET binlog_format = 'STATEMENT'",
             "INSERT INTO shop.orders (at, what) VALUES (now(6), 'first')",
             "INSERT INTO shop.orders (at, what) VALUES ('2025-01-01 12:00:00', 'local time')",
             "CREATE TEMPORARY TABLE shop.basket (n INT)",
             "INSERT INTO shop.basket VALUES (1), (2)"});
    history(
        {"FLUSH BINARY LOGS",
         "INSERT INTO shop.orders (at, what) SELECT now(6), concat('basket ', n) FROM shop.basket",
         "SET binlog_format = 'ROW'", "ALTER TABLE shop.orders ADD COLUMN price DECIMAL(8,2)",
         "UPDATE shop.orders SET price = id * 1.25"});
    history({"CREATE USER IF NOT EXISTS clerk@localhost IDENTIFIED BY 'x'",
             "GRANT SELECT ON shop.* TO clerk@localhost", "FLUSH PRIVILEGES",
             "DELETE FROM shop.orders WHERE what = 'first'", "FLUSH BINARY LOGS"});
    history({"DROP TABLE shop.orders"});  // by mistake
    shop_.wait_until_durable(server_);
    EXPECT_EQ(stream.end(SIGTERM), 0) << stream.said();
  }

  void history(const std::vector<std::string>& statements) {
    for (const std::string& statement : statements) connection_.query(statement);
    Moment moment{server_.contents(), server_.sql("SELECT @@gtid_binlog_pos"), {}};
    const std::string second = server_.sql("SELECT unix_timestamp()");
    moment.time = Timestamp(std::chrono::seconds{std::stoll(second)});
    while (server_.sql("SELECT unix_timestamp()") == second) {
      system_clock().sleep_for(std::chrono::milliseconds{20}, {});
    }
    moments_.push_back(moment);
  }

  // Restores with `words` in a time zone, and compares.
  void expect_moment(const Moment& moment, const std::vector<std::string>& words,
                     const std::string& zone) {
    const std::string target = shop_ / ("restored" + std::to_string(++number_));
    std::vector<std::string> all = {"restore", "latest:shop", "--target", target};
    all.insert(all.end(), words.begin(), words.end());
    const Outcome outcome = shop_.run(all, {{"TZ", zone}});
    ASSERT_EQ(outcome.code, 0) << outcome.out << outcome.err;
    const TestMariadb restored = TestMariadb::on(target);
    EXPECT_EQ(restored.contents(), moment.contents) << words[0] << " in " << zone;
    EXPECT_EQ(restored.sql("SELECT @@gtid_slave_pos"), moment.gtid);
    EXPECT_EQ(restored.sql("SELECT count(*) FROM mysql.global_priv WHERE user LIKE 'holdfast%'"),
              "0");
    restored_clerk_ = restored.sql("SELECT count(*) FROM mysql.global_priv WHERE user = 'clerk'");
  }

  void expect_refused(int code, const std::vector<std::string>& words, const std::string& why) {
    std::vector<std::string> all = {"restore", "latest:shop", "--target", shop_ / "none"};
    all.insert(all.end(), words.begin(), words.end());
    const Outcome outcome = shop_.expect(code, all);
    EXPECT_NE((outcome.out + outcome.err).find(why), std::string::npos) << outcome.err;
    EXPECT_FALSE(path_exists(shop_ / "none"));
  }

  TestMariadb server_{{"binlog-format=MIXED"}};
  MariadbConnection connection_{server_.settings(), {}};
  MariadbShop shop_{server_};
  std::vector<Moment> moments_;
  std::string restored_clerk_;
  int number_ = 0;
};

TEST_F(MariadbRecovery, BringsBackExactlyTheMomentInEveryTimeZone) {
  server_.kill();
  expect_moment(moments_[0], {"--to-time", format_rfc3339(moments_[0].time)}, "America/New_York");
  // The same instant as people elsewhere write it.
  std::string india = format_rfc3339(moments_[1].time + std::chrono::minutes{330});
  india.replace(india.size() - 1, 1, "+05:30");
  expect_moment(moments_[1], {"--to-time", india}, "Asia/Kolkata");
  EXPECT_EQ(restored_clerk_, "0");
  expect_moment(moments_[2], {"--to-gtid", moments_[2].gtid}, "Asia/Kolkata");
  EXPECT_EQ(restored_clerk_, "1");
  expect_moment(moments_[3], {}, "UTC");
}

TEST_F(MariadbRecovery, RefusesWhatCannotBeReachedBeforeItWritesAnything) {
  const std::string end = format_rfc3339(moments_[3].time);
  expect_refused(2, {"--to-time", "2025-11-10T12:00:00"}, "no moment that everybody agrees on");
  expect_refused(2, {"--to-time", end, "--to-gtid", "0-7-9"}, "more than one target");
  expect_refused(2, {"--to-lsn", "0/1"}, "no physical backup of PostgreSQL");
  expect_refused(4, {"--to-time", "2020-01-01T00:00:00Z"}, "made after the moment");
  expect_refused(4, {"--to-time", "2020-01-01T00:00:00Z"}, "no other backup of shop leads to it");
  expect_refused(4, {"--to-time", "2100-01-01T00:00:00Z"}, "its last commit is of");
  expect_refused(4, {"--to-gtid", "0-7-9999"}, "the log ends before 0-7-9999");
  expect_refused(4, {"--to-gtid", "0-7-1"}, "the backup was made after");
  expect_refused(4, {"--to-gtid", "0-8-" + moments_[1].gtid.substr(4)}, "there was no moment");
  expect_refused(4, {"--to-gtid", "5-7-3"}, "the log ends before 5-7-3");
  const json spans = shop_.expect_json(0, {"list"}).at("recoverable");
  ASSERT_EQ(spans.size(), 1u);
  EXPECT_EQ(spans[0].at("end_gtid"), moments_[3].gtid);
  EXPECT_EQ(spans[0].at("stopped"), false);
  EXPECT_TRUE(spans[0].at("gap").is_null());
  // The last transaction left out.
  expect_moment(moments_[2], {"--to-gtid", moments_[3].gtid, "--exclusive"}, "UTC");
}

TEST_F(MariadbRecovery, NamesTheBackupThatLeadsToTheMoment) {
  const std::string first = shop_.expect_json(0, {"list"}).at("backups").at(0).at("id");
  shop_.back_up();
  const std::string time = format_rfc3339(moments_[1].time);
  const std::string typed = "holdfast restore " + first + " --target " + (shop_ / "none");
  expect_refused(4, {"--to-time", time}, typed + " --to-time " + time + ";");
  expect_refused(4, {"--to-gtid", moments_[1].gtid, "--exclusive"},
                 typed + " --to-gtid " + moments_[1].gtid + " --exclusive;");
}

TEST_F(MariadbRecovery, DamageInTheLogIsNamedAndLeavesNoServerThatStarts) {
  std::string damaged;
  for (const std::string& key : shop_.log_keys()) {
    if (key.find("binlog.000002.00000000") != std::string::npos) damaged = key;
  }
  ASSERT_FALSE(damaged.empty());
  {
    const std::string path = shop_ / ("vault/" + damaged);
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(-40, std::ios::end);
    const int byte = file.get();
    file.seekp(-40, std::ios::end);
    file.put(static_cast<char>(byte ^ 1));
  }
  const std::string target = shop_ / "restored";
  const Outcome outcome = shop_.expect(5, {"restore", "latest:shop", "--target", target});
  EXPECT_NE(outcome.err.find(damaged), std::string::npos) << outcome.err;
  EXPECT_THROW(TestMariadb::on(target), Error);
  // What lies before the damage can be had, into the same directory.
  EXPECT_EQ(
      shop_.run({"restore", "latest:shop", "--target", target, "--to-gtid", moments_[0].gtid}).code,
      0);
  EXPECT_EQ(TestMariadb::on(target).contents(), moments_[0].contents);
}

}  // namespace
}  // namespace holdfast
