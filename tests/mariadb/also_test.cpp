// A copy that gets the log of MariaDB at the same time as the vault: nothing counts as safe before
// both have it.
#include <gtest/gtest.h>

#include <csignal>
#include <filesystem>

#include "mariadb/shop.h"
#include "mariadb/writer.h"
#include "source/mariadb/gtid.h"

namespace holdfast {
namespace {

namespace fs = std::filesystem;

class MariadbAlso : public ::testing::Test {
 protected:
  MariadbAlso() {
    MariadbWriter::create_table(server_);
    shop_.add_west();
  }

  Background stream() const { return shop_.stream({"--also", "west"}); }
  bool is_durable(const std::string& gtid) const {
    return GtidPosition(shop_.status().value("durable_gtid", "")).contains(GtidPosition(gtid));
  }
  // The vault is lost.
  std::string restored_from_west() const {
    fs::remove_all(shop_ / "vault");
    fs::rename(shop_ / "west", shop_ / "vault");
    return shop_.restore("restored");
  }

  TestMariadb server_;
  MariadbShop shop_{server_};
};

TEST_F(MariadbAlso, WhatIsDurableIsInTheCopyAlone) {
  Background stream = this->stream();
  MariadbWriter writer(server_);
  for (int i = 0; i < 3; ++i) {
    writer.wait_for(100);
    server_.run({"FLUSH BINARY LOGS"});
  }
  writer.wait_for(100);
  writer.stop();
  shop_.wait_until_durable(server_);
  EXPECT_EQ(stream.end(SIGKILL), 128 + SIGKILL);
  const std::string wanted = server_.contents();
  server_.kill();
  EXPECT_EQ(TestMariadb::on(restored_from_west()).contents(), wanted);
}

TEST_F(MariadbAlso, NothingIsDurableWhileTheCopyIsAway) {
  Background stream = this->stream();
  MariadbWriter writer(server_);
  writer.wait_for(100);
  fs::rename(shop_ / "west", shop_ / "away");
  stream.wait_for("the log waits");
  writer.wait_for(100);
  writer.stop();
  const std::string wanted = server_.sql("SELECT @@gtid_binlog_pos");
  const int errors = shop_.status().value("errors", 0);
  shop_.await(stream, [&] { return shop_.status().value("errors", 0) > errors + 1; });
  EXPECT_FALSE(is_durable(wanted));
  fs::rename(shop_ / "away", shop_ / "west");
  shop_.await(stream, [&] { return is_durable(wanted); });
  EXPECT_EQ(stream.end(SIGKILL), 128 + SIGKILL);
  const std::string rows = server_.contents();
  server_.kill();
  EXPECT_EQ(TestMariadb::on(restored_from_west()).contents(), rows);
}

// Whichever place it wrote to last: the next run brings both to the same end before it receives.
TEST_F(MariadbAlso, AStreamThatIsKilledAgainAndAgainLeavesBothTheSame) {
  MariadbWriter writer(server_);
  for (int i = 0; i < 6; ++i) {
    Background stream = this->stream();
    writer.wait_for(60);
    if (i % 2 == 0) server_.run({"FLUSH BINARY LOGS"});
    EXPECT_EQ(stream.end(SIGKILL), 128 + SIGKILL);
  }
  // A run of the vault alone, which the copy misses.
  {
    Background stream = shop_.stream();
    writer.wait_for(60);
    EXPECT_EQ(stream.end(SIGTERM), 0) << stream.said();
  }
  Background stream = this->stream();
  writer.wait_for(60);
  writer.stop();
  shop_.wait_until_durable(server_);
  EXPECT_EQ(stream.end(SIGTERM), 0) << stream.said();
  const std::string wanted = server_.contents();
  server_.kill();
  EXPECT_EQ(TestMariadb::on(restored_from_west()).contents(), wanted);
}

}  // namespace
}  // namespace holdfast
