// holdfast stream beside a MariaDB server at work: what the vault has after everything else died.
#include <gtest/gtest.h>

#include <csignal>
#include <cstdio>

#include "mariadb/shop.h"
#include "mariadb/writer.h"
#include "os/clock.h"
#include "os/file.h"
#include "source/mariadb/gtid.h"

namespace holdfast {
namespace {

std::uint64_t sequence(const std::string& gtid) {
  return gtid.empty() ? 0 : parse_gtid(gtid).sequence;
}

class MariadbStream : public ::testing::Test {
 protected:
  MariadbStream() { MariadbWriter::create_table(server_); }

  TestMariadb server_;
  MariadbShop shop_{server_};
};

TEST_F(MariadbStream, AfterTheDeathOfAllEverythingPromisedComesBack) {
  Background stream = shop_.stream();
  shop_.back_up();
  const std::uint64_t before = sequence(server_.sql("SELECT @@gtid_binlog_pos"));
  MariadbWriter writer(server_);
  writer.wait_for(1000);
  const std::uint64_t known = sequence(shop_.status().value("durable_gtid", ""));
  while (sequence(shop_.status().value("durable_gtid", "")) <= known) {
    ASSERT_TRUE(stream.running()) << stream.said();
    system_clock().sleep_for(std::chrono::milliseconds{20}, {});
  }
  const std::uint64_t promised = sequence(shop_.status().value("durable_gtid", ""));
  const Duration death = system_clock().monotonic();
  server_.kill();
  stream.end(SIGKILL);
  writer.stop();
  const std::string restored_to = shop_.restore("restored");
  const TestMariadb restored = TestMariadb::on(restored_to);
  const auto loss = writer.loss_in(restored, death);
  EXPECT_GE(promised, before + 100);
  // Each row is one transaction.
  EXPECT_GE(loss.present, promised - before) << stream.said();
  EXPECT_EQ(sequence(restored.sql("SELECT @@gtid_slave_pos")), before + loss.present);
  EXPECT_LT(loss.age, std::chrono::seconds{10});
  std::printf("%lu rows acknowledged, %lu of them in the last %.0f ms are lost\n",
              writer.acknowledged(), loss.rows,
              std::chrono::duration<double, std::milli>(loss.age).count());
}

TEST_F(MariadbStream, AfterItsOwnDeathsAndRotationsThereIsNoGap) {
  MariadbWriter writer(server_);
  {
    Background stream = shop_.stream();
    shop_.back_up();
    for (int i = 0; i < 2; ++i) {
      writer.wait_for(200);
      stream.end(SIGKILL);
      server_.run({"FLUSH BINARY LOGS"});
      writer.wait_for(200);  // nobody receives them
      Background next = shop_.stream();
      writer.wait_for(50);
      next.end(SIGKILL);
    }
  }
  Background stream = shop_.stream();
  server_.run({"FLUSH BINARY LOGS"});
  writer.wait_for(50);
  writer.stop();
  shop_.wait_until_durable(server_);
  EXPECT_EQ(stream.end(SIGTERM), 0) << stream.said();
  const std::string wanted = server_.contents();
  server_.kill();
  const TestMariadb restored = TestMariadb::on(shop_.restore("restored"));
  const auto loss = writer.loss_in(restored, {});
  EXPECT_EQ(loss.rows, 0u);
  EXPECT_EQ(loss.present, writer.acknowledged());
  EXPECT_EQ(restored.contents(), wanted);
}

TEST_F(MariadbStream, AServerThatDiedAndAStoreThatWasAwayAreWaitedFor) {
  Background stream = shop_.stream();
  shop_.back_up();
  MariadbWriter before(server_);
  before.wait_for(100);
  ASSERT_EQ(std::rename((shop_ / "vault").c_str(), (shop_ / "away").c_str()), 0);
  stream.wait_for("the log waits");
  before.wait_for(500);
  EXPECT_FALSE(path_exists(shop_ / "vault"));
  ASSERT_EQ(std::rename((shop_ / "away").c_str(), (shop_ / "vault").c_str()), 0);
  server_.kill();
  before.stop();
  stream.wait_for("trying again");
  server_.start();
  MariadbWriter after(server_, 2, 10);
  after.wait_for(100);
  after.stop();
  shop_.wait_until_durable(server_);
  EXPECT_TRUE(stream.running()) << stream.said();
  EXPECT_EQ(stream.end(SIGTERM), 0) << stream.said();
  const std::string wanted = server_.contents();
  const TestMariadb restored = TestMariadb::on(shop_.restore("restored"));
  EXPECT_EQ(before.loss_in(restored, {}).rows, 0u) << stream.said();
  EXPECT_EQ(after.loss_in(restored, {}).rows, 0u) << stream.said();
  EXPECT_EQ(restored.contents(), wanted);
}

TEST_F(MariadbStream, AGapIsAnErrorAndListAndRestoreSayWhatCanBeReached) {
  {
    Background stream = shop_.stream();
    shop_.back_up();
    server_.run({"INSERT INTO shop.written VALUES (1, 1, 'kept')"});
    shop_.wait_until_durable(server_);
    EXPECT_EQ(stream.end(SIGTERM), 0) << stream.said();
  }
  const std::string kept = server_.contents();
  // A server keeps the file that it is sending.
  while (server_.sql("SELECT count(*) FROM information_schema.processlist WHERE command LIKE "
                     "'Binlog Dump%'") != "0") {
    system_clock().sleep_for(std::chrono::milliseconds{5}, {});
  }
  server_.run(
      {"FLUSH BINARY LOGS", "INSERT INTO shop.written VALUES (1, 2, 'lost')", "FLUSH BINARY LOGS"});
  server_.purge_to("binlog.000003");
  server_.run({"INSERT INTO shop.written VALUES (1, 3, 'behind')"});
  Background refused = shop_.start("refused.log", {"stream", "shop"});
  EXPECT_EQ(refused.wait(), 4) << refused.said();
  EXPECT_NE(refused.said().find("no longer has binlog.000001"), std::string::npos)
      << refused.said();
  Background stream = shop_.stream({"--skip-gap"});
  shop_.wait_until_durable(server_);
  EXPECT_EQ(stream.end(SIGTERM), 0) << stream.said();
  const json spans = shop_.expect_json(0, {"list"}).at("recoverable");
  ASSERT_EQ(spans.size(), 1u);
  EXPECT_EQ(spans[0].at("gap"), "the end of binlog.000001");
  // What can be recovered comes back, with a warning; what lies behind is refused.
  const TestMariadb restored = TestMariadb::on(shop_.restore("restored", {}, 3));
  EXPECT_EQ(restored.contents(), kept);
  const Outcome behind = shop_.expect(4, {"restore", "latest:shop", "--target", shop_ / "none",
                                          "--to-gtid", server_.sql("SELECT @@gtid_binlog_pos")});
  EXPECT_NE(behind.err.find("interrupted"), std::string::npos) << behind.err;
  EXPECT_FALSE(path_exists(shop_ / "none"));
}

// File names and GTIDs begin anew, and look as if they belonged to the backup before.
TEST_F(MariadbStream, AnOldBackupIsNotContinuedByTheLogAfterAReset) {
  server_.run({"RESET MASTER", "INSERT INTO shop.written VALUES (1, 1, 'before')"});
  {
    Background stream = shop_.stream();
    shop_.back_up();
    server_.run({"INSERT INTO shop.written VALUES (1, 2, 'behind')"});
    shop_.wait_until_durable(server_);
    EXPECT_EQ(stream.end(SIGTERM), 0) << stream.said();
  }
  const std::string wanted = server_.contents();
  const std::string second = server_.sql("SELECT unix_timestamp()");
  while (std::stoll(server_.sql("SELECT unix_timestamp()")) < std::stoll(second) + 4) {
    system_clock().sleep_for(std::chrono::milliseconds{20}, {});
  }
  server_.run({"RESET MASTER", "INSERT INTO shop.written VALUES (2, 1, 'before')",
               "INSERT INTO shop.written VALUES (2, 2, 'behind')",
               "INSERT INTO shop.written VALUES (2, 3, 'beyond')"});
  Background refused = shop_.start("refused.log", {"stream", "shop"});
  EXPECT_EQ(refused.wait(), 6) << refused.said();
  Background stream = shop_.stream({"--skip-gap"});
  stream.wait_for("skipped");
  while (shop_.status().value("durable_gtid", "") != server_.sql("SELECT @@gtid_binlog_pos")) {
    ASSERT_TRUE(stream.running()) << stream.said();
    system_clock().sleep_for(std::chrono::milliseconds{20}, {});
  }
  EXPECT_EQ(stream.end(SIGTERM), 0) << stream.said();
  const TestMariadb restored = TestMariadb::on(shop_.restore("restored"));
  EXPECT_EQ(restored.contents(), wanted);
}

}  // namespace
}  // namespace holdfast
