// Backups that a standby gives, so that the primary does not have to.
#include "postgres/standby.h"

#include <gtest/gtest.h>

#include "postgres/load.h"
#include "postgres/writer.h"

namespace holdfast {
namespace {

// How the standby is read.
class StandbyBackup : public ::testing::TestWithParam<const char*> {};

TEST(Standby, NeedsAPrimary) {
  PostgresServer server(PostgresOptions{});
  server.start();
  const Shop shop(server);
  shop.back_up();
  PostgresServer standby("standby");
  EXPECT_NE(shop.restore(standby, {"--as", "standby"}, 2).err.find("--primary"), std::string::npos);
}

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

// A standby does not begin a new segment for a backup: what the log has of the last one may be less
// than what the backup has.
TEST(StandbyLog, ALogThatEndedBeforeItDoesNotTakeItsPlace) {
  PostgresServer primary(PostgresOptions{{"--data-checksums"}, {"autovacuum = off"}});
  primary.start();
  primary.query("CREATE TABLE t AS SELECT 1 AS id");
  const Shop shop(primary);
  shop.back_up();
  PostgresServer standby("standby");
  start_standby(shop, primary, standby);
  shop.configure(Shop::connection(standby));
  Background stream = shop.start("stream.log", {"stream", "shop", "--interval", "20ms"});
  stream.wait_for("receiving from");
  const auto insert = [&](const std::string& id) {
    primary.query("INSERT INTO t VALUES (" + id + ")");
    primary.query("CHECKPOINT");
    return primary.query("SELECT pg_current_wal_lsn()");
  };
  const std::string logged = insert("2");
  standby.wait_for("SELECT count(*) FROM pg_stat_replication WHERE flush_lsn >= '" + logged + "'",
                   "1");
  EXPECT_EQ(stream.end(SIGTERM), 0) << stream.said();
  const std::string last = insert("3");
  standby.wait_for("SELECT pg_last_wal_replay_lsn() >= '" + last + "'", "t");
  shop.back_up();
  ASSERT_EQ(
      primary.query("SELECT pg_walfile_name('" + logged + "') = pg_walfile_name('" + last + "')"),
      "t");
  PostgresServer restored("restored");
  shop.restore(restored);
  start_restored(restored);
  EXPECT_EQ(restored.query("SELECT string_agg(id::text, ' ' ORDER BY id) FROM t"), "1 2 3");
}

// The control file, and what the server says of it, is of the old timeline until the checkpoint
// after the promotion has ended: that may take minutes.
TEST(Promotion, ABackupRightAfterItIsOfTheNewTimeline) {
  PostgresOptions options = busy();
  options.settings.emplace_back("wal_keep_size = 512MB");  // however long the standby is away
  PostgresServer primary(options);
  primary.start();
  primary.query(
      "CREATE TABLE pages AS SELECT g AS id, repeat('p', 500) AS v FROM generate_series(1, 30000) "
      "AS g");
  const Shop shop(primary);
  shop.back_up();
  PostgresServer standby("standby");
  start_standby(shop, primary, standby);
  standby.configure({"checkpoint_timeout = 1h", "checkpoint_completion_target = 1",
                     "max_wal_size = 10GB", "shared_buffers = 128MB"});
  standby.stop();
  standby.start();
  standby.wait_for("SELECT count(*) FROM pg_stat_wal_receiver WHERE status = 'streaming'", "1");
  shop.configure(Shop::connection(standby) + "      read: direct\n");
  Background stream = shop.start("stream.log", {"stream", "shop", "--interval", "20ms"});
  stream.wait_for("receiving from");
  primary.query("UPDATE pages SET v = 'changed'");
  const std::string last = primary.query("SELECT pg_current_wal_flush_lsn()");
  standby.wait_for("SELECT pg_last_wal_replay_lsn() >= '" + last + "'", "t");
  standby.query("SELECT pg_promote()");
  ASSERT_EQ(standby.query("SELECT timeline_id FROM pg_control_checkpoint()"), "1");
  shop.back_up();
  stream.wait_for("goes on with 2");
  standby.query("INSERT INTO pages VALUES (0, 'later')");
  const std::string end = standby.query("SELECT pg_current_wal_flush_lsn()");
  standby.wait_for("SELECT count(*) FROM pg_stat_replication WHERE flush_lsn >= '" + end + "'",
                   "1");
  EXPECT_EQ(stream.end(SIGTERM), 0) << stream.said();
  const Outcome list = shop.expect(0, {"list"});
  EXPECT_EQ(list.out.find("ENDS before"), std::string::npos) << list.out;
  PostgresServer restored("restored");
  shop.restore(restored);
  start_restored(restored);
  EXPECT_EQ(restored.query("SELECT count(*) FROM pages WHERE v <> repeat('p', 500)"), "30001");
}

INSTANTIATE_TEST_SUITE_P(Ways, StandbyBackup, ::testing::Values("direct", "stream"),
                         [](const auto& way) { return std::string(way.param); });

}  // namespace
}  // namespace holdfast
