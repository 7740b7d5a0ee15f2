// Recovery to a moment: exactly what was committed until then; and what cannot be reached is said
// before anything is written.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "os/file.h"
#include "postgres/shop.h"

namespace holdfast {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;

// A backup, and behind it a log with the rows 1 2 3 4, each a transaction.
class Recovery : public ::testing::Test {
 protected:
  Recovery() {
    server_.start();
    server_.query("CREATE TABLE t (id int)");
    shop_.emplace(server_);
    before_backup_ = now();
    Background stream = shop_->start("stream.log", {"stream", "shop", "--interval", "20ms"});
    stream.wait_for("receiving from");
    shop_->back_up();
    insert(1);
    after_1_ = now();
    xid_2_ = insert(2);
    after_2_ = server_.query("SELECT pg_current_wal_flush_lsn()");
    server_.query("SELECT pg_create_restore_point('before 3')");
    insert(3);
    // Some whole segments behind it.
    for (int i = 0; i < 3; ++i) {
      server_.query("CREATE TABLE fill_" + std::to_string(i) +
                    " AS SELECT repeat(md5(g::text), 3) FROM generate_series(1, 8000) g");
    }
    insert(4);
    end_ = now();
    server_.query("CHECKPOINT");
    server_.wait_for("SELECT count(*) FROM pg_stat_replication WHERE flush_lsn >= '" +
                         server_.query("SELECT pg_current_wal_flush_lsn()") + "'",
                     "1");
    EXPECT_EQ(stream.end(SIGTERM), 0) << stream.said();
  }

  std::string now() const {
    return server_.query(
        "SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', "
        "'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')");
  }
  // Its transaction's number.
  std::string insert(int id) const {
    return server_.query("INSERT INTO t VALUES (" + std::to_string(id) +
                         ") RETURNING pg_current_xact_id()::xid");
  }

  // The rows after a restore with these options.
  std::string rows(const std::vector<std::string>& words, int code = 0) const {
    return restored_ids(*shop_, words, code);
  }
  static std::string timeline_of(const PostgresServer& server) {
    return server.query("SELECT substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)");
  }
  // In place of the first server: what it has so far.
  void stream_all(const PostgresServer& server) const {
    shop_->configure(Shop::connection(server));
    Background stream = shop_->start("next.log", {"stream", "shop", "--interval", "20ms"});
    stream.wait_for("receiving from");
    server.wait_for("SELECT count(*) FROM pg_stat_replication WHERE flush_lsn >= '" +
                        server.query("SELECT pg_current_wal_flush_lsn()") + "'",
                    "1");
    EXPECT_EQ(stream.end(SIGTERM), 0) << stream.said();
  }
  // What is said; nothing is written.
  std::string refusal(int code, const std::vector<std::string>& words) const {
    const PostgresServer restored("restored");
    const Outcome refused = shop_->restore(restored, words, code);
    EXPECT_FALSE(path_exists(restored.data()));
    return refused.err;
  }
  PostgresServer server_{PostgresOptions{{"--data-checksums", "--wal-segsize=1"}, {}}};
  std::optional<Shop> shop_;
  std::string before_backup_;
  std::string after_1_;
  std::string xid_2_;
  std::string after_2_;
  std::string end_;
};

TEST_F(Recovery, ByTimeGivesWhatWasCommittedBefore) {
  EXPECT_EQ(rows({"--to-time", after_1_}), "1");
  EXPECT_EQ(rows({}), "1 2 3 4");
}

TEST_F(Recovery, ByTransactionWithItAndWithoutIt) {
  EXPECT_EQ(rows({"--to-xid", xid_2_}), "1 2");
  EXPECT_EQ(rows({"--to-xid", xid_2_, "--exclusive"}), "1");
}

TEST_F(Recovery, ByPositionNameAndBackup) {
  EXPECT_EQ(rows({"--to-lsn", after_2_, "--exclusive"}), "1 2");
  EXPECT_EQ(rows({"--to-name", "before 3"}), "1 2");
  const std::string immediate = rows({"--to-immediate"});
  EXPECT_EQ(immediate, "");
}

TEST_F(Recovery, ATargetThatTheServersOwnConfigurationHasIsNoTarget) {
  std::ofstream(server_.data() + "/postgresql.conf", std::ios::app)
      << "recovery_target_time = '2000-01-01'\n";
  shop_->back_up();
  insert(5);
  const std::string after_5 = now();
  insert(6);
  stream_all(server_);
  EXPECT_EQ(rows({}), "1 2 3 4 5 6");
  EXPECT_EQ(rows({"--to-time", after_5}), "1 2 3 4 5");
}

// On the old timeline its log would be taken for that of the server that was backed up.
TEST_F(Recovery, TheBackupAloneBeginsATimelineThatNobodyElseHas) {
  PostgresServer first("first");
  const Outcome said = shop_->restore(first, {"--to-immediate"});
  EXPECT_NE(said.out.find(", without the log"), std::string::npos) << said.out << said.err;
  start_restored(first);
  EXPECT_EQ(timeline_of(first), "00000002") << first.log();
  server_.stop();
  first.query("INSERT INTO t VALUES (100)");
  stream_all(first);
  first.stop();
  EXPECT_EQ(rows({}, 3), "100");  // and names the branch that was left
  EXPECT_EQ(rows({"--timeline", "1"}), "1 2 3 4");
  PostgresServer second("second");
  shop_->restore(second, {"--to-immediate"});
  start_restored(second);
  EXPECT_EQ(timeline_of(second), "00000003") << second.log();
  EXPECT_EQ(second.query("SELECT count(*) FROM t"), "0");
}

// Its timeline begins before the end of what the vault has.
TEST_F(Recovery, TheStreamFollowsAServerThatWasRestoredToAMoment) {
  PostgresServer restored("first");
  shop_->restore(restored, {"--to-time", after_1_});
  start_restored(restored);
  restored.query("INSERT INTO t VALUES (100)");
  stream_all(restored);
  restored.stop();
  EXPECT_EQ(rows({}, 3), "1 100");  // and names the branch that was left
  EXPECT_EQ(rows({"--timeline", "1"}), "1 2 3 4");
}

TEST_F(Recovery, TheBackupAlonePausesToo) {
  PostgresServer restored("restored");
  shop_->restore(restored, {"--to-immediate", "--action", "pause"});
  restored.configure({"hot_standby = on"});
  restored.start();
  restored.wait_for("SELECT pg_is_wal_replay_paused()", "t");
}

TEST_F(Recovery, PausesAndGoesNoFurther) {
  PostgresServer restored("restored");
  shop_->restore(restored, {"--to-name", "before 3", "--action", "pause"});
  restored.configure({"hot_standby = on"});
  restored.start();
  restored.wait_for("SELECT pg_is_wal_replay_paused()", "t");
  EXPECT_EQ(restored.query("SELECT string_agg(id::text, ' ' ORDER BY id) FROM t"), "1 2");
  EXPECT_EQ(restored.query("SELECT pg_is_in_recovery()"), "t");
}

TEST_F(Recovery, WhatCannotBeReachedIsRefusedBeforeAnythingIsWritten) {
  const std::string early = refusal(4, {"--to-time", before_backup_});
  EXPECT_NE(early.find("the backup was made after the moment"), std::string::npos) << early;
  const std::string late = refusal(4, {"--to-time", "2099-01-01T00:00:00Z"});
  EXPECT_NE(late.find("the log ends before the moment"), std::string::npos) << late;
  // The nearest moment, and what can be had.
  EXPECT_NE(late.find("before it there is a commit at " + end_.substr(0, 16)), std::string::npos)
      << late;
  EXPECT_NE(late.find("reach from"), std::string::npos) << late;
  refusal(4, {"--to-xid", "4000000"});
  refusal(4, {"--to-lsn", "FF/0"});
  refusal(4, {"--to-lsn", "0/100"});
  refusal(4, {"--to-name", "no such point"});
  // Nobody knows which moment that is.
  refusal(2, {"--to-time", "2025-11-10 12:00:00"});
  refusal(2, {"--to-time", "2025-11-10T12:00:00"});
  refusal(2, {"--to-lsn", "zz"});
  refusal(2, {"--to-time", after_1_, "--to-xid", xid_2_});
}

TEST_F(Recovery, AMissingSegmentIsNamed) {
  const std::vector<std::string> all = shop_->log_segments();
  ASSERT_GE(all.size(), 4u);
  const std::string name = all[all.size() - 2];
  for (const std::string& object : shop_->log_objects(name)) ASSERT_TRUE(fs::remove(object));
  const std::string said = refusal(4, {"--to-time", end_});
  EXPECT_NE(said.find("the log is interrupted"), std::string::npos) << said;
  EXPECT_NE(said.find(name), std::string::npos) << said;
  // What lies before the hole can be had.
  EXPECT_EQ(rows({"--to-time", after_1_}), "1");
  // A restore to the end of the log must not look as if it were whole.
  const PostgresServer restored("restored");
  const Outcome part = shop_->restore(restored, {"--dry-run"}, 3);
  EXPECT_NE(part.err.find(name + " is missing"), std::string::npos) << part.err;
}

TEST_F(Recovery, WithoutTheLogRightBehindItTheBackupComesBackAlone) {
  const std::vector<std::string> all = shop_->log_segments();
  const std::string behind = server_.query("SELECT pg_walfile_name('" + after_2_ + "')");
  const auto found = std::find(all.begin(), all.end(), behind);
  ASSERT_TRUE(found != all.begin() && found != all.end()) << behind;
  const auto remove = [&](const std::string& segment) {
    for (const std::string& object : shop_->log_objects(segment)) ASSERT_TRUE(fs::remove(object));
  };
  const auto said = [&] {
    PostgresServer restored("restored");
    const std::string warned = shop_->restore(restored, {}, 3).err;
    start_restored(restored);
    EXPECT_EQ(restored.query("SELECT count(*) FROM t"), "0");
    return warned;
  };
  remove(behind);
  EXPECT_THAT(said(),
              AllOf(HasSubstr("recovers what there is"), HasSubstr(behind + " is missing")));
  // That which the backup ends in: it has that itself.
  const std::string own = *(found - 1);
  remove(own);
  EXPECT_THAT(said(), AllOf(HasSubstr("recovers the backup alone"), HasSubstr(" is missing")));
  EXPECT_THAT(refusal(4, {"--to-time", end_}), HasSubstr(" is missing"));
}

TEST_F(Recovery, AnotherClusterUnderTheSameNameIsNoBackupOfIt) {
  PostgresServer other(PostgresOptions{});
  other.start();
  shop_->configure(Shop::connection(other));
  const Outcome refused = shop_->expect(6, {"backup", "database", "shop"});
  EXPECT_NE(refused.err.find("another cluster"), std::string::npos) << refused.err;
  EXPECT_EQ(shop_->backups().size(), 1u);
  // A temporary slot goes with the server's side of a connection, a moment after ours.
  other.wait_for("SELECT count(*) FROM pg_replication_slots", "0");
  shop_->expect(0, {"backup", "database", "shop", "--new-cluster"});
  shop_->expect(0, {"backup", "database", "shop"});
  EXPECT_EQ(shop_->backups().size(), 3u);
}

}  // namespace
}  // namespace holdfast
