// What upkeep does to the log, against a server's own: nothing that a kept backup needs goes, and
// what is lost is named and comes back from a copy. A cluster comes back to its old place.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "os/file.h"
#include "postgres/shop.h"

namespace holdfast {
namespace {

namespace fs = std::filesystem;

class LogCare : public ::testing::Test {
 protected:
  LogCare() {
    server_.start();
    server_.query("CREATE TABLE t (id int)");
    shop_.emplace(server_);
  }
  void insert(int id) const { server_.query("INSERT INTO t VALUES (" + std::to_string(id) + ")"); }
  // More than a segment of log.
  void fill() const {
    server_.query("DROP TABLE IF EXISTS fill");
    server_.query("CREATE TABLE fill AS SELECT md5(g::text) FROM generate_series(1, 20000) g");
  }
  void wait_until_durable() const {
    server_.wait_for("SELECT count(*) FROM pg_stat_replication WHERE flush_lsn >= '" +
                         server_.query("SELECT pg_current_wal_flush_lsn()") + "'",
                     "1");
  }
  std::string rows(const std::vector<std::string>& words) const {
    return restored_ids(*shop_, words);
  }

  PostgresServer server_{PostgresOptions{{"--data-checksums", "--wal-segsize=1"}, {}}};
  std::optional<Shop> shop_;
};

TEST_F(LogCare, PruneLeavesWhatKeptBackupsNeedAndACopyMendsTheRest) {
  Background stream = shop_->start("stream.log", {"stream", "shop", "--interval", "20ms"});
  stream.wait_for("receiving from");
  const std::string first = shop_->back_up().at("id");
  insert(1);
  fill();
  shop_->back_up();
  insert(2);
  fill();
  insert(3);
  wait_until_durable();
  EXPECT_EQ(stream.end(SIGTERM), 0) << stream.said();

  const json sound = shop_->expect_json(0, {"validate", "--read-data"});
  EXPECT_EQ(sound.at("log_objects"), sound.at("log_objects_read"));
  EXPECT_GT(sound.at("log_objects"), 4);
  shop_->expect(0, {"copy", "--to", *shop_ / "copy"});

  // Both are kept: only what came before the first one goes.
  const auto pruned = [&] {
    return shop_->expect_json(0, {"prune", "--grace", "0s"}).at("log").at("removed_objects");
  };
  const std::size_t all = shop_->log_segments().size();
  pruned();
  EXPECT_GE(shop_->log_segments().size() + 2, all);
  shop_->expect(0, {"validate", "--read-data"});
  shop_->expect(0, {"forget", first, "--yes"});
  const std::size_t before = shop_->log_segments().size();
  EXPECT_GT(pruned(), 0);
  EXPECT_LT(shop_->log_segments().size(), before);
  shop_->expect(0, {"validate", "--read-data"});
  EXPECT_EQ(rows({}), "1 2 3");

  const std::string name = shop_->log_segments().at(1);
  const std::vector<std::string> lost = shop_->log_objects(name);
  for (const std::string& object : lost) fs::remove(object);
  const json damaged = shop_->expect_json(5, {"validate"});
  ASSERT_EQ(damaged.at("findings").size(), 1u) << damaged.dump(1);
  EXPECT_NE(damaged.at("findings")[0].at("problem").get<std::string>().find(name),
            std::string::npos);
  shop_->expect(0, {"repair", "--from", *shop_ / "copy"});
  EXPECT_EQ(shop_->log_objects(name), lost);
  shop_->expect(0, {"validate", "--read-data"});
  EXPECT_EQ(rows({}), "1 2 3");
}

TEST_F(LogCare, AClusterComesBackToItsOldPlace) {
  const std::string space = server_.path() + "/space";
  fs::create_directory(space);
  give_to_postgres(space);
  server_.query("CREATE TABLESPACE space LOCATION '" + space + "'");
  server_.query("CREATE TABLE s TABLESPACE space AS SELECT 7 AS id");
  Background stream = shop_->start("stream.log", {"stream", "shop", "--interval", "20ms"});
  stream.wait_for("receiving from");
  shop_->back_up();
  insert(1);
  wait_until_durable();
  EXPECT_EQ(stream.end(SIGTERM), 0) << stream.said();

  const std::vector<std::string> recover{"recover", "--from", *shop_ / "vault", "--in-place"};
  EXPECT_NE(shop_->expect(6, recover).err.find("a server runs in"), std::string::npos);
  server_.stop();
  EXPECT_NE(shop_->expect(6, recover).err.find("it holds this cluster"), std::string::npos);
  fs::rename(server_.data(), server_.data() + ".old");
  {
    // Another one took its place.
    PostgresServer other(PostgresOptions{});
    fs::rename(other.data(), server_.data());
    EXPECT_NE(shop_->expect(6, recover).err.find("another cluster"), std::string::npos);
    fs::rename(server_.data(), other.data());
  }
  // The place of the tablespace is taken still.
  shop_->expect(6, recover);
  EXPECT_FALSE(path_exists(server_.data() + "/global/pg_control"));
  fs::rename(space, space + ".old");
  const json back = shop_->expect_json(0, {"recover", "--from", *shop_ / "vault", "--in-place"});
  EXPECT_EQ(back.at("recovered")[0].at("target"), server_.data());
  start_restored(server_);
  EXPECT_EQ(server_.query("SELECT string_agg(id::text, ' ') FROM t"), "1");
  EXPECT_EQ(server_.query("SELECT id FROM s"), "7");
  EXPECT_EQ(server_.query("SELECT pg_tablespace_location(oid) FROM pg_tablespace "
                          "WHERE spcname = 'space'"),
            space);
}

TEST_F(LogCare, ADumpHasNoPlace) {
  shop_->configure(Shop::connection(server_) + "      method: logical\n");
  shop_->back_up();
  const Outcome refused = shop_->expect(2, {"recover", "--from", *shop_ / "vault", "--in-place"});
  EXPECT_NE(refused.err.find("psql"), std::string::npos) << refused.err;
}

TEST_F(LogCare, ANewClusterTakesTheLogOverWhenItIsToldTo) {
  const auto streamed = [&](std::vector<std::string> more, const PostgresServer& server) {
    std::vector<std::string> words{"stream", "shop", "--interval", "20ms"};
    words.insert(words.end(), more.begin(), more.end());
    Background stream = shop_->start("stream.log", words);
    stream.wait_for("receiving from");
    server.query("CREATE TABLE IF NOT EXISTS u (id int)");
    server.wait_for("SELECT count(*) FROM pg_stat_replication WHERE flush_lsn >= '" +
                        server.query("SELECT pg_current_wal_flush_lsn()") + "'",
                    "1");
    EXPECT_EQ(stream.end(SIGTERM), 0) << stream.said();
  };
  streamed({}, server_);
  PostgresServer other(PostgresOptions{{"--wal-segsize=1"}, {}});
  other.start();
  shop_->configure(Shop::connection(other));
  Background refused = shop_->start("refused.log", {"stream", "shop"});
  EXPECT_EQ(refused.wait(), 6);
  EXPECT_NE(refused.said().find("--new-cluster"), std::string::npos) << refused.said();
  streamed({"--new-cluster"}, other);
  streamed({}, other);  // once is enough
}

}  // namespace
}  // namespace holdfast
