// Against a real server.
#include "source/mariadb/server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "source/mariadb/dump.h"
#include "store/expect_error.h"
#include "support/mariadb_server.h"

namespace holdfast {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;

TEST(MariadbServer, SaysWhatItIs) {
  const TestMariadb server;
  server.run({"CREATE DATABASE shop", "CREATE TABLE shop.a (i INT) ENGINE=InnoDB",
              "CREATE TABLE shop.b (i INT) ENGINE=MyISAM", "INSERT INTO shop.a VALUES (1)"});
  MariadbConnection connection(server.settings(), {});
  const MariadbServer facts = read_mariadb_server(connection);
  EXPECT_THAT(facts.version, MatchesRegex("1[0-9]\\.[0-9]+\\.[0-9]+"));
  EXPECT_EQ(facts.uid.size(), 28U);
  EXPECT_EQ(facts.server_id, "7");
  EXPECT_EQ(facts.data_directory, server.data_directory());
  EXPECT_TRUE(facts.log_bin);
  EXPECT_THAT(facts.gtid_binlog_pos, MatchesRegex("0-7-[0-9]+"));
  EXPECT_EQ(facts.gtid_binlog_pos, facts.gtid_current_pos);
  const MariadbPosition end = mariadb_log_end(connection);
  EXPECT_THAT(end.text(), MatchesRegex("binlog\\.[0-9]+:[0-9]+"));
  EXPECT_EQ(end.gtid, facts.gtid_binlog_pos);
  EXPECT_THAT(mariadb_databases(connection), ElementsAre("shop"));
  EXPECT_THAT(tables_without_transactions(connection, {"shop"}), ElementsAre("shop.b"));
  EXPECT_THAT(tables_without_transactions(connection, {"other"}), ElementsAre());
}

TEST(MariadbServer, ErrorsAreOnesToActOn) {
  TestMariadb server;
  server.run({"CREATE USER backup@localhost IDENTIFIED BY 'right'", "CREATE DATABASE shop"});
  EXPECT_EQ(MariadbConnection(server.settings("backup", "right"), {}).value("SELECT 1"), "1");
  const auto wrong = error_of([&] { MariadbConnection(server.settings("backup", "wrong"), {}); });
  ASSERT_TRUE(wrong.has_value());
  EXPECT_EQ(wrong->code(), Code::kDenied);
  EXPECT_THAT(wrong->message(), HasSubstr("backup"));
  EXPECT_THAT(wrong->hint(), HasSubstr("password"));

  MariadbConnection limited(server.settings("backup", "right"), {});
  expect_error(Code::kDenied, [&] { limited.query("SHOW MASTER STATUS"); });
  expect_error(Code::kInvalid, [&] { limited.query("SELEKT"); });
  MariadbConnection connection(server.settings(), {});
  expect_error(Code::kNotFound, [&] { connection.query("USE shopp"); });
  MariadbSettings some = server.settings();
  some.databases = {"shopp"};
  const auto unknown = error_of([&] { chosen_databases(some, connection); });
  ASSERT_TRUE(unknown.has_value());
  EXPECT_THAT(unknown->hint(), HasSubstr("'shop'"));

  server.kill();
  expect_error(Code::kUnavailable, [&] { connection.query("SELECT 1"); });
  expect_error(Code::kUnavailable, [&] { MariadbConnection(server.settings(), {}); });
}

TEST(MariadbServer, AStopEndsAStatement) {
  const TestMariadb server;
  std::stop_source stop;
  MariadbConnection connection(server.settings(), stop.get_token());
  const std::string waiting =
      "SELECT count(*) FROM information_schema.processlist WHERE info LIKE 'SELECT SLEEP%'";
  std::jthread stopper([&] {
    while (server.sql(waiting) != "1") std::this_thread::yield();
    stop.request_stop();
  });
  expect_error(Code::kCancelled, [&] { connection.query("SELECT SLEEP(1000)"); });
}

}  // namespace
}  // namespace holdfast
