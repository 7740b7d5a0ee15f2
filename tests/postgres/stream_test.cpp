// holdfast stream beside a server at work: what the vault has after everything else died.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>

#include "os/file.h"
#include "postgres/shop.h"
#include "postgres/writer.h"

namespace holdfast {
namespace {

PostgresOptions small(const std::vector<std::string>& more = {}) {
  PostgresOptions options{{"--data-checksums", "--wal-segsize=1"},
                          {"max_wal_size = 64MB", "min_wal_size = 2MB"}};
  options.settings.insert(options.settings.end(), more.begin(), more.end());
  return options;
}

std::string durable(const PostgresServer& server) {
  return server.query(
      "SELECT max(flush_lsn) FROM pg_stat_replication WHERE application_name = 'holdfast'");
}

// Until the vault has all that `server` has written.
void wait_until_durable(const PostgresServer& server) {
  server.wait_for(
      "SELECT count(*) FROM pg_stat_replication WHERE application_name = 'holdfast' "
      "AND flush_lsn >= '" +
          server.query("SELECT pg_current_wal_flush_lsn()") + "'",
      "1");
}

class Stream : public ::testing::Test {
 protected:
  explicit Stream(const PostgresOptions& options = small()) : server_(options) {
    server_.start();
    Writer::create_table(server_);
    shop_.emplace(server_);
  }

  Background stream(const std::string& interval = "20ms") const {
    return shop_->start("stream.log", {"stream", "shop", "--interval", interval});
  }
  std::size_t remove_log(const std::string& segment) const {
    const std::vector<std::string> objects = shop_->log_objects(segment);
    for (const std::string& object : objects) std::filesystem::remove(object);
    return objects.size();
  }
  // From the vault alone.
  void restore(const std::vector<std::string>& words = {}) {
    const Outcome restored = shop_->restore(restored_, words);
    EXPECT_EQ(restored.out.find("interrupted"), std::string::npos) << restored.out;
    start_restored(restored_);
  }

  PostgresServer server_;
  std::optional<Shop> shop_;
  PostgresServer restored_{"restored"};
};

TEST_F(Stream, AfterTheServersDeathEverythingDurableComesBack) {
  Background stream = this->stream();
  stream.wait_for("receiving from");
  shop_->back_up();
  Writer writer(server_);
  writer.wait_for(1000);
  const std::string promised = durable(server_);
  server_.kill();
  writer.stop();
  EXPECT_EQ(stream.end(SIGTERM), 0) << stream.said();
  // What recover promises is the log's end, not the backup's.
  const json found = shop_->expect_json(0, {"recover", "--from", *shop_ / "vault"});
  const json& source = found.at("sources").at(0);
  EXPECT_EQ(source.at("recovery_point"),
            shop_->expect_json(0, {"list"}).at("recoverable").at(0).at("to"))
      << source.dump(1);
  restore();
  server_.start();
  EXPECT_GT(restored_.query("SELECT count(*) FROM written"), "0");
  EXPECT_EQ(missing_before(promised, server_, restored_), 0u) << stream.said();
  std::printf("%lu rows acknowledged, %lu behind the promised point are lost\n",
              writer.acknowledged(), writer.missing_in(restored_));
}

TEST_F(Stream, AfterItsOwnDeathThereIsNoGap) {
  Writer writer(server_);
  {
    Background stream = this->stream();
    stream.wait_for("receiving from");
    shop_->back_up();
    for (int i = 0; i < 3; ++i) {
      writer.wait_for(500);
      stream.end(SIGKILL);
      writer.wait_for(500);  // nobody receives them
      Background next = this->stream();
      wait_until_durable(server_);
      next.end(SIGKILL);
    }
  }
  Background stream = this->stream();
  writer.wait_for(100);
  writer.stop();
  wait_until_durable(server_);
  EXPECT_EQ(stream.end(SIGTERM), 0) << stream.said();
  server_.kill();
  restore();
  EXPECT_EQ(writer.missing_in(restored_), 0u) << stream.said();
}

TEST_F(Stream, AStoreThatIsAwayForAWhileLosesNothing) {
  Background stream = this->stream();
  stream.wait_for("receiving from");
  shop_->back_up();
  Writer writer(server_);
  writer.wait_for(100);
  shop_->take_vault_away();
  stream.wait_for("the log waits");
  writer.wait_for(5000);
  server_.query("SELECT pg_switch_wal()");
  EXPECT_FALSE(path_exists(*shop_ / "vault"));  // nobody made a new one
  shop_->bring_vault_back();
  writer.stop();
  wait_until_durable(server_);
  EXPECT_TRUE(stream.running()) << stream.said();
  EXPECT_EQ(stream.end(SIGTERM), 0) << stream.said();
  server_.kill();
  restore();
  EXPECT_EQ(writer.missing_in(restored_), 0u) << stream.said();
}

TEST_F(Stream, AStatusThatCannotBeWrittenEndsNothing) {
  Background stream = this->stream();
  stream.wait_for("receiving from");
  const std::string directory = *shop_ / "state/stream";
  std::filesystem::remove_all(directory);
  write_file_atomic(directory, as_bytes("in the way"));
  stream.wait_for("shop.json cannot be written");
  Writer writer(server_);
  writer.wait_for(20);
  writer.stop();
  wait_until_durable(server_);
  EXPECT_TRUE(stream.running()) << stream.said();
  EXPECT_EQ(stream.end(SIGTERM), 0) << stream.said();
}

TEST_F(Stream, AnOutputThatIsFullEndsNothing) {
  Background stream(shop_->command({"stream", "shop"}), *shop_ / "", "/dev/full");
  Writer writer(server_);
  server_.wait_for("SELECT count(*) FROM pg_stat_replication WHERE application_name = 'holdfast'",
                   "1");
  writer.wait_for(20);
  writer.stop();
  wait_until_durable(server_);
  EXPECT_TRUE(stream.running());
  EXPECT_EQ(stream.end(SIGTERM), 0);
}

// A stream that begins again fills what was lost of the vault's log, from the server.
TEST_F(Stream, AHoleInTheLogIsFilled) {
  Background stream = this->stream();
  stream.wait_for("receiving from");
  shop_->back_up();
  Writer writer(server_);
  for (int i = 0; i < 3; ++i) {
    writer.wait_for(20);
    server_.query("SELECT pg_switch_wal()");
  }
  writer.wait_for(20);
  const std::string lost =
      server_.query("SELECT pg_walfile_name(pg_current_wal_lsn() - 2 * 1048576)");
  wait_until_durable(server_);
  EXPECT_EQ(stream.end(SIGTERM), 0) << stream.said();
  ASSERT_GE(remove_log(lost), 1u);

  Background again = this->stream();
  again.wait_for("the log lacked " + lost + ": filled from the server");
  writer.stop();
  wait_until_durable(server_);
  EXPECT_EQ(again.end(SIGTERM), 0) << again.said();
  server_.kill();
  restore();
  EXPECT_EQ(writer.missing_in(restored_), 0u) << again.said();
}

TEST_F(Stream, AHoleThatTheServerCannotFillIsNamed) {
  Background stream = this->stream();
  stream.wait_for("receiving from");
  server_.query("INSERT INTO written VALUES (1, 99, NULL, '')");
  server_.query("SELECT pg_switch_wal()");
  server_.query("INSERT INTO written VALUES (1, 100, NULL, '')");
  const std::string lost = server_.query("SELECT pg_walfile_name(pg_current_wal_lsn())");
  server_.query("SELECT pg_switch_wal()");
  for (int i = 1; i < 4; ++i) {
    server_.query("INSERT INTO written VALUES (1, 100 + " + std::to_string(i) + ", NULL, '')");
    server_.query("SELECT pg_switch_wal()");
  }
  wait_until_durable(server_);
  server_.query("CHECKPOINT");
  server_.wait_for("SELECT count(*) FROM pg_ls_waldir() WHERE name = '" + lost + "'", "0");
  EXPECT_EQ(stream.end(SIGTERM), 0) << stream.said();
  ASSERT_GE(remove_log(lost), 1u);
  Background again = this->stream();
  again.wait_for("the log lacks " + lost + ", and this server has it no longer");
  EXPECT_EQ(again.end(SIGTERM), 0) << again.said();
}

// The server keeps 1 MiB for a slot at most.
class LostWal : public Stream {
 protected:
  LostWal()
      : Stream(small(
            {"max_slot_wal_keep_size = 1MB", "wal_keep_size = 0", "synchronous_commit = on"})) {}

  void lose() const {
    for (int i = 0; i < 4; ++i) {
      server_.query("INSERT INTO written VALUES (7, " + std::to_string(next_++) + ", NULL, '')");
      server_.query("SELECT pg_switch_wal()");
      server_.query("CHECKPOINT");
    }
    server_.wait_for("SELECT wal_status FROM pg_replication_slots", "lost");
  }
  Background skipping() const {
    return shop_->start("skip.log", {"stream", "shop", "--interval", "20ms", "--skip-gap"});
  }

  mutable int next_ = 1;
};

TEST_F(LostWal, IsNamedAndPassedOverOnlyWhenAsked) {
  {
    Background stream = this->stream();
    stream.wait_for("receiving from");
    wait_until_durable(server_);
    EXPECT_EQ(stream.end(SIGTERM), 0) << stream.said();
  }
  lose();
  Background stream = this->stream();
  EXPECT_EQ(stream.wait(), 4) << stream.said();
  EXPECT_NE(stream.said().find("has invalidated the replication slot holdfast_shop"),
            std::string::npos)
      << stream.said();
  EXPECT_NE(stream.said().find("--skip-gap"), std::string::npos) << stream.said();
  // A new slot does not bring back what is gone.
  server_.query("SELECT pg_drop_replication_slot('holdfast_shop')");
  Background dropped = this->stream();
  EXPECT_EQ(dropped.wait(), 4) << dropped.said();
  EXPECT_NE(dropped.said().find("has removed WAL"), std::string::npos) << dropped.said();
  lose();

  Background skipping = this->skipping();
  skipping.wait_for("had been invalidated, and was made anew");
  skipping.wait_for("receiving from");
  server_.query("INSERT INTO written VALUES (8, 1, NULL, '')");
  wait_until_durable(server_);
  EXPECT_EQ(server_.query("SELECT wal_status FROM pg_replication_slots"), "reserved");
  // The next one is not what was asked for.
  skipping.send(SIGSTOP);
  server_.query("SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots");
  server_.wait_for("SELECT active FROM pg_replication_slots", "f");
  lose();
  skipping.send(SIGCONT);
  EXPECT_EQ(skipping.wait(), 4) << skipping.said();
}

TEST_F(Stream, AServerThatComesBackIsFollowed) {
  Background stream = this->stream();
  stream.wait_for("receiving from");
  shop_->back_up();
  Writer before(server_);
  before.wait_for(200);
  server_.kill();
  before.stop();
  server_.start();
  Writer after(server_, 2, 10);
  after.wait_for(200);
  after.stop();
  wait_until_durable(server_);
  EXPECT_EQ(stream.end(SIGTERM), 0) << stream.said();
  server_.kill();
  restore();
  EXPECT_EQ(before.missing_in(restored_), 0u) << stream.said();
  EXPECT_EQ(after.missing_in(restored_), 0u) << stream.said();
}

TEST_F(Stream, ASecondOneOfTheSourceSaysWhatItWaitsForAndTakesOver) {
  Background first = this->stream();
  first.wait_for("receiving from");
  Background second = shop_->start("second.log", {"stream", "shop"});
  second.wait_for("another 'holdfast stream' of this source is at work");
  EXPECT_EQ(first.end(SIGTERM), 0) << first.said();
  second.wait_for("receiving from");
  EXPECT_EQ(second.end(SIGTERM), 0) << second.said();
}

// Somebody restored another server and gave it the name of the first.
TEST_F(Stream, AnotherClusterUnderTheSameNameIsRefused) {
  {
    Background stream = this->stream();
    stream.wait_for("receiving from");
    wait_until_durable(server_);
    EXPECT_EQ(stream.end(SIGTERM), 0) << stream.said();
  }
  PostgresServer other(small());
  other.start();
  shop_->configure(Shop::connection(other));
  Background stream = this->stream();
  EXPECT_EQ(stream.wait(), 6) << stream.said();
  EXPECT_EQ(other.query("SELECT count(*) FROM pg_replication_slots"), "0");
}

class SynchronousStream : public Stream {
 protected:
  SynchronousStream()
      : Stream(small({"synchronous_standby_names = 'holdfast'", "synchronous_commit = local"})) {}
};

// Recovery point zero: whatever was acknowledged is in the vault.
TEST_F(SynchronousStream, KillingEverythingLosesNoAcknowledgedRow) {
  Background stream = this->stream("5ms");
  stream.wait_for("receiving from");
  shop_->back_up();
  Writer writer(server_, 4);  // with synchronous_commit = on, as every PgConnection
  writer.wait_for(300);
  stream.end(SIGKILL);
  server_.kill();
  writer.stop();
  restore();
  EXPECT_EQ(writer.missing_in(restored_), 0u) << stream.said();
  std::printf("%lu rows acknowledged, all are there\n", writer.acknowledged());
}

TEST_F(SynchronousStream, NothingIsAcknowledgedWhileTheStoreIsAway) {
  Background stream = this->stream("5ms");
  stream.wait_for("receiving from");
  shop_->back_up();
  Writer writer(server_, 2);
  writer.wait_for(50);
  shop_->take_vault_away();
  stream.wait_for("the log waits");
  server_.wait_for("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'", "2");
  const std::uint64_t acknowledged = writer.acknowledged();
  stream.end(SIGKILL);
  server_.kill();
  writer.stop();
  EXPECT_EQ(writer.acknowledged(), acknowledged);
  shop_->bring_vault_back();
  restore();
  EXPECT_EQ(writer.missing_in(restored_), 0u) << stream.said();
}

class Promotion : public Stream {
 protected:
  // The stream is beside a standby; its primary archives by command, later.
  Promotion() {
    server_.configure({"archive_mode = on", "wal_keep_size = 64MB"});
    server_.stop();
    server_.start();
    const ProcessResult copied = server_.run(
        "pg_basebackup", {"-D", standby_.data(), "-R", "-c", "fast", "--no-sync", "-X", "stream"});
    EXPECT_EQ(copied.exit_code, 0) << copied.error_output;
    standby_.configure({"archive_mode = off"});
    standby_.start();
  }

  void archive_from_now() const {
    give_to_postgres(*shop_ / "");
    server_.configure(
        {"archive_command = '" + shop_->line({"wal-push", "--source", "shop", "%p"}) + "'"});
    server_.query("SELECT pg_reload_conf()");
  }

  PostgresServer standby_{"standby"};
};

TEST_F(Promotion, IsFollowedAndBothBranchesComeBack) {
  shop_->back_up();
  shop_->configure(Shop::connection(standby_));
  Background stream = this->stream();
  stream.wait_for("receiving from");
  server_.query("INSERT INTO written VALUES (1, 1, NULL, 'both')");
  standby_.wait_for("SELECT count(*) FROM written", "1");
  standby_.query("SELECT pg_promote()");
  stream.wait_for("goes on with 2");
  server_.query("INSERT INTO written VALUES (1, 2, NULL, 'old')");
  standby_.query("INSERT INTO written VALUES (1, 2, NULL, 'new')");
  wait_until_durable(standby_);
  EXPECT_EQ(stream.end(SIGTERM), 0) << stream.said();
  archive_from_now();
  const std::string last = server_.query("SELECT pg_walfile_name(pg_switch_wal())");
  server_.wait_for("SELECT last_archived_wal >= '" + last + "' FROM pg_stat_archiver", "t");
  // Who looks beforehand is told.
  const std::string two = "recoveries end on timeline 2; the log has another branch, timeline 1";
  const Outcome checked = shop_->run({"check", "shop"});
  EXPECT_NE(checked.out.find(two), std::string::npos) << checked.out << checked.err;
  server_.kill();
  standby_.kill();
  std::vector<std::string> recover = {"recover", "--from", *shop_ / "vault"};
  const Outcome listed = shop_->expect(0, recover);
  EXPECT_NE(listed.out.find(two), std::string::npos) << listed.out;
  recover.insert(recover.end(), {"--target", restored_.path() + "/planned", "-n"});
  EXPECT_NE(shop_->expect(3, recover).err.find("recovers timeline 2; the log has another branch"),
            std::string::npos);

  const std::string notes = "SELECT string_agg(note, ' ' ORDER BY n) FROM written";
  // Which of two that go on is a guess, and said.
  const Outcome guessed = shop_->restore(restored_, {}, 3);
  EXPECT_NE((guessed.out + guessed.err).find("--timeline 1"), std::string::npos) << guessed.err;
  start_restored(restored_);
  EXPECT_EQ(restored_.query(notes), "both new") << stream.said();
  PostgresServer branch("branch");
  shop_->restore(branch, {"--timeline", "1"});
  start_restored(branch);
  EXPECT_EQ(branch.query(notes), "both old") << branch.log();
  PostgresServer none("none");
  shop_->restore(none, {"--timeline", "7"}, 4);
  EXPECT_FALSE(path_exists(none.data()));
}

// Promoted, and promoted back: three timelines, each with commits before and after one moment.
TEST_F(Promotion, BackAgainEveryBranchIsReachedToAMoment) {
  const auto write = [](const PostgresServer& server, int n, const std::string& note) {
    server.query("INSERT INTO written VALUES (1, " + std::to_string(n) + ", NULL, '" + note + "')");
  };
  const auto now = [](const PostgresServer& server) {
    return server.query(
        "SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', "
        "'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')");
  };
  shop_->back_up();
  shop_->configure(Shop::connection(standby_));
  Background stream = this->stream();
  stream.wait_for("receiving from");
  write(server_, 1, "one");
  const std::string before = now(server_);
  write(server_, 2, "both");
  standby_.wait_for("SELECT count(*) FROM written", "2");
  standby_.query("SELECT pg_promote()");
  stream.wait_for("goes on with 2");
  write(server_, 3, "old");
  write(standby_, 3, "new");
  const std::string apart = now(standby_);
  write(server_, 4, "older");
  write(standby_, 4, "newer");

  // The old primary's place is taken by a standby of the new one.
  PostgresServer back("back");
  const ProcessResult copied = standby_.run(
      "pg_basebackup", {"-D", back.data(), "-R", "-c", "fast", "--no-sync", "-X", "stream"});
  ASSERT_EQ(copied.exit_code, 0) << copied.error_output;
  back.configure({"archive_mode = off"});
  back.start();
  back.wait_for("SELECT count(*) FROM written", "4");
  wait_until_durable(standby_);
  EXPECT_EQ(stream.end(SIGTERM), 0) << stream.said();
  // The stream has all of the second timeline, and meets the third one when it comes back.
  back.query("SELECT pg_promote()");
  shop_->configure(Shop::connection(back));
  Background again = shop_->start("again.log", {"stream", "shop", "--interval", "20ms"});
  again.wait_for("goes on with 3");
  write(back, 5, "last");
  const std::string end = now(back);
  write(back, 6, "very last");
  wait_until_durable(back);
  EXPECT_EQ(again.end(SIGTERM), 0) << again.said();
  archive_from_now();
  const std::string last = server_.query("SELECT pg_walfile_name(pg_switch_wal())");
  server_.wait_for("SELECT last_archived_wal >= '" + last + "' FROM pg_stat_archiver", "t");
  for (PostgresServer* server : {&server_, &standby_, &back}) server->kill();

  // Where no timeline is named, one of those that go on is taken, and the others are named.
  const auto notes = [&](const std::vector<std::string>& words) {
    PostgresServer branch("branch");
    const bool named = std::count(words.begin(), words.end(), "--timeline") > 0;
    shop_->restore(branch, words, named ? 0 : 3);
    start_restored(branch);
    return branch.query("SELECT string_agg(note, ' ' ORDER BY n) FROM written");
  };
  EXPECT_EQ(notes({}), "one both new newer last very last");
  EXPECT_EQ(notes({"--to-time", end}), "one both new newer last");
  EXPECT_EQ(notes({"--to-time", apart}), "one both new");
  EXPECT_EQ(notes({"--to-time", apart, "--timeline", "2"}), "one both new");
  EXPECT_EQ(notes({"--to-time", apart, "--timeline", "1"}), "one both old");
  EXPECT_EQ(notes({"--to-time", before, "--timeline", "1"}), "one");
  EXPECT_EQ(notes({"--timeline", "1"}), "one both old older");
}

}  // namespace
}  // namespace holdfast
