// copy, retention, forget, prune, repair, validate, stats.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <set>

#include "cli/support.h"
#include "os/file.h"

namespace holdfast {
namespace {

using testing::HasSubstr;

class Upkeep : public testing::Test {
 protected:
  void SetUp() override {
    shop_.write("data/a", std::string(20'000, 'a'));
    shop_.init();
    first_ = shop_.backup();
  }
  std::string second_backup() {
    shop_.wait_for_a_new_second();
    shop_.write("data/b", std::string(30'000, 'b'));
    const std::string id = shop_.backup();
    shop_.wait_for_a_new_second();
    return id;
  }
  Workshop shop_;
  std::string first_;
};

TEST_F(Upkeep, ACopyNeedsNoKeyAndRestores) {
  const std::vector<std::string> words{"copy", "--vault",      shop_ / "vault",
                                       "--to", shop_ / "copy", "--json"};
  const json first = shop_.run(words).document().at("copies")[0];
  EXPECT_GT(first.at("objects"), 3);
  EXPECT_EQ(first.at("backups"), 1);
  std::filesystem::remove_all(shop_ / "vault");
  const Outcome back = shop_.run(
      {"cat", "latest", shop_ / "data/a", "--vault", shop_ / "copy", "--key-file", shop_ / "key"});
  EXPECT_EQ(back.out, std::string(20'000, 'a')) << back.err;
}

// Three sources that share nothing; the second one's data is damaged.
TEST_F(Upkeep, ADamagedPackKeepsBackOnlyWhatNeedsIt) {
  const auto packs = [&] {
    std::set<std::string> all;
    for (const auto& file : std::filesystem::recursive_directory_iterator(shop_ / "vault/data")) {
      if (file.is_regular_file()) all.insert(file.path().string());
    }
    return all;
  };
  const auto back_up = [&](const std::string& name) {
    shop_.write(name + "/file", std::string(30'000, name[0]));
    return shop_.expect_json(0, {"backup", "files", shop_ / name})
        .at("backups")[0]
        .at("id")
        .get<std::string>();
  };
  const std::set<std::string> before = packs();
  const std::string damaged = back_up("second");
  std::set<std::string> made = packs();
  for (const std::string& old : before) made.erase(old);
  ASSERT_EQ(made.size(), 1u);
  const std::string third = back_up("third");
  std::filesystem::rename(*made.begin(), shop_ / "lost");

  shop_.write_config("copies:\n  - {name: offsite, url: " + (shop_ / "copy") + "}\n");
  const Outcome text = shop_.expect(5, {"copy"});
  EXPECT_THAT(text.out, HasSubstr("is missing: not copied"));
  EXPECT_THAT(text.out, HasSubstr(damaged + ": left out"));
  EXPECT_THAT(text.err, HasSubstr("1 backup left out of the copy"));
  EXPECT_THAT(text.err, HasSubstr("holdfast repair --from"));
  const json synced = shop_.expect_json(5, {"sync"});
  const json& copy = synced.at("copies")[0];
  EXPECT_EQ(copy.at("left_out").size(), 1u);
  EXPECT_EQ(copy.at("left_out")[0].at("id"), damaged);
  EXPECT_EQ(copy.at("damage").size(), 1u);
  EXPECT_EQ(copy.at("error").at("code"), "corrupt");
  EXPECT_EQ(synced.at("regions").at(1).at("late_backups"), 1);
  const auto at_copy = [&](std::vector<std::string> words) {
    words.insert(words.end(), {"--vault", shop_ / "copy", "--key-file", shop_ / "key"});
    return shop_.run(words);
  };
  EXPECT_EQ(at_copy({"validate", "--read-data"}).code, 0);
  EXPECT_EQ(at_copy({"cat", third, shop_ / "third/file"}).out, std::string(30'000, 't'));

  std::filesystem::rename(shop_ / "lost", *made.begin());
  EXPECT_EQ(shop_.expect_json(0, {"sync"}).at("copies")[0].at("backups"), 1);
  EXPECT_EQ(at_copy({"cat", damaged, shop_ / "second/file"}).out, std::string(30'000, 's'));
  EXPECT_EQ(at_copy({"validate", "--read-data"}).code, 0);
}

TEST_F(Upkeep, ADamagedPackWithoutAKeyKeepsBackAllThatIsNew) {
  const std::string pack = shop_.find_file("vault/data", "");
  shop_.write(pack.substr(shop_.path().size() + 1), "rubbish");
  const Outcome result =
      shop_.run({"copy", "--vault", shop_ / "vault", "--to", shop_ / "copy", "--json"});
  EXPECT_EQ(result.code, 5);
  const json copy = result.document().at("copies")[0];
  EXPECT_EQ(copy.at("left_out")[0].at("id"), first_);
  EXPECT_THAT(copy.at("error").at("hint").get<std::string>(), HasSubstr("--key-file"));
}

TEST_F(Upkeep, ForeignFilesAreAWarning) {
  shop_.write("vault/data/.DS_Store", "x");
  shop_.write("vault/index/notes.txt", "x");
  const Outcome text = shop_.expect(3, {"validate"});
  EXPECT_THAT(text.err, HasSubstr("data/.DS_Store"));
  EXPECT_THAT(text.err, HasSubstr("index/notes.txt"));
  EXPECT_THAT(text.err, HasSubstr("move them away"));
  const json document = shop_.expect_json(3, {"validate"});
  EXPECT_EQ(document.at("foreign").size(), 2u);
  EXPECT_EQ(document.at("sound"), true);
}

TEST_F(Upkeep, AProperNameWithOtherContentIsDamage) {
  shop_.write("vault/index/" + std::string(64, 'a'), "x");
  EXPECT_EQ(shop_.expect_json(5, {"validate"}).at("sound"), false);
}

TEST_F(Upkeep, CopiesOfTheConfigurationHaveNames) {
  shop_.write_config("copies:\n  - {name: second, url: " + (shop_ / "copy") + "}\n");
  EXPECT_EQ(shop_.expect_json(0, {"copy"}).at("copies")[0].at("to"), shop_ / "copy");
  const json again = shop_.expect_json(0, {"copy", "--to", "second", "--verify"});
  EXPECT_EQ(again.at("copies")[0].at("objects"), 0);
  EXPECT_GT(again.at("copies")[0].at("verified_objects"), 3);
}

TEST_F(Upkeep, CheckFindsACopyThatIsTheVault) {
  shop_.write_config("copies:\n  - {name: offsite, url: '" + (shop_ / "vault/") + "'}\n");
  const Outcome result = shop_.expect(10, {"check"});
  EXPECT_THAT(result.out, HasSubstr("the copy 'offsite' is the vault itself"));
  shop_.write_config("copies:\n  - {name: offsite, url: '" + (shop_ / "copy") + "'}\n");
  shop_.expect(0, {"check"});
}

TEST_F(Upkeep, ACopyWantsADestinationThatIsItsOwn) {
  EXPECT_THAT(shop_.expect(2, {"copy"}).err, HasSubstr("--to is missing"));
  ASSERT_EQ(shop_.run({"init", "--vault", shop_ / "v2", "--key-file", shop_ / "key2"}).code, 0);
  EXPECT_EQ(shop_.expect(6, {"copy", "--to", shop_ / "v2"}).code, 6);
}

TEST_F(Upkeep, DryRunsChangeNothing) {
  second_backup();
  const std::string before = shop_.listing("vault");
  const std::string state = shop_.listing("state");
  EXPECT_GT(shop_.expect_json(0, {"copy", "--to", shop_ / "copy", "--dry-run"})
                .at("copies")[0]
                .at("objects"),
            3);
  EXPECT_FALSE(path_exists(shop_ / "copy"));
  shop_.write_config("copies:\n  - {name: offsite, url: " + (shop_ / "copy") + "}\n");
  const json synced = shop_.expect_json(3, {"sync", "--dry-run"});
  EXPECT_GT(synced.at("copies")[0].at("objects"), 3);
  EXPECT_EQ(synced.at("copies")[0].at("dry_run"), true);
  EXPECT_FALSE(path_exists(shop_ / "copy"));
  EXPECT_EQ(
      shop_.expect_json(0, {"retention", "apply", "--keep-last", "1", "--dry-run"}).at("dropped"),
      1);
  EXPECT_EQ(shop_.expect_json(0, {"forget", first_, "--dry-run"}).at("removed").size(), 1u);
  shop_.expect(0, {"prune", "--dry-run", "--grace", "0s"});
  shop_.expect(0, {"repair", "--dry-run"});
  EXPECT_EQ(shop_.listing("vault"), before);
  EXPECT_EQ(shop_.listing("state"), state);
}

TEST_F(Upkeep, LifecycleRulesAreForBuckets) {
  for (const char* verb : {"show", "apply"}) {
    EXPECT_THAT(shop_.expect(11, {"lifecycle", verb}).err, HasSubstr("is a directory"));
  }
}

TEST_F(Upkeep, RetentionExplainsAndRemoves) {
  const std::string second = second_backup();
  const json plan = shop_.expect_json(0, {"retention", "show", "--keep-last", "1"});
  ASSERT_EQ(plan.at("backups").size(), 2u);
  EXPECT_EQ(plan.at("backups")[0].at("id"), first_);
  EXPECT_EQ(plan.at("backups")[0].at("keep"), false);
  EXPECT_EQ(plan.at("backups")[1].at("keep"), true);
  EXPECT_EQ(shop_.expect_json(0, {"retention", "show"}).at("dropped"), 0);
  EXPECT_THAT(shop_.expect(0, {"retention", "apply", "--keep-last", "1"}).out,
              HasSubstr("holdfast prune"));
  const json left = shop_.expect_json(0, {"list"}).at("backups");
  ASSERT_EQ(left.size(), 1u);
  EXPECT_EQ(left[0].at("id"), second);
  EXPECT_EQ(shop_.expect(10, {"retention", "show", "--keep-within", "long"}).code, 10);
  EXPECT_EQ(shop_.expect(2, {"retention", "show", "--keep-last", "-1"}).code, 2);
}

TEST_F(Upkeep, RetentionKeepsTheLastVerifiedBackup) {
  shop_.expect(0, {"validate", first_, "--read-data"});
  second_backup();
  const json plan = shop_.expect_json(0, {"retention", "apply", "--keep-last", "1"});
  EXPECT_EQ(plan.at("dropped"), 0);
  EXPECT_EQ(plan.at("backups")[0].at("reasons")[0], "the last verified");
  EXPECT_EQ(shop_.expect_json(0, {"list"}).at("backups").size(), 2u);
  shop_.expect(0, {"validate", "--read-data"});
  EXPECT_EQ(shop_.expect_json(0, {"retention", "apply", "--keep-last", "1"}).at("dropped"), 1);
}

TEST_F(Upkeep, ForgetKeepsTheLastBackupOfASource) {
  const std::string second = second_backup();
  shop_.expect(0, {"forget", first_});
  EXPECT_THAT(shop_.expect(6, {"forget", "latest"}).err, HasSubstr("--force"));
  shop_.expect(0, {"forget", second, "--force"});
  EXPECT_TRUE(shop_.expect_json(0, {"list"}).at("backups").empty());
  EXPECT_EQ(shop_.expect(4, {"forget", first_}).code, 4);
}

TEST_F(Upkeep, PruneFreesWhatForgettingLeft) {
  const std::string second = second_backup();
  shop_.expect(0, {"forget", second});
  const json result = shop_.expect_json(0, {"prune", "--grace", "0s"});
  EXPECT_GT(result.at("dead_bytes"), 0);
  shop_.expect(0, {"prune", "--grace", "0s"});
  shop_.expect(0, {"validate", "--read-data"});
  EXPECT_EQ(shop_.expect(10, {"prune", "--grace", "long"}).code, 10);
}

TEST_F(Upkeep, ValidateFindsDamageAndRepairHealsIt) {
  shop_.expect(0, {"copy", "--to", shop_ / "copy"});
  const json good = shop_.expect_json(0, {"validate", "--read-data"});
  EXPECT_TRUE(good.at("sound").get<bool>());
  EXPECT_TRUE(good.at("content_checked").get<bool>());
  const std::string pack = shop_.find_file("vault", "/data/");
  ASSERT_EQ(::chmod(pack.c_str(), 0600), 0);
  {
    const Fd fd = open_file(pack, O_RDWR);
    Bytes byte(1);
    pread_full(fd.get(), byte, 50, pack);
    byte[0] ^= 1;
    pwrite_full(fd.get(), byte, 50, pack);
  }
  shop_.expect(0, {"validate", "--no-record"});  // the structure is whole
  const json bad = shop_.expect_json(5, {"validate", "latest", "--read-data=100%", "--no-record"});
  EXPECT_FALSE(bad.at("sound").get<bool>());
  EXPECT_EQ(bad.at("error").at("code"), "corrupt");
  const Outcome text = shop_.expect(5, {"validate", "--read-data", "all"});
  EXPECT_THAT(text.err, HasSubstr("holdfast repair --from"));
  shop_.expect(0, {"repair", "--from", shop_ / "copy"});
  shop_.expect(0, {"validate", "--read-data"});
  EXPECT_EQ(shop_.expect(2, {"validate", "--read-data=101"}).code, 2);
}

TEST_F(Upkeep, RepairBringsBackWhatTheVaultCannotBeOpenedWithout) {
  namespace fs = std::filesystem;
  shop_.expect(0, {"copy", "--to", shop_ / "copy"});
  const std::string config = shop_.read("vault/holdfast.json");
  fs::remove_all(shop_ / "vault/keys");
  EXPECT_THAT(shop_.expect(7, {"list"}).err, HasSubstr("repair --from"));
  shop_.expect(0, {"repair", "--from", shop_ / "copy"});
  shop_.expect(0, {"list"});
  for (const std::string& damage : {config.substr(0, 20), std::string("{}"), std::string()}) {
    fs::remove(shop_ / "vault/holdfast.json");
    if (!damage.empty()) shop_.write("vault/holdfast.json", damage);
    EXPECT_NE(shop_.run({"list"}).code, 0);
    shop_.expect(0, {"repair", "--from", shop_ / "copy"});
    EXPECT_EQ(shop_.read("vault/holdfast.json"), config);
    shop_.expect(0, {"validate", "--read-data"});
  }
}

TEST_F(Upkeep, RetentionRefusesToKeepNone) {
  second_backup();
  EXPECT_EQ(shop_.run({"retention", "apply", "--keep-last", "0"}).code, 2);
  EXPECT_EQ(shop_.expect_json(0, {"list"}).at("backups").size(), 2u);
}

TEST_F(Upkeep, RepairTakesNothingFromAnotherVault) {
  namespace fs = std::filesystem;
  ASSERT_EQ(shop_.run({"init", "--vault", shop_ / "other", "--key-file", shop_ / "other-key"}).code,
            0);
  fs::remove(shop_ / "vault/holdfast.json");
  EXPECT_NE(shop_.run({"repair", "--from", shop_ / "other"}).code, 0);
  EXPECT_FALSE(fs::exists(shop_ / "vault/holdfast.json"));
}

TEST_F(Upkeep, StatsCountWhatIsThere) {
  second_backup();
  const json stats = shop_.expect_json(0, {"stats"});
  EXPECT_EQ(stats.at("backups"), 2);
  EXPECT_EQ(stats.at("bytes"), 70'000);
  EXPECT_GT(stats.at("chunks"), 2);
  EXPECT_EQ(stats.at("sources")[0].at("source"), "data");
  EXPECT_EQ(stats.at("stored").at("files").at("objects"), 2);
  EXPECT_THAT(shop_.expect(0, {"stats"}).out, HasSubstr("DEDUP"));
}

}  // namespace
}  // namespace holdfast
