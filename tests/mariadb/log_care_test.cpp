// What upkeep does to the binary log: nothing that a kept backup needs goes, and damage is named.
#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <filesystem>

#include "mariadb/shop.h"
#include "os/file.h"

namespace holdfast {
namespace {

namespace fs = std::filesystem;

class MariadbLogCare : public ::testing::Test {
 protected:
  MariadbLogCare() {
    server_.run({"CREATE DATABASE shop", "CREATE TABLE shop.t (id INT PRIMARY KEY)"});
  }

  void insert(int id) { server_.run({"INSERT INTO shop.t VALUES (" + std::to_string(id) + ")"}); }
  bool has(const std::string& binlog) const {
    const auto all = shop_.log_keys();
    return std::any_of(all.begin(), all.end(), [&](const std::string& key) {
      return fs::path(key).filename().string().starts_with(binlog + ".");
    });
  }
  std::string log() {
    const std::string status = server_.sql("SHOW MASTER STATUS");
    return status.substr(0, status.find('\t'));
  }

  TestMariadb server_;
  MariadbShop shop_{server_};
};

TEST_F(MariadbLogCare, PruneLeavesWhatKeptBackupsNeed) {
  Background stream = shop_.stream();
  const std::string oldest = log();
  shop_.back_up();
  const std::string first = shop_.expect_json(0, {"list"}).at("backups").at(0).at("id");
  insert(1);
  server_.run({"FLUSH BINARY LOGS"});
  insert(2);
  server_.run({"FLUSH BINARY LOGS"});
  const std::string kept = log();
  shop_.back_up();
  insert(3);
  shop_.wait_until_durable(server_);
  EXPECT_EQ(stream.end(SIGTERM), 0) << stream.said();
  shop_.expect(0, {"validate", "--read-data"});
  ASSERT_NE(oldest, kept);

  // Both backups are kept: so is the log behind the first.
  shop_.expect(0, {"prune", "--grace", "0s"});
  EXPECT_TRUE(has(oldest));
  shop_.expect(0, {"forget", first, "--yes"});
  shop_.expect(0, {"prune", "--grace", "0s", "--dry-run"});
  EXPECT_TRUE(has(oldest)) << "a dry run removed it";
  shop_.expect(0, {"prune", "--grace", "0s"});
  EXPECT_FALSE(has(oldest));
  EXPECT_TRUE(has(kept));
  shop_.expect(0, {"validate", "--read-data"});
  server_.kill();
  const TestMariadb restored = TestMariadb::on(shop_.restore("restored"));
  EXPECT_EQ(restored.sql("SELECT GROUP_CONCAT(id ORDER BY id) FROM shop.t"), "1,2,3");
}

TEST_F(MariadbLogCare, DamageIsNamed) {
  Background stream = shop_.stream();
  shop_.back_up();
  insert(1);
  shop_.wait_until_durable(server_);
  EXPECT_EQ(stream.end(SIGTERM), 0) << stream.said();
  const std::string victim = shop_ / ("vault/" + shop_.log_keys().back());
  Bytes bytes = read_file(victim);
  bytes[bytes.size() - 5] ^= 1;
  write_file_atomic(victim, bytes, 0444);
  const Outcome found = shop_.expect(5, {"validate", "--read-data"});
  EXPECT_NE((found.out + found.err).find(fs::path(victim).filename().string()), std::string::npos)
      << found.out << found.err;
}

}  // namespace
}  // namespace holdfast
