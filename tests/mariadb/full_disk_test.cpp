// A restore of MariaDB that has no room is refused while everything at its target is as it was.
#include <gtest/gtest.h>

#include <csignal>
#include <filesystem>
#include <fstream>

#include "mariadb/shop.h"
#include "os/file.h"
#include "os/process.h"
#include "support/small_disk.h"

namespace holdfast {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kMiB = 1 << 20;

class MariadbFullDisk : public ::testing::Test {
 protected:
  // Of some `mib`, in as many transactions.
  void make_large(const std::string& table, int mib) const {
    server_.run({"CREATE DATABASE IF NOT EXISTS shop",
                 "CREATE TABLE shop." + table + " (id INT AUTO_INCREMENT PRIMARY KEY, v TEXT)"});
    const std::string insert =
        "INSERT INTO shop." + table + " (v) SELECT repeat(md5(seq), 32) FROM shop.seq_1_to_1000";
    server_.run(std::vector<std::string>(static_cast<std::size_t>(mib), insert));
  }
  Outcome restore(int code, const std::string& target, const std::vector<std::string>& words = {}) {
    std::vector<std::string> all = {"restore", "latest:shop", "--target", target};
    all.insert(all.end(), words.begin(), words.end());
    return shop_.expect(code, all);
  }

  TestMariadb server_{{"binlog-format=ROW"}};
  MariadbShop shop_{server_};
};

TEST_F(MariadbFullDisk, TheOldServerIsAsItWasAfterARefusal) {
  make_large("large", 42);
  shop_.back_up();
  server_.run({"DROP TABLE shop.large", "CREATE TABLE shop.kept (id INT)",
               "INSERT INTO shop.kept VALUES (4711)"});
  const std::string wanted = server_.contents();
  server_.stop();
  const std::string old = shop_ / "old";
  const TmpfsMount disk(old, bytes_below(server_.data_directory()) + 20 * kMiB);
  if (!disk.mounted()) GTEST_SKIP() << "needs the right to mount";
  ProcessOptions copy;
  copy.argv = {"cp", "-a", server_.data_directory() + "/.", old};
  ASSERT_EQ(run_process(copy).exit_code, 0);

  const std::vector<std::string> over = {"--overwrite", "if-changed", "--delete"};
  const std::string mark = old + "/.holdfast-restore.json";
  const Outcome full = restore(9, old, over);
  EXPECT_NE(full.err.find("--ignore-free-space"), std::string::npos) << full.err;
  EXPECT_FALSE(path_exists(old + "/.holdfast-unfinished"));
  std::vector<std::string> anyhow = over;
  anyhow.emplace_back("--ignore-free-space");
  std::ofstream(mark) << R"({"backup": "backup-20250101-000000-other"})";
  const Outcome other = restore(6, old, anyhow);
  EXPECT_NE(other.err.find("unfinished restore of backup-20250101-000000-other"), std::string::npos)
      << other.err;
  fs::remove(mark);
  ASSERT_TRUE(path_exists(old + "/ibdata1"));
  EXPECT_EQ(TestMariadb::on(old).contents(), wanted);
  // The mark comes first: it does not get there, and the old server stays.
  fill_up(old + "/filler");
  restore(9, old, anyhow);
  EXPECT_TRUE(path_exists(old + "/ibdata1"));
  fs::remove(old + "/filler");
  // Whoever wants to sees it fail.
  restore(9, old, anyhow);
  EXPECT_FALSE(path_exists(old + "/ibdata1"));
  EXPECT_TRUE(path_exists(mark));
}

TEST_F(MariadbFullDisk, FilesAndReplayAreOneSum) {
  {
    Background stream = shop_.stream();
    shop_.back_up();
    make_large("later", 14);
    shop_.wait_until_durable(server_);
    EXPECT_EQ(stream.end(SIGTERM), 0) << stream.said();
  }
  const std::uint64_t files =
      shop_.expect_json(0, {"restore", "latest:shop", "--target", shop_ / "none", "--dry-run"})
          .at("bytes");
  {
    // Room for the files, for twice the log and for the server that replays it, but not for all.
    const TmpfsMount disk(shop_ / "less", files + 140 * kMiB);
    if (!disk.mounted()) GTEST_SKIP() << "needs the right to mount";
    restore(9, shop_ / "less");
    EXPECT_TRUE(fs::is_empty(shop_ / "less"));
  }
  // What the tables grow by comes on top.
  const TmpfsMount disk(shop_ / "enough", files + 200 * kMiB);
  restore(0, shop_ / "enough");
  EXPECT_EQ(TestMariadb::on(shop_ / "enough").contents(), server_.contents());
}

}  // namespace
}  // namespace holdfast
