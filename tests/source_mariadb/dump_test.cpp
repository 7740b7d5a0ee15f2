#include "source/mariadb/dump.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/throws.h"

namespace holdfast {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::Not;

constexpr std::string_view kHead =
    "-- MariaDB dump 10.19\n--\n"
    "\n-- CHANGE MASTER TO MASTER_LOG_FILE='binlog.000002', MASTER_LOG_POS=988;\n\n";
constexpr std::string_view kTail =
    "\n-- Preferably use GTID to start replication from GTID position:\n"
    "\n-- SET GLOBAL gtid_slave_pos='0-7-4,1-8-9';\n"
    "/*!40111 SET SQL_NOTES=@OLD_SQL_NOTES */;\n\n-- Dump completed\n";

MariadbDumpWatch watched(const std::string& text, std::size_t piece) {
  MariadbDumpWatch watch;
  ByteView left = as_bytes(text);
  while (!left.empty()) {
    const ByteView part = left.first(std::min(piece, left.size()));
    watch.see(part);
    left = left.subspan(part.size());
  }
  return watch;
}

TEST(MariadbDump, FindsThePositionAtBothEnds) {
  const std::string middle(1'000'000, 'x');
  const std::string text = std::string(kHead) + middle + std::string(kTail);
  for (const std::size_t piece : {std::size_t{1}, std::size_t{1000}, text.size()}) {
    const MariadbDumpWatch watch = watched(text, piece);
    watch.check_complete();
    EXPECT_EQ(watch.position(), (MariadbPosition{"binlog.000002", 988, "0-7-4,1-8-9"})) << piece;
  }
}

TEST(MariadbDump, DataCannotForgeThePosition) {
  const std::string forged =
      "\n-- CHANGE MASTER TO MASTER_LOG_FILE='evil.000009', MASTER_LOG_POS=1;\n"
      "\n-- SET GLOBAL gtid_slave_pos='6-6-6';\n";
  const MariadbDumpWatch watch = watched(std::string(kHead) + forged + std::string(kTail), 100);
  EXPECT_EQ(watch.position(), (MariadbPosition{"binlog.000002", 988, "0-7-4,1-8-9"}));
}

TEST(MariadbDump, WithoutABinaryLogThereIsNone) {
  const MariadbDumpWatch watch = watched("-- MariaDB dump\n\n-- Dump completed\n", 10);
  watch.check_complete();
  EXPECT_EQ(watch.position(), MariadbPosition{});
  EXPECT_EQ(watch.position().text(), "");
}

TEST(MariadbDump, OneThatStopsIsNotComplete) {
  const std::string text = std::string(kHead) + std::string(kTail);
  EXPECT_EQ(thrown_by([&] { watched(text, 9).check_complete(); }), std::nullopt);
  const std::size_t needed = text.size() - 1;  // but for the line's end
  for (std::size_t size = 0; size < needed; ++size) {
    EXPECT_EQ(thrown_by([&] { watched(text.substr(0, size), 9).check_complete(); }), Code::kInvalid)
        << size;
  }
  EXPECT_EQ(thrown_by([&] { watched(text + "INSERT\nINTO", 9).check_complete(); }), Code::kInvalid);
}

TEST(MariadbDump, OneDumpForAllDatabasesAndOneForUsers) {
  MariadbSettings settings;
  settings.defaults_file = "/etc/backup.cnf";
  settings.user = "backup";
  MariadbServer server;
  server.log_bin = true;
  const auto plans = plan_mariadb_dumps(settings, server, {"-odd", "shop"});
  ASSERT_EQ(plans.size(), 2U);
  EXPECT_EQ(plans[0].stored_path, "all.sql");
  EXPECT_TRUE(plans[0].has_position);
  EXPECT_EQ(plans[0].command[1], "--defaults-file=/etc/backup.cnf");  // only works first
  // Without it the dump would hold back every writer to its end.
  EXPECT_THAT(plans[0].command, Contains("--single-transaction"));
  EXPECT_THAT(plans[0].command, Contains("--master-data=2"));
  const std::vector<std::string> end(plans[0].command.end() - 4, plans[0].command.end());
  EXPECT_THAT(end, ElementsAre("--databases", "--", "-odd", "shop"));
  EXPECT_EQ(plans[1].stored_path, "users.sql");
  server.log_bin = false;
  EXPECT_THAT(plan_mariadb_dumps(settings, server, {"shop"})[0].command,
              Not(Contains("--master-data=2")));
  EXPECT_EQ(plan_mariadb_dumps(settings, server, {}).size(), 1U);
}

TEST(MariadbDump, WhatMariadbDumpWritesOfPluginsIsMended) {
  const std::string dump =
      "-- MariaDB dump\n"
      "INSTALL PLUGIN `simple_password_check` /*M!100401 IF NOT EXISTS */ SONAME 'a_password.so';\n"
      "INSTALL PLUGIN `ed25519` /*M!100401 IF NOT EXISTS */ SONAME 'auth_ed25519.so';\n"
      "CREATE USER IF NOT EXISTS `root`@`localhost`;\n\n";
  EXPECT_EQ(mended_users_dump(dump + "-- Dump completed"),
            "-- MariaDB dump\n"
            "INSTALL PLUGIN /*M!100401 IF NOT EXISTS */ `ed25519` SONAME 'auth_ed25519.so';\n"
            "CREATE USER IF NOT EXISTS `root`@`localhost`;\n\n"
            "INSTALL PLUGIN /*M!100401 IF NOT EXISTS */ `simple_password_check` SONAME "
            "'a_password.so';\n"
            "-- Dump completed");
  EXPECT_EQ(mended_users_dump(""), "");
}

}  // namespace
}  // namespace holdfast
