// Which events run after statements of the log.
#include "source/mariadb/event_status.h"

#include <gtest/gtest.h>

namespace holdfast {
namespace {

std::string status_after(const std::vector<std::string>& statements) {
  EventFollower follower({{{"shop", "old"}, "DISABLED"}});
  for (const std::string& sql : statements) follower.see("Shop", sql);
  std::string text;
  for (const auto& [name, status] : follower.statuses()) {
    text += name.first + "." + name.second + " " + status + "\n";
  }
  return text;
}

TEST(EventStatus, IsThatOfTheLastStatement) {
  EXPECT_EQ(status_after({"CREATE DEFINER=`root`@`localhost` EVENT e ON SCHEDULE EVERY 1 DAY DO "
                          "ALTER EVENT old ENABLE"}),
            "shop.e ENABLED\nshop.old DISABLED\n");
  EXPECT_EQ(status_after({"create event other . `E` on schedule every 1 day disable do select 1",
                          "ALTER EVENT old ENABLE"}),
            "other.e DISABLED\nshop.old ENABLED\n");
  EXPECT_EQ(status_after({"ALTER EVENT old COMMENT 'ENABLE'"}), "shop.old DISABLED\n");
  EXPECT_EQ(status_after({"ALTER EVENT old DISABLE ON SLAVE"}), "shop.old SLAVESIDE_DISABLED\n");
  EXPECT_EQ(status_after({"ALTER DEFINER = u EVENT shop.OLD RENAME TO other.new ENABLE"}),
            "other.new ENABLED\n");
  EXPECT_EQ(status_after({"ALTER EVENT old ON SCHEDULE AT (SELECT enable FROM t) DO SELECT 1"}),
            "shop.old DISABLED\n");
  EXPECT_EQ(status_after({"CREATE EVENT IF NOT EXISTS old ON SCHEDULE EVERY 1 DAY DO SELECT 1"}),
            "shop.old DISABLED\n");
  EXPECT_EQ(status_after({"CREATE OR REPLACE EVENT old ON SCHEDULE EVERY 1 DAY DO SELECT 1"}),
            "shop.old ENABLED\n");
  EXPECT_EQ(status_after({"DROP EVENT IF EXISTS shop.old"}), "");
  EXPECT_EQ(status_after({"ALTER DEFINER=event@localhost EVENT old ENABLE"}), "shop.old ENABLED\n");
  EXPECT_EQ(status_after({"SET STATEMENT max_statement_time=5 FOR ALTER EVENT old ENABLE"}),
            "shop.old ENABLED\n");
  EXPECT_EQ(status_after({"DROP DATABASE IF EXISTS Shop", "CREATE DATABASE shop",
                          "CREATE EVENT IF NOT EXISTS old ON SCHEDULE EVERY 1 DAY DO SELECT 1"}),
            "shop.old ENABLED\n");
}

TEST(EventStatus, OfASourcesSourceIsOff) {
  EventFollower follower({{{"shop", "old"}, "ENABLED"}});
  EXPECT_FALSE(follower.has_seen({"shop", "old"}));
  follower.see("shop", "ALTER EVENT old COMMENT 'x'", true);
  EXPECT_TRUE(follower.has_seen({"shop", "old"}));
  EXPECT_EQ(follower.statuses().at({"shop", "old"}), "SLAVESIDE_DISABLED");
  follower.see("shop", "ALTER EVENT old ENABLE");
  EXPECT_EQ(follower.statuses().at({"shop", "old"}), "ENABLED");
}

TEST(EventStatus, OtherStatementsChangeNothing) {
  EXPECT_EQ(
      status_after({"", "ALTER", "DROP EVENT", "DROP TABLE old", "CREATE PROCEDURE event() DO 1",
                    "INSERT INTO event VALUES (1)", "/* DROP EVENT old */ SELECT 1"}),
      "shop.old DISABLED\n");
}

}  // namespace
}  // namespace holdfast
