// A server of which an old copy of the files was put back: the same system, the same timeline, and
// another log under the names of the first.
#include <gtest/gtest.h>

#include <filesystem>
#include <map>

#include "os/file.h"
#include "postgres/shop.h"
#include "postgres/writer.h"

namespace holdfast {
namespace {

class SetBack : public ::testing::Test {
 protected:
  SetBack() {
    server_.start();
    Writer::create_table(server_);
    shop_.emplace(server_);
  }

  Background stream() const {
    return shop_->start("stream.log", {"stream", "shop", "--interval", "20ms"});
  }
  void keep_files() {
    server_.stop();
    copy(server_.data(), older());
    server_.start();
  }
  void put_back() {
    server_.stop();
    copy(older(), server_.data());
    server_.start();
  }
  void insert(int n) const {
    server_.query("INSERT INTO written VALUES (1, " + std::to_string(n) + ", NULL, '')");
  }
  void receive() const {
    Background stream = this->stream();
    stream.wait_for("receiving from");
    wait_until_durable();
    EXPECT_EQ(stream.end(SIGTERM), 0) << stream.said();
  }
  void wait_until_durable() const {
    server_.wait_for(
        "SELECT count(*) FROM pg_stat_replication WHERE application_name = 'holdfast' "
        "AND flush_lsn >= '" +
            server_.query("SELECT pg_current_wal_flush_lsn()") + "'",
        "1");
  }
  // Every object of the log, with its bytes.
  std::map<std::string, Bytes> log() const {
    std::map<std::string, Bytes> log;
    for (const std::string& segment : shop_->log_segments()) {
      for (const std::string& file : shop_->log_objects(segment)) log[file] = read_file(file);
    }
    return log;
  }
  void expect_refused() const {
    const auto before = log();
    Background again = this->stream();
    EXPECT_EQ(again.wait(), 6) << again.said();
    EXPECT_NE(again.said().find("was set back to an older state, and has gone on"),
              std::string::npos)
        << again.said();
    EXPECT_NE(again.said().find("a new full backup"), std::string::npos) << again.said();
    EXPECT_EQ(log(), before);
    EXPECT_EQ(server_.query("SELECT count(*) FROM pg_replication_slots"), "0");
  }

 private:
  static void copy(const std::string& from, const std::string& to) {
    std::filesystem::remove_all(to);
    std::filesystem::copy(from, to, std::filesystem::copy_options::recursive);
    std::filesystem::permissions(to, std::filesystem::perms(0700));
    give_to_postgres(to);
  }
  std::string older() const { return server_.path() + "/older"; }

 protected:
  PostgresServer server_{PostgresOptions{{"--data-checksums", "--wal-segsize=1"},
                                         {"max_wal_size = 64MB", "min_wal_size = 2MB"}}};
  std::optional<Shop> shop_;
};

// In the segment that the vault has in pieces, the same work at other times.
TEST_F(SetBack, AndGoneOnInTheSameSegmentIsRefused) {
  keep_files();
  insert(1);
  receive();
  put_back();
  insert(1);
  insert(2);
  expect_refused();
}

// Behind whole segments, so that only the one before the vault's end tells.
TEST_F(SetBack, AndGoneOnBehindWholeSegmentsIsRefused) {
  keep_files();
  insert(1);
  server_.query("SELECT pg_switch_wal()");
  receive();
  put_back();
  insert(1);
  server_.query("SELECT pg_switch_wal()");
  insert(2);
  server_.query("SELECT pg_switch_wal()");
  expect_refused();
}

// One that was promoted, or restored, and then set back to before that.
TEST_F(SetBack, ToAnOlderTimelineIsRefused) {
  keep_files();
  server_.stop();
  write_file_atomic(server_.data() + "/standby.signal", {}, 0644);
  give_to_postgres(server_.data());
  server_.start();
  server_.query("SELECT pg_promote()");
  server_.wait_for("SELECT pg_is_in_recovery()", "f");
  insert(1);
  receive();
  put_back();
  const auto before = log();
  Background again = stream();
  EXPECT_EQ(again.wait(), 6) << again.said();
  EXPECT_NE(again.said().find("the server is on timeline 1, and the vault has log of timeline 2"),
            std::string::npos)
      << again.said();
  EXPECT_EQ(log(), before);
}

// What is the same goes on, at any place.
TEST_F(SetBack, AServerThatWasNotIsFollowed) {
  for (int i = 0; i < 3; ++i) {
    insert(i);
    receive();
    server_.query("SELECT pg_switch_wal()");
    receive();
    server_.stop();
    server_.start();
    receive();
  }
}

// Nobody can tell any more, which is said.
TEST_F(SetBack, ALogThatTheServerHasRemovedIsNotCompared) {
  insert(1);
  receive();
  const std::string last = shop_->log_segments().back();
  server_.query("SELECT pg_drop_replication_slot('holdfast_shop')");
  for (int i = 2; i < 6; ++i) {
    insert(i);
    server_.query("SELECT pg_switch_wal()");
  }
  server_.query("CHECKPOINT");
  server_.wait_for("SELECT count(*) FROM pg_ls_waldir() WHERE name = '" + last + "'", "0");
  Background stream = shop_->start("stream.log", {"stream", "shop", "--skip-gap"});
  stream.wait_for("could not be compared");
  stream.wait_for("receiving from");
  EXPECT_EQ(stream.end(SIGTERM), 0) << stream.said();
}

TEST_F(SetBack, AndNotYetAtTheVaultsEndIsRefused) {
  keep_files();
  for (int i = 0; i < 3; ++i) {
    insert(i);
    server_.query("SELECT pg_switch_wal()");
  }
  receive();
  put_back();
  Background again = this->stream();
  EXPECT_EQ(again.wait(), 6) << again.said();
  EXPECT_NE(again.said().find("the server was set back to an older state"), std::string::npos)
      << again.said();
  EXPECT_NE(again.said().find("holdfast restore"), std::string::npos) << again.said();
  // Nobody would read it.
  EXPECT_EQ(server_.query("SELECT count(*) FROM pg_replication_slots"), "0");
}

}  // namespace
}  // namespace holdfast
