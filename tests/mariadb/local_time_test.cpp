// A source whose host is not in UTC: what statements in its log meant by local time.
#include <gtest/gtest.h>

#include <csignal>

#include "mariadb/shop.h"
#include "support/time_zone.h"

namespace holdfast {
namespace {

class LocalTime : public ::testing::Test {
 protected:
  const TimeZone there_{kNewYork};
  // How MariaDB writes its log when nothing is said.
  const TestMariadb server_{{"binlog-format=MIXED"}};
  const MariadbShop shop_{server_};
};

TEST_F(LocalTime, ComesBackAsItWasInSummerAndInWinter) {
  server_.run({"CREATE DATABASE shop",
               "CREATE TABLE shop.t (id INT PRIMARY KEY, there DATETIME, at TIMESTAMP NULL)"});
  Background stream = shop_.stream();
  shop_.back_up();
  for (const std::string second : {"0", "1810000000", "1830000000"}) {
    server_.run({"SET SESSION timestamp = " + second, "SET SESSION time_zone = 'SYSTEM'",
                 "INSERT INTO shop.t VALUES (unix_timestamp(), now(), now())",
                 "INSERT INTO shop.t VALUES (unix_timestamp() + 1, now(), "
                 "date_format(now(), '%Y-%m-%d 12:00:00'))"});
  }
  // What is converted need not be the present.
  server_.run({"SET SESSION time_zone = 'SYSTEM'",
               "INSERT INTO shop.t VALUES (1, NULL, '1999-07-01 12:00:00'), "
               "(2, NULL, '2035-07-01 12:00:00'), (3, NULL, '2035-12-01 12:00:00')",
               "UPDATE shop.t SET there = at WHERE id < 10"});
  // Of a definition the log may leave out what its session's zone was.
  server_.run({"SET SESSION time_zone = 'SYSTEM'",
               "ALTER TABLE shop.t ADD COLUMN made DATETIME NOT NULL DEFAULT current_timestamp"});
  shop_.wait_until_durable(server_);
  EXPECT_EQ(stream.end(SIGTERM), 0) << stream.said();
  const TestMariadb restored = TestMariadb::on(shop_.restore("restored"));
  const std::string rows =
      "SELECT group_concat(id, ' ', there, ' ', at, ' ', made ORDER BY id) FROM shop.t";
  EXPECT_EQ(restored.sql(rows), server_.sql(rows));
  EXPECT_EQ(restored.contents(), server_.contents());
}

}  // namespace
}  // namespace holdfast
