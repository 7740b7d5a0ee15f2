// Backups that a standby gives, so that the primary does not have to.
#include "postgres/standby.h"

#include <gtest/gtest.h>

#include "postgres/load.h"
#include "postgres/writer.h"

namespace holdfast {
namespace {

// How the standby is read.
class StandbyBackup : public ::testing::TestWithParam<const char*> {};

TEST_P(StandbyBackup, WhatItHadReplayedComesBackAndTheLogGoesOnFromThere) {
  PostgresServer primary(busy());
  primary.start();
  Writer::create_table(primary);
  primary.query(
      "CREATE TABLE pages AS SELECT g AS id, repeat('p', 500) AS v, 0 AS changed "
      "FROM generate_series(1, 8000) AS g");
  const Shop shop(primary);
  shop.back_up();
  PostgresServer standby("standby");
  start_standby(shop, primary, standby);
  shop.configure(Shop::connection(standby) + "      read: " + GetParam() + "\n");
  Background stream = shop.start("stream.log", {"stream", "shop", "--interval", "20ms"});
  stream.wait_for("receiving from");

  Writer writer(primary);
  json backup;
  {
    const Churn churn(primary);
    const std::jthread updates([&](std::stop_token stop) {
      while (!stop.stop_requested()) primary.query("UPDATE pages SET changed = changed + 1");
    });
    writer.wait_for(100);
    backup = shop.back_up();
    // The log has to hold more than the backup.
    writer.wait_for(100);
  }
  writer.stop();
  EXPECT_EQ(standby.query("SELECT count(*) FROM pg_replication_slots WHERE temporary"), "0");
  const std::string end = primary.query("SELECT pg_current_wal_lsn()");
  standby.wait_for("SELECT count(*) FROM pg_stat_replication WHERE flush_lsn >= '" + end + "'",
                   "1");
  EXPECT_EQ(stream.end(SIGTERM), 0) << stream.said();

  PostgresServer alone("restored");
  shop.restore(alone, {"--to-immediate"});
  start_restored(alone);
  EXPECT_EQ(missing_before(end_of_backup(alone), primary, alone), 0u) << alone.log();
  EXPECT_EQ(alone.query("SELECT count(*), count(DISTINCT changed) FROM pages"), "8000|1");
  expect_sound(alone);

  PostgresServer later("restored");
  shop.restore(later);
  start_restored(later);
  EXPECT_EQ(writer.missing_in(later), 0u) << later.log();
  expect_sound(later);
}

INSTANTIATE_TEST_SUITE_P(Ways, StandbyBackup, ::testing::Values("direct", "stream"),
                         [](const auto& way) { return std::string(way.param); });

}  // namespace
}  // namespace holdfast
