// Log that is interrupted between two backups: what can be recovered on both sides, and from which
// backup.
#include <gtest/gtest.h>

#include <filesystem>
#include <sstream>

#include "postgres/shop.h"

namespace holdfast {
namespace {

class Spans : public ::testing::Test {
 protected:
  Spans() {
    server_.start();
    server_.query("CREATE TABLE t (id int)");
    shop_.emplace(server_);
    Background stream = shop_->start("stream.log", {"stream", "shop", "--interval", "20ms"});
    stream.wait_for("receiving from");
    older_ = shop_->back_up().at("id");
    before_gap_ = moment(1);
    next_segment();
    add(1000);
    const std::string lost = server_.query("SELECT pg_walfile_name(pg_current_wal_lsn())");
    next_segment();
    newer_ = shop_->back_up().at("id");
    behind_gap_ = moment(2);
    server_.wait_for("SELECT count(*) FROM pg_stat_replication WHERE flush_lsn >= '" +
                         server_.query("SELECT pg_current_wal_flush_lsn()") + "'",
                     "1");
    EXPECT_EQ(stream.end(SIGTERM), 0) << stream.said();
    for (const std::string& object : shop_->log_objects(lost)) {
      EXPECT_TRUE(std::filesystem::remove(object)) << object;
    }
  }

  void add(int id) { server_.query("INSERT INTO t VALUES (" + std::to_string(id) + ")"); }
  void next_segment() {
    server_.query("SELECT pg_switch_wal()");
    add(0);
  }
  // Between two commits.
  std::string moment(int id) {
    add(id);
    std::string time = server_.query(
        "SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', "
        "'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')");
    add(id + 100);
    return time;
  }
  std::string refusal(const std::string& backup, const std::vector<std::string>& more) const {
    std::vector<std::string> words = {"restore", backup, "--target", restored_.data()};
    words.insert(words.end(), more.begin(), more.end());
    return shop_->expect(4, words).err;
  }

  PostgresServer server_{PostgresOptions{{"--data-checksums", "--wal-segsize=1"}, {}}};
  PostgresServer restored_{"restored"};
  std::optional<Shop> shop_;
  std::string older_;
  std::string newer_;
  std::string before_gap_;
  std::string behind_gap_;
};

TEST_F(Spans, AreAllListedTheNewestFirst) {
  const json spans = shop_->expect_json(0, {"list"}).at("recoverable");
  ASSERT_EQ(spans.size(), 2u) << spans.dump(1);
  EXPECT_EQ(spans[0].at("newest"), true);
  EXPECT_EQ(spans[1].at("newest"), false);
  EXPECT_TRUE(spans[0].at("gap_lsn").is_null());
  EXPECT_FALSE(spans[1].at("gap_lsn").is_null());
  // Times of one form compare as texts.
  const auto time = [](const json& text) { return text.get<std::string>().substr(0, 19); };
  EXPECT_LE(time(spans[1].at("from")), before_gap_.substr(0, 19));
  EXPECT_GE(time(spans[1].at("to")), before_gap_.substr(0, 19));
  EXPECT_LE(time(spans[0].at("from")), behind_gap_.substr(0, 19));
  EXPECT_GE(time(spans[0].at("to")), behind_gap_.substr(0, 19));
  const std::string said = shop_->expect(0, {"list"}).out;
  EXPECT_NE(said.find("shop: there the log was interrupted, at "), std::string::npos) << said;
  EXPECT_EQ(said.find("INTERRUPTED"), std::string::npos) << said;
}

TEST_F(Spans, WhatIsOutOfReachOfOneBackupNamesTheOther) {
  const std::string behind = refusal(older_, {"--to-time", behind_gap_});
  EXPECT_NE(behind.find("interrupted before the moment asked for"), std::string::npos) << behind;
  EXPECT_NE(behind.find(newer_ + " of "), std::string::npos) << behind;
  const std::string before = refusal("latest:shop", {"--to-time", before_gap_});
  EXPECT_NE(before.find("made after the moment asked for"), std::string::npos) << before;
  EXPECT_NE(before.find(older_ + " of "), std::string::npos) << before;
  EXPECT_NE(refusal(newer_, {"--to-time", "2000-01-01T00:00:00Z"})
                .find("no other backup of shop leads to it"),
            std::string::npos);
  EXPECT_NE(refusal(newer_, {"--to-time", "2100-01-01T00:00:00Z"})
                .find("no other backup of shop leads to it"),
            std::string::npos);
  // As it stands there.
  const std::size_t begin = before.find("holdfast restore ");
  ASSERT_NE(begin, std::string::npos) << before;
  std::istringstream typed(before.substr(begin, before.find(';', begin) - begin));
  std::vector<std::string> words;
  for (std::string word; typed >> word;) words.push_back(word);
  words.erase(words.begin());
  shop_->expect(0, words);
  start_restored(restored_);
  EXPECT_EQ(restored_.query("SELECT string_agg(id::text, ',' ORDER BY id) FROM t"), "1");
}

}  // namespace
}  // namespace holdfast
