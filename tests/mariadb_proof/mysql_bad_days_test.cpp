// MySQL on bad days: restores that are killed or run out of room, and a log that cannot be applied.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <filesystem>

#include "base/error.h"
#include "mariadb_proof/mysql_log.h"
#include "os/file.h"
#include "support/failing_call.h"
#include "support/small_disk.h"

namespace holdfast {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr std::uint64_t kMiB = 1 << 20;

class MysqlBadDays : public MysqlLog {
 protected:
  std::string target() const { return *shop_ / "target"; }
  std::vector<std::string> words() const {
    return {"restore", "latest:shop", "--target", target(), "--to-latest"};
  }
  // Kills a restore once there is `file`.
  void kill_at(const std::string& file) const {
    Background restore = shop_->start("restore.log", words());
    restore.wait_for_file(file);
    restore.end(SIGKILL);
  }
  void expect_no_server() const {
    EXPECT_FALSE(fs::exists(target() + "/ibdata1"));
    EXPECT_FALSE(fs::exists(target() + "/mysql"));
    EXPECT_TRUE(fs::exists(target() + "/.holdfast-restore.json"));
  }
  void expect_finished(const std::string& wanted) const {
    const json done = shop_->expect_json(0, words());
    EXPECT_TRUE(done.at("resumed").get<bool>());
    EXPECT_FALSE(fs::exists(target() + "/.holdfast-unfinished"));
    EXPECT_FALSE(fs::exists(target() + "/.holdfast-restore.json"));
    const auto restored = TestMysql::on(GetParam(), target());
    EXPECT_EQ(contents(*restored), wanted);
  }
  // Some `mib` in one table, each of them a transaction.
  void make_large(const std::string& table, int mib) const {
    server_->run(
        {"CREATE TABLE shop." + table + " (id INT PRIMARY KEY, v LONGBLOB) ENGINE=InnoDB"});
    for (int id = 0; id < mib; ++id) {
      server_->run({"INSERT INTO shop." + table + " VALUES (" + std::to_string(id) +
                    ", REPEAT('v', 1000000))"});
    }
  }
};

TEST_P(MysqlBadDays, ARestoreKilledInTheDumpIsFinishedByTheSameCommand) {
  for (int id = 1; id <= 200; ++id) commit(id);
  {
    Background stream = this->stream();
    shop_->back_up();
    commit(201);
    wait_until_durable(stream);
  }
  const std::string wanted = contents(*server_);
  // Loads a half of the rows, then waits until the test has opened the other end.
  const std::string half = *shop_ / "half";
  const std::string fifo = *shop_ / "fifo";
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  configure(with_client("head -c 15000 | \"$real\" \"$@\"\n: > " + half + "\nread nothing < " +
                        fifo + "\nexit 1\n"));
  kill_at(half);
  const Fd other_end(::open(fifo.c_str(), O_RDWR | O_CLOEXEC));
  expect_no_server();
  EXPECT_TRUE(fs::exists(target() + "/.holdfast-unfinished/data/shop"));
  configure(server_->settings());
  expect_finished(wanted);
}

TEST_P(MysqlBadDays, OneKilledInTheReplayToo) {
  {
    Background stream = this->stream();
    shop_->back_up();
    server_->run({"SET SESSION binlog_format = STATEMENT", "INSERT INTO o_ther.t VALUES (1)",
                  "CREATE TABLE shop.replayed (id INT PRIMARY KEY) ENGINE=InnoDB",
                  // As long in the replay as it was here.
                  "INSERT INTO o_ther.t SELECT 2 + sleep(3)", "INSERT INTO o_ther.t VALUES (3)"});
    wait_until_durable(stream);
  }
  const std::string wanted = contents(*server_);
  kill_at(target() + "/.holdfast-unfinished/data/shop/replayed.ibd");
  expect_no_server();
  expect_finished(wanted);
}

TEST_P(MysqlBadDays, WhatMayNotBeOnTheDiskIsNoServer) {
  {
    Background stream = this->stream();
    shop_->back_up();
    commit(1);
    wait_until_durable(stream);
  }
  const std::string wanted = contents(*server_);
  EXPECT_EQ(run_with_failing_call(shop_->command(words()), SYS_syncfs, EIO, *shop_ / "restore.log"),
            8);
  EXPECT_FALSE(fs::exists(target() + "/ibdata1"));
  expect_finished(wanted);
}

TEST_P(MysqlBadDays, ADiskThatFillsInTheReplayIsNamedAndLeavesNoServer) {
  {
    Background stream = this->stream();
    shop_->back_up();
    make_large("large", 60);
    wait_until_durable(stream);
  }
  const std::string wanted = contents(*server_);
  const std::uint64_t server = bytes_below(restore("dump", {"--to-immediate"}));
  // Room for the dump, and for the log, but not for what is made of it.
  TmpfsMount disk(target(), server + 100 * kMiB);
  ASSERT_TRUE(disk.mounted());
  EXPECT_THAT(shop_->expect(9, words()).err, HasSubstr("--ignore-free-space"));
  EXPECT_TRUE(fs::is_empty(target()));
  std::vector<std::string> anyhow = words();
  anyhow.emplace_back("--ignore-free-space");
  const Outcome full = shop_->expect(9, anyhow);
  EXPECT_THAT(full.err, HasSubstr("this host could not run the restored server"));
  EXPECT_THAT(full.err, HasSubstr("o space left on device"));
  EXPECT_THAT(full.err, Not(HasSubstr("[Warning]")));
  expect_no_server();
  ASSERT_TRUE(disk.resize(server + 600 * kMiB));
  expect_finished(wanted);
}

INSTANTIATE_TEST_SUITE_P(Of, MysqlBadDays, ::testing::ValuesIn(mysql_kinds()),
                         [](const auto& of) { return mysql_kind_name(of.param); });

// What 5.6 does not have.
class NewMysql : public MysqlBadDays {};

std::vector<MysqlKind> new_kinds() {
  std::vector<MysqlKind> kinds = mysql_kinds();
  std::erase(kinds, MysqlKind::k56);
  return kinds;
}

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(NewMysql);

// 5.6 writes such a transaction when it is committed; newer ones when it is prepared.
TEST_P(NewMysql, APreparedTransactionIsWarnedOfAndALogThatNeedsItRefused) {
  Background stream = this->stream();
  server_->run(
      {"XA START 'one'", "INSERT INTO o_ther.t VALUES (1)", "XA END 'one'", "XA PREPARE 'one'"});
  EXPECT_THAT(shop_->expect(3, {"backup", "database", "shop"}).err,
              HasSubstr("prepared and not committed"));
  server_->run({"XA COMMIT 'one'"});
  commit(1);
  wait_until_durable(stream);
  EXPECT_THAT(shop_->expect(10, words()).err, HasSubstr("cannot be applied"));
  expect_no_server();
  shop_->back_up();
  commit(2);
  wait_until_durable(stream);
  const auto restored = TestMysql::on(GetParam(), restore("later", {"--to-latest"}));
  EXPECT_EQ(contents(*restored), contents(*server_));
}

TEST_P(NewMysql, WhenGtidsEndTheStreamSaysSoAndGoesOnBehindANewBackup) {
  Background stream = this->stream();
  shop_->back_up();
  commit(1);
  wait_until_durable(stream);
  server_->run({"SET GLOBAL gtid_mode = ON_PERMISSIVE", "SET GLOBAL gtid_mode = OFF_PERMISSIVE"});
  commit(2);
  EXPECT_NE(stream.wait(), 0);
  EXPECT_THAT(stream.said(), HasSubstr("transactions without GTIDs"));
  const auto before = TestMysql::on(GetParam(), restore("before", {"--to-latest"}));
  EXPECT_EQ(before->rows("SELECT id FROM shop.orders"), "1|\n");
  server_->run({"SET GLOBAL gtid_mode = ON_PERMISSIVE", "SET GLOBAL gtid_mode = ON"});
  // It would be behind transactions that no GTID names.
  EXPECT_THAT(shop_->expect(6, {"stream", "shop"}).err, HasSubstr("FLUSH BINARY LOGS"));
  server_->run({"FLUSH BINARY LOGS"});
  shop_->back_up();
  Background again = this->stream({"--skip-gap"});
  commit(3);
  wait_until_durable(again);
  const auto after = TestMysql::on(GetParam(), restore("after", {"--to-latest"}));
  EXPECT_EQ(contents(*after), contents(*server_));
}

INSTANTIATE_TEST_SUITE_P(Of, NewMysql, ::testing::ValuesIn(new_kinds()),
                         [](const auto& of) { return mysql_kind_name(of.param); });

}  // namespace
}  // namespace holdfast
