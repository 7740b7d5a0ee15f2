// Archiving that was turned on after the first backup: the log begins behind the segment in which
// that ends, which nobody archived, and the backup has it.
#include <gtest/gtest.h>

#include <filesystem>

#include "postgres/shop.h"
#include "source/postgres/wal_file.h"

namespace holdfast {
namespace {

constexpr std::uint32_t kMiB = 1u << 20;

class LogStart : public ::testing::Test {
 protected:
  LogStart() {
    server_.start();
    server_.query("CREATE TABLE t (id int)");
    insert(0);
    shop_.emplace(server_);
    back_up();
    const std::string stop = shop_->backups().at(0).at("database").at("stop_lsn");
    const std::string file = server_.query("SELECT pg_walfile_name('" + stop + "'::pg_lsn - 1)");
    own_ = parse_wal_segment(file, kMiB).value();
    server_.stop();
    server_.configure(
        {"archive_mode = on",
         "archive_command = '" + shop_->line({"wal-push", "--source", "shop", "%p"}) + "'"});
    server_.start();
  }
  // The server's user archives.
  void back_up() const {
    shop_->back_up();
    give_to_postgres(*shop_ / "");
  }
  void insert(int id) const { server_.query("INSERT INTO t VALUES (" + std::to_string(id) + ")"); }
  std::string now() const {
    return server_.query(
        "SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', "
        "'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')");
  }
  void archive() const {
    const std::string last = server_.query("SELECT pg_walfile_name(pg_switch_wal())");
    server_.wait_for("SELECT last_archived_wal >= '" + last + "' FROM pg_stat_archiver", "t");
  }
  // The one that comes so many behind the backup's last.
  std::string segment(std::uint64_t behind) const {
    return WalSegment{own_.timeline, own_.number + behind}.name(kMiB);
  }
  void lose(const std::string& segment) const {
    const auto objects = shop_->log_objects(segment);
    ASSERT_EQ(objects.size(), 1u) << segment;
    std::filesystem::remove(objects[0]);
  }
  std::string rows(const std::vector<std::string>& words) const {
    return restored_ids(*shop_, words);
  }

  PostgresServer server_{PostgresOptions{{"--data-checksums", "--wal-segsize=1"}, {}}};
  std::optional<Shop> shop_;
  WalSegment own_;
};

TEST_F(LogStart, TheBackupsOwnSegmentLeadsToTheLog) {
  insert(1);
  const std::string after_1 = now();
  insert(2);
  archive();
  ASSERT_EQ(shop_->log_segments().front(), segment(1));
  const json spans = shop_->expect_json(0, {"list"}).at("recoverable");
  ASSERT_EQ(spans.size(), 1u) << spans.dump(1);
  EXPECT_TRUE(spans[0].at("gap_lsn").is_null()) << spans.dump(1);
  EXPECT_TRUE(spans[0].at("missing_segment").is_null()) << spans.dump(1);
  EXPECT_GE(spans[0].at("to").get<std::string>(), after_1);
  shop_->expect(0, {"validate", "--read-data"});
  EXPECT_EQ(rows({"--to-time", after_1}), "0 1");
  EXPECT_EQ(rows({}), "0 1 2");
  shop_->expect(0, {"prune", "--grace", "0s"});
  EXPECT_EQ(shop_->log_segments().front(), segment(1));
  shop_->expect(0, {"validate", "restore", "latest:shop"});
}

TEST_F(LogStart, WhatIsMissingIsNamed) {
  insert(1);
  archive();
  insert(2);
  const std::string after_2 = now();
  insert(3);
  archive();
  insert(4);
  archive();
  // Among what was stored: damage.
  lose(segment(2));
  const json lost = shop_->expect_json(5, {"validate"});
  ASSERT_EQ(lost.at("findings").size(), 1u) << lost.dump(1);
  EXPECT_NE(lost.dump().find(segment(2) + " is missing"), std::string::npos) << lost.dump(1);
  EXPECT_EQ(shop_->expect_json(0, {"list"}).at("recoverable")[0].at("missing_segment"), segment(2));

  // All that there is comes later: nothing shows that there was more, and a backup is due.
  lose(segment(1));
  const json late = shop_->expect_json(3, {"validate"});
  EXPECT_EQ(late.at("sound"), true);
  const std::string warning = late.at("warnings").at(0);
  EXPECT_NE(warning.find(segment(0) + " to " + segment(2) + " are missing"), std::string::npos)
      << warning;
  const json span = shop_->expect_json(0, {"list"}).at("recoverable").at(0);
  EXPECT_EQ(span.at("missing_segment"), segment(0));
  EXPECT_TRUE(span.at("to").is_null());
  const std::string listed = shop_->expect(0, {"list"}).out;
  EXPECT_NE(listed.find("does NOT lead on"), std::string::npos) << listed;
  const PostgresServer restored("restored");
  const std::string refused = shop_->restore(restored, {"--to-time", after_2}, 4).err;
  EXPECT_NE(refused.find(segment(0) + " is missing"), std::string::npos) << refused;
  EXPECT_NE(refused.find("holdfast backup database shop"), std::string::npos) << refused;
  const std::string alone = shop_->restore(restored, {"--dry-run"}, 3).err;
  EXPECT_NE(alone.find(segment(0) + " is missing"), std::string::npos) << alone;

  back_up();
  insert(5);
  archive();
  shop_->expect(0, {"validate"});
  EXPECT_EQ(rows({}), "0 1 2 3 4 5");
}

}  // namespace
}  // namespace holdfast
