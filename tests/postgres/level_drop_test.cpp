// A server that ran with wal_level = minimal for a while: its log of then, which a vault may have,
// cannot be replayed. What came before can be recovered, and what came then from a newer backup.
#include <gtest/gtest.h>

#include "os/file.h"
#include "postgres/shop.h"

namespace holdfast {
namespace {

class LevelDrop : public ::testing::Test {
 protected:
  LevelDrop() {
    server_.start();
    server_.query("CREATE TABLE t (id int)");
    shop_.emplace(server_);
  }

  // The server is started anew with these; what the log says of them is in it then.
  void restart(const std::string& level, int senders) {
    server_.stop();
    server_.configure({"wal_level = " + level, "max_wal_senders = " + std::to_string(senders)});
    server_.start();
  }
  // The rows 1 2 with a log, 10 without one that can be replayed, 20 with one again.
  void run_through_minimal() {
    Background stream = this->stream();
    first_ = shop_->back_up().at("id").get<std::string>();
    insert(1);
    after_1_ = now();
    insert(2);
    end(stream);
    server_.query("SELECT pg_drop_replication_slot('holdfast_shop')");
    restart("minimal", 0);
    insert(10);
    restart("replica", 10);
    after_10_ = now();
    insert(20);
    receive();
  }

  Background stream() const {
    Background stream = shop_->start("stream.log", {"stream", "shop", "--interval", "20ms"});
    stream.wait_for("receiving from");
    return stream;
  }
  void end(Background& stream) const {
    server_.wait_for("SELECT count(*) FROM pg_stat_replication WHERE flush_lsn >= '" +
                         server_.query("SELECT pg_current_wal_flush_lsn()") + "'",
                     "1");
    EXPECT_EQ(stream.end(SIGTERM), 0) << stream.said();
  }
  void receive() const {
    Background stream = this->stream();
    end(stream);
  }
  void insert(int id) const { server_.query("INSERT INTO t VALUES (" + std::to_string(id) + ")"); }
  std::string now() const {
    return server_.query(
        "SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', "
        "'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')");
  }
  json span() const { return shop_->expect_json(0, {"list"}).at("recoverable").at(0); }

  Outcome restore(const PostgresServer& to, const std::string& backup,
                  const std::vector<std::string>& words, int code) const {
    std::vector<std::string> all = {"restore", backup, "--target", to.data()};
    all.insert(all.end(), words.begin(), words.end());
    return shop_->expect(code, all);
  }
  std::string rows(const std::string& backup, const std::vector<std::string>& words = {},
                   int code = 0) const {
    PostgresServer restored("restored");
    restore(restored, backup, words, code);
    start_restored(restored);
    return restored.query("SELECT string_agg(id::text, ' ' ORDER BY id) FROM t");
  }
  void expect_refused(const std::vector<std::string>& words) const {
    const PostgresServer restored("restored");
    const Outcome refused = restore(restored, first_, words, 4);
    EXPECT_NE(refused.err.find("wal_level = minimal"), std::string::npos) << refused.err;
    EXPECT_FALSE(path_exists(restored.data()));
  }

  PostgresServer server_{
      PostgresOptions{{"--data-checksums", "--wal-segsize=1"}, {"wal_keep_size = 64MB"}}};
  std::optional<Shop> shop_;
  std::string first_;
  std::string after_1_;
  std::string after_10_;
};

TEST_F(LevelDrop, EndsWhatOlderBackupsReach) {
  run_through_minimal();
  const json ended = span();
  EXPECT_TRUE(ended.at("wal_level_minimal_lsn").is_string()) << ended.dump();
  EXPECT_EQ(ended.at("end_lsn"), ended.at("wal_level_minimal_lsn"));
  EXPECT_LT(ended.at("to").get<std::string>(), after_10_);
  const Outcome listed = shop_->expect(0, {"list"});
  EXPECT_NE(listed.out.find("CANNOT be replayed"), std::string::npos) << listed.out;

  EXPECT_EQ(rows(first_, {"--to-time", after_1_}), "1");
  // To the end of what can be replayed, and it is said.
  EXPECT_EQ(rows(first_, {}, 3), "1 2");
  expect_refused({"--to-time", after_10_});
  expect_refused({"--to-lsn", server_.query("SELECT pg_current_wal_flush_lsn()")});
  expect_refused({"--as", "standby", "--primary", "host=localhost"});
}

TEST_F(LevelDrop, ANewerBackupLeadsOn) {
  run_through_minimal();
  const Outcome noted = shop_->expect(0, {"validate"});
  EXPECT_NE((noted.out + noted.err).find("no backup is newer"), std::string::npos)
      << noted.out << noted.err;
  Background stream = this->stream();
  const json second = shop_->back_up();
  insert(30);
  end(stream);
  const json again = span();
  EXPECT_TRUE(again.at("wal_level_minimal_lsn").is_null()) << again.dump();
  EXPECT_GT(again.at("from").get<std::string>(), after_10_.substr(0, 19)) << again.dump();
  EXPECT_EQ(rows(second.at("id").get<std::string>()), "1 2 10 20 30");
  EXPECT_EQ(rows(first_, {"--to-time", after_1_}), "1");
}

}  // namespace
}  // namespace holdfast
