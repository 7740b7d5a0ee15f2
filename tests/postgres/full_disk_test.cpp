// A restore that cannot succeed is refused while everything at its target is as it was.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "os/file.h"
#include "postgres/shop.h"
#include "support/small_disk.h"

namespace holdfast {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kMiB = 1 << 20;
constexpr const char* kLaterMoment = "2100-01-01T00:00:00Z";

class FullDisk : public ::testing::Test {
 protected:
  FullDisk() {
    fs::create_directory(places_ / "space");
    give_to_postgres(places_.path());
    server_.start();
    server_.query("CREATE TABLE t AS SELECT 1 AS id");
    shop_.emplace(server_);
  }

  void make_large(const std::string& table, const std::string& more = "") const {
    server_.query("CREATE TABLE " + table + more +
                  " AS SELECT g AS id, repeat('x', 1000) AS v FROM generate_series(1, 14000) AS g");
  }
  // A log of many segments behind it.
  void back_up_with_log() const {
    Background stream = shop_->start("stream.log", {"stream", "shop", "--interval", "20ms"});
    stream.wait_for("receiving from");
    shop_->back_up();
    make_large("later");
    server_.wait_for("SELECT count(*) FROM pg_stat_replication WHERE flush_lsn >= '" +
                         server_.query("SELECT pg_current_wal_flush_lsn()") + "'",
                     "1");
    EXPECT_EQ(stream.end(SIGTERM), 0) << stream.said();
  }
  std::uint64_t size_of_backup() const {
    return shop_
        ->expect_json(0, {"restore", "latest:shop", "--target", *shop_ / "none", "--tablespaces",
                          *shop_ / "spaces", "--dry-run"})
        .at("bytes");
  }

  TempDir places_;
  PostgresServer server_{PostgresOptions{{"--data-checksums", "--wal-segsize=1"}, {}}};
  std::optional<Shop> shop_;
};

TEST_F(FullDisk, TheOldClusterIsAsItWasAfterARefusal) {
  make_large("large");
  shop_->back_up();
  server_.query("DROP TABLE large; INSERT INTO t VALUES (2)");
  server_.query("CHECKPOINT");
  server_.stop();
  PostgresServer old("old");
  const TmpfsMount disk(old.data(), bytes_below(server_.data()) + 4 * kMiB);
  if (!disk.mounted()) GTEST_SKIP() << "needs the right to mount";
  fs::copy(server_.data(), old.data(), fs::copy_options::recursive);
  fs::permissions(old.data(), fs::perms::owner_all);
  give_to_postgres(old.data());

  const std::vector<std::string> over = {"--overwrite", "if-changed", "--delete"};
  const std::string mark = old.data() + "/.holdfast-restore.json";
  const Outcome full = shop_->restore(old, over, 9);
  EXPECT_NE(full.err.find("--ignore-free-space"), std::string::npos) << full.err;
  EXPECT_FALSE(path_exists(mark));
  std::vector<std::string> anyhow = over;
  anyhow.emplace_back("--ignore-free-space");
  std::ofstream(mark) << R"({"backup": "backup-20250101-000000-other"})";
  const Outcome other = shop_->restore(old, anyhow, 6);
  EXPECT_NE(other.err.find("unfinished restore of backup-20250101-000000-other"), std::string::npos)
      << other.err;
  fs::remove(mark);
  start_restored(old);
  EXPECT_EQ(old.query("SELECT count(*) FROM t"), "2");
  EXPECT_EQ(old.query("SELECT to_regclass('large') IS NULL"), "t");
  old.stop();
  // The mark comes first: it does not get there, and the old cluster stays.
  {
    const std::string filler = old.data() + "/filler";
    fill_up(filler);
    shop_->restore(old, anyhow, 9);
    EXPECT_TRUE(path_exists(old.data() + "/global/pg_control"));
    fs::remove(filler);
  }
  // Whoever wants to sees it fail.
  shop_->restore(old, anyhow, 9);
  EXPECT_FALSE(path_exists(old.data() + "/global/pg_control"));
  EXPECT_TRUE(path_exists(mark));
}

TEST_F(FullDisk, FilesAndLogAreOneSum) {
  back_up_with_log();
  ASSERT_GT(shop_->log_segments().size(), 12u);
  PostgresServer restored("restored");
  const TmpfsMount disk(restored.data(), size_of_backup() + 8 * kMiB);
  if (!disk.mounted()) GTEST_SKIP() << "needs the right to mount";
  shop_->restore(restored, {}, 9);
  EXPECT_TRUE(fs::is_empty(restored.data()));
  shop_->restore(restored, {"--to-immediate"});
  start_restored(restored);
  EXPECT_EQ(restored.query("SELECT count(*) FROM t"), "1");
}

TEST_F(FullDisk, TablespacesAreCountedWhereTheyGo) {
  server_.query("CREATE TABLESPACE space LOCATION '" + (places_ / "space") + "'");
  make_large("large", " TABLESPACE space");
  shop_->back_up();
  PostgresServer restored("restored");
  const std::string target = restored.path() + "/disk/target";
  const TmpfsMount disk(restored.path() + "/disk", size_of_backup() - 4 * kMiB);
  const TmpfsMount little(restored.path() + "/little", kMiB);
  if (!disk.mounted() || !little.mounted()) GTEST_SKIP() << "needs the right to mount";
  const auto refused = [&](const std::string& to, const std::string& spaces) {
    const Outcome outcome =
        shop_->expect(9, {"restore", "latest:shop", "--target", to, "--tablespaces", spaces});
    EXPECT_FALSE(path_exists(to)) << outcome.err;
    EXPECT_NE(outcome.err.find(spaces), std::string::npos) << outcome.err;
  };
  refused(restored.data(), restored.path() + "/little");
  refused(target, restored.path() + "/disk/spaces");  // each alone would fit
  shop_->expect(0, {"restore", "latest:shop", "--target", target, "--tablespaces",
                    restored.path() + "/spaces"});
}

// With hooks, everything is known before the application is stopped.
TEST_F(FullDisk, NothingIsStoppedForARestoreThatWouldBeRefused) {
  const std::string turns = *shop_ / "turns";
  const std::string note = "echo $HOLDFAST_EVENT >> " + turns;
  shop_->configure(Shop::connection(server_), "    restore:\n      before: ['" + note +
                                                  "']\n      after: ['" + note +
                                                  "']\n      on_failure: ['" + note + "']\n");
  server_.query("CREATE TABLESPACE space LOCATION '" + (places_ / "space") + "'");
  make_large("large", " TABLESPACE space");
  back_up_with_log();
  const TmpfsMount little(places_ / "little", kMiB);
  if (!little.mounted()) GTEST_SKIP() << "needs the right to mount";
  const std::vector<std::string> over = {"--overwrite", "if-changed", "--delete"};
  const auto refused = [&](int code, std::vector<std::string> words, const std::string& why) {
    words.insert(words.end(), over.begin(), over.end());
    const Outcome outcome = shop_->restore(server_, words, code);
    EXPECT_NE(outcome.err.find(why), std::string::npos) << outcome.err;
    EXPECT_FALSE(path_exists(turns)) << why;
    EXPECT_EQ(shop_->backups().size(), 1u) << why;
  };
  refused(4, {"--to-time", kLaterMoment}, "the log ends before the moment asked for");
  refused(9, {"--tablespaces", places_ / "little"}, "--ignore-free-space");
  const Outcome mixed = shop_->restore(server_, {"--overwrite", "if-changed"}, 6);
  EXPECT_NE(mixed.err.find("add --delete"), std::string::npos) << mixed.err;
  EXPECT_FALSE(path_exists(turns));
  EXPECT_EQ(server_.query("SELECT count(*) FROM t"), "1");
  // That the server runs is no reason before 'before', which might stop it.
  const Outcome runs = shop_->restore(server_, over, 6);
  EXPECT_NE(runs.err.find("a server runs in"), std::string::npos) << runs.err;
  EXPECT_EQ(as_text(read_file(turns)), "restore.before\nrestore.on_failure\n");
  EXPECT_EQ(server_.query("SELECT count(*) FROM t"), "1");
}

}  // namespace
}  // namespace holdfast
