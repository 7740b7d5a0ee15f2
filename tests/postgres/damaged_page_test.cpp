// A page that the disk has damaged: every backup names it until it is whole again.
#include <fcntl.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "os/file.h"
#include "postgres/load.h"
#include "postgres/shop.h"

namespace holdfast {
namespace {

constexpr std::uint64_t kPage = 8192;

class DamagedPage : public ::testing::TestWithParam<const char*> {
 protected:
  DamagedPage() : server_(options()) {
    server_.start();
    server_.query(
        "CREATE TABLE pages AS SELECT g AS id, repeat('p', 500) AS v "
        "FROM generate_series(1, 1000) AS g");
    server_.query("VACUUM FREEZE pages");
    server_.query("CHECKPOINT");
    shop_.emplace(server_);
    shop_->configure(Shop::connection(server_) + "      read: " + GetParam() + "\n",
                     "    hooks:\n      on_failure: ['printf \"%s %s %s %s\" \"$HOLDFAST_EVENT\" "
                     "\"$HOLDFAST_STATUS\" \"$HOLDFAST_BACKUP\" \"$HOLDFAST_MESSAGE\" > " +
                         (*shop_ / "alarm") + "']\n");
    table_ = path_of(server_, "pages");
  }

  static PostgresOptions options() {
    return {{"--data-checksums", "--wal-segsize=1"}, {"autovacuum = off"}};
  }
  // What the file has at `offset`, replaced by `bytes`.
  Bytes exchange(std::uint64_t offset, ByteView bytes) const {
    const std::string file = server_.data() + "/" + table_;
    const Fd fd = open_file(file, O_RDWR);
    Bytes before(bytes.size());
    pread_full(fd.get(), before, offset, file);
    pwrite_full(fd.get(), bytes, offset, file);
    return before;
  }
  // The exit code says so, and so do the words, the document and the list.
  void expect_named(const std::string& block) const {
    const Outcome run = shop_->expect(3, {"backup", "database", "shop", "--json"});
    const json backup = json::parse(run.out).at("backups").at(0);
    EXPECT_NE(run.out.find(table_ + " block " + block + ": "), std::string::npos) << run.out;
    const std::string id = backup.at("id");
    // Somebody hears of it who reads no output.
    const std::string alarm(as_text(read_file(*shop_ / "alarm")));
    EXPECT_TRUE(alarm.starts_with("on_failure damaged " + id + " 1 damaged page in the source: "))
        << alarm;
    EXPECT_NE(alarm.find(table_ + " block " + block + ": "), std::string::npos) << alarm;
    std::filesystem::remove(*shop_ / "alarm");
    EXPECT_EQ(shop_->backups().back().at("damaged_pages"), 1);
    EXPECT_NE(shop_->expect(0, {"list"}).out.find("1 damaged page"), std::string::npos);
    const Outcome shown = shop_->expect(0, {"show", id});
    EXPECT_NE(shown.out.find("1 damaged page"), std::string::npos) << shown.out;
  }

  PostgresServer server_;
  std::optional<Shop> shop_;
  std::string table_;
};

TEST_P(DamagedPage, IsNamedByEveryBackupUntilItIsWhole) {
  shop_->back_up();
  const Bytes zeros(64);
  const Bytes content = exchange(7 * kPage + 4096, zeros);
  expect_named("7");
  // Nothing has changed since, so nothing would have to be read.
  expect_named("7");
  expect_named("7");
  exchange(7 * kPage + 4096, content);
  shop_->back_up();
  EXPECT_FALSE(shop_->backups().back().contains("damaged_pages"));
  EXPECT_FALSE(path_exists(*shop_ / "alarm"));
}

// A header that says "changed just now" must not pass for a page that redo replaces.
TEST_P(DamagedPage, WithALaterChangeInItsHeaderIsNamedAsWell) {
  const Bytes later(8, 0x7f);
  exchange(3 * kPage, later);
  expect_named("3");
  expect_named("3");
}

INSTANTIATE_TEST_SUITE_P(Ways, DamagedPage, ::testing::Values("direct", "stream"),
                         [](const auto& way) { return std::string(way.param); });

}  // namespace
}  // namespace holdfast
