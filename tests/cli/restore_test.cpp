#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <regex>

#include "base/time.h"
#include "cli/support.h"
#include "os/clock.h"
#include "os/file.h"

namespace holdfast {
namespace {

using testing::HasSubstr;

class RestoreCommand : public testing::Test {
 protected:
  void SetUp() override {
    shop_.write("data/a", "first\n");
    shop_.write("data/sub/b", "second\n");
    shop_.init();
    id_ = shop_.backup();
    strip_ = std::to_string(std::count(shop_.path().begin(), shop_.path().end(), '/'));
  }
  // Restores data/ to back/data.
  std::vector<std::string> words(std::vector<std::string> more = {}) const {
    std::vector<std::string> all{"restore", id_, "--target", shop_ / "back", "--strip-components",
                                 strip_};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
  Workshop shop_;
  std::string id_;
  std::string strip_;
};

TEST_F(RestoreCommand, BringsEverythingBack) {
  const json document = shop_.expect_json(0, words());
  EXPECT_EQ(document.at("backup"), id_);
  EXPECT_EQ(document.at("files"), 2);
  EXPECT_EQ(document.at("bytes"), 13);
  EXPECT_EQ(document.at("damaged"), 0);
  EXPECT_EQ(document.at("resumed"), false);
  EXPECT_TRUE(document.at("warnings").empty());
  EXPECT_EQ(shop_.read("back/data/a"), "first\n");
  EXPECT_EQ(shop_.read("back/data/sub/b"), "second\n");
  const std::string log = shop_.read("state/restore/logs/restore-files-" +
                                     format_compact_date(system_clock().now()) + ".log");
  EXPECT_THAT(log, HasSubstr("Duration: "));
  EXPECT_FALSE(std::regex_search(log, std::regex("error|failed", std::regex::icase))) << log;
}

TEST_F(RestoreCommand, OnlyAPart) {
  shop_.expect(0, words({"--include", shop_ / "data/sub"}));
  EXPECT_TRUE(path_exists(shop_ / "back/data/sub/b"));
  EXPECT_FALSE(path_exists(shop_ / "back/data/a"));
  shop_.expect(0, words({"--exclude", "sub", "--overwrite", "if-changed"}));
  EXPECT_TRUE(path_exists(shop_ / "back/data/a"));
  EXPECT_EQ(shop_.expect(4, words({"--include", "/none"})).code, 4);
}

TEST_F(RestoreCommand, ExistingFilesStayUnlessToldOtherwise) {
  shop_.write("back/data/a", "mine\n");
  const json kept = shop_.expect_json(3, words());
  EXPECT_EQ(kept.at("skipped"), 1);
  EXPECT_EQ(shop_.read("back/data/a"), "mine\n");
  shop_.expect(0, words({"--overwrite", "if-changed"}));
  EXPECT_EQ(shop_.read("back/data/a"), "first\n");
  EXPECT_EQ(shop_.expect(2, words({"--overwrite", "maybe"})).code, 2);
}

TEST_F(RestoreCommand, DeleteRemovesTheRest) {
  shop_.expect(0, words());
  shop_.write("back/data/extra", "x");
  const json dry =
      shop_.expect_json(0, words({"--delete", "--overwrite", "if-changed", "--dry-run"}));
  EXPECT_EQ(dry.at("removed"), 1);
  EXPECT_TRUE(path_exists(shop_ / "back/data/extra"));
  shop_.expect(0, words({"--delete", "--overwrite", "if-changed"}));
  EXPECT_FALSE(path_exists(shop_ / "back/data/extra"));
}

TEST_F(RestoreCommand, AMarkThatCannotBeReadIsOfAnotherRestore) {
  for (const char* mark : {R"({"backup": 5})", "[]", "rubbish"}) {
    shop_.write("back/.holdfast-restore.json", mark);
    const Outcome refused = shop_.expect(6, words());
    EXPECT_THAT(refused.err, HasSubstr("remove")) << mark;
    EXPECT_FALSE(path_exists(shop_ / "back/data"));
  }
}

// It crashed here.
TEST_F(RestoreCommand, DeleteIsTriedOnATargetThatIsNotThereYet) {
  const json dry = shop_.expect_json(0, words({"--delete", "--dry-run"}));
  EXPECT_EQ(dry.at("removed"), 0);
  EXPECT_FALSE(path_exists(shop_ / "back"));
}

TEST_F(RestoreCommand, DeleteCleansTheTopOfAStrippedTarget) {
  strip_ = std::to_string(std::stoi(strip_) + 1);
  shop_.expect(0, words());
  ASSERT_TRUE(path_exists(shop_ / "back/sub/b"));
  shop_.write("back/extra", "x");
  shop_.write("back/sub/extra", "x");
  shop_.expect(0, words({"--delete", "--overwrite", "if-changed"}));
  EXPECT_FALSE(path_exists(shop_ / "back/extra"));
  EXPECT_FALSE(path_exists(shop_ / "back/sub/extra"));
  EXPECT_TRUE(path_exists(shop_ / "back/a"));
  EXPECT_TRUE(path_exists(shop_ / "back/sub/b"));
}

TEST_F(RestoreCommand, SaysHowManyEntriesStrippingLeavesOut) {
  EXPECT_EQ(shop_.expect_json(0, words({"--dry-run"})).at("stripped"), 0);
  strip_ = std::to_string(std::stoi(strip_) + 2);
  EXPECT_THAT(shop_.expect(0, words()).out, HasSubstr("1 entry left out"));
  EXPECT_TRUE(path_exists(shop_ / "back/b"));
  EXPECT_EQ(shop_.expect_json(0, words({"--dry-run"})).at("stripped"), 1);
}

TEST_F(RestoreCommand, ADryRunWritesNothing) {
  const std::string vault = shop_.listing("vault");
  const json document = shop_.expect_json(0, words({"--dry-run"}));
  EXPECT_EQ(document.at("files"), 2);
  EXPECT_FALSE(path_exists(shop_ / "back"));
  EXPECT_FALSE(path_exists(shop_ / "state/restore"));
  EXPECT_EQ(shop_.listing("vault"), vault);
}

TEST_F(RestoreCommand, NamesWhatThereIsForAnUnknownBackup) {
  const Outcome result = shop_.expect(4, {"restore", "latest:dat", "--target", shop_ / "back"});
  EXPECT_THAT(result.err, HasSubstr("data"));
  EXPECT_FALSE(path_exists(shop_ / "back"));
}

TEST_F(RestoreCommand, DamageIsReportedAndTheRestComesBack) {
  shop_.write("data/later", std::string(5000, 'x'));
  id_ = shop_.backup();
  // The second backup's data is in a pack of its own: the newest.
  std::string newest;
  std::filesystem::file_time_type time{};
  for (const auto& file : std::filesystem::recursive_directory_iterator(shop_ / "vault/data")) {
    if (!file.is_regular_file() || (!newest.empty() && file.last_write_time() < time)) continue;
    newest = file.path().string();
    time = file.last_write_time();
  }
  std::filesystem::rename(newest, shop_ / "lost");
  const json document = shop_.expect_json(5, words());
  EXPECT_EQ(document.at("damaged"), 1);
  EXPECT_EQ(document.at("files"), 2) << "a damaged file is not restored";
  EXPECT_EQ(document.at("error").at("code"), "corrupt");
  EXPECT_EQ(shop_.read("back/data/a"), "first\n");
  const Outcome text = shop_.expect(5, words({"--overwrite", "if-changed"}));
  EXPECT_THAT(text.out + text.err, HasSubstr("2 files"));
  EXPECT_THAT(text.out + text.err, HasSubstr("1 file came back with a part lost"));

  // Once the vault is whole again, the same command brings the rest.
  std::filesystem::rename(shop_ / "lost", newest);
  shop_.expect(0, words());
  EXPECT_EQ(shop_.read("back/data/later"), std::string(5000, 'x'));
  EXPECT_FALSE(path_exists(shop_ / "back/.holdfast-restore.json"));
}

}  // namespace
}  // namespace holdfast
