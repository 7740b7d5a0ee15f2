// Which events run after statements of the log.
#include "source/mariadb/event_status.h"

#include <gtest/gtest.h>

namespace holdfast {
namespace {

std::string status_after(const std::vector<std::string>& statements) {
  EventStatuses statuses{{{"shop", "old"}, "DISABLED"}};
  for (const std::string& sql : statements) follow_event_statement("Shop", sql, statuses);
  std::string text;
  for (const auto& [name, status] : statuses) {
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
}

TEST(EventStatus, OtherStatementsChangeNothing) {
  EXPECT_EQ(
      status_after({"", "ALTER", "DROP EVENT", "DROP TABLE old", "CREATE PROCEDURE event() DO 1",
                    "INSERT INTO event VALUES (1)", "/* DROP EVENT old */ SELECT 1"}),
      "shop.old DISABLED\n");
}

}  // namespace
}  // namespace holdfast
