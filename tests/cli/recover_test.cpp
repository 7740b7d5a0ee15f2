// Everything back on a machine that has the program, a copy of the vault and a key.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "base/time.h"
#include "cli/support.h"
#include "os/clock.h"
#include "os/file.h"

namespace holdfast {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::Not;

class RecoverCommand : public testing::Test {
 protected:
  void SetUp() override {
    shop_.write("data/a", "first\n");
    shop_.write("conf/app.conf", "port 1\n");
    shop_.init();
    first_ = backup("files", "data");
    config_ = backup("config", "conf");
    shop_.wait_for_a_new_second();
    between_ = format_rfc3339(system_clock().now());
    shop_.wait_for_a_new_second();
    shop_.write("data/b", std::string(5000, 'b'));
    second_ = backup("files", "data");
    shop_.write("sheet.txt", shop_.expect(0, {"key", "recover-sheet"}).out);
    // The new machine's own configuration is none of ours, and would not even parse.
    shop_.write("holdfast.yaml", "nonsense: [");
  }
  std::string backup(const std::string& backup_class, const std::string& directory) const {
    return shop_.expect_json(0, {"backup", backup_class, shop_ / directory})
        .at("backups")
        .at(0)
        .at("id")
        .get<std::string>();
  }
  Outcome recover(std::vector<std::string> more, bool with_key = true,
                  const std::map<std::string, std::string>& environment = {}) const {
    std::vector<std::string> words{"recover", "--from", shop_ / "vault", "--log-dir",
                                   shop_ / "logs"};
    if (with_key) words.insert(words.end(), {"--key-file", shop_ / "key"});
    words.insert(words.end(), more.begin(), more.end());
    auto all = environment;
    all["TMPDIR"] = shop_ / "tmp";
    make_directories(shop_ / "tmp");
    return shop_.run(words, all);
  }
  json recover_json(int code, std::vector<std::string> more) const {
    more.emplace_back("--json");
    const Outcome result = recover(std::move(more));
    EXPECT_EQ(result.code, code) << result.out << result.err;
    return json::parse(result.out, nullptr, false);
  }
  // Where `name` of the workshop is below the target.
  std::string back(const std::string& source, const std::string& name) const {
    return "back/" + source + shop_.path() + "/" + name;
  }
  // The pack of file content that was written last.
  std::string newest_pack() const {
    std::string newest;
    fs::file_time_type time{};
    for (const auto& file : fs::recursive_directory_iterator(shop_ / "vault/data")) {
      if (!file.is_regular_file() || (!newest.empty() && file.last_write_time() < time)) continue;
      newest = file.path().string();
      time = file.last_write_time();
    }
    return newest;
  }

  Workshop shop_;
  std::string first_;
  std::string second_;
  std::string config_;
  std::string between_;
};

TEST_F(RecoverCommand, ListsWhatCanBeRecovered) {
  const std::string vault = shop_.listing("vault");
  const json document = recover_json(0, {});
  const json& sources = document.at("sources");
  ASSERT_EQ(sources.size(), 2u);
  EXPECT_EQ(sources[0].at("class"), "config");
  EXPECT_EQ(sources[0].at("best").at("id"), config_);
  EXPECT_EQ(sources[1].at("source"), "data");
  EXPECT_EQ(sources[1].at("backups"), 2);
  EXPECT_EQ(sources[1].at("best").at("id"), second_);
  EXPECT_EQ(sources[1].at("best").at("bytes"), 5006);
  EXPECT_TRUE(sources[1].at("whole").get<bool>());
  EXPECT_GE(sources[1].at("age_seconds").get<double>(), 0);
  const Outcome text = recover({"--class", "files"});
  EXPECT_THAT(text.out, HasSubstr(second_));
  EXPECT_THAT(text.out, Not(HasSubstr(config_)));
  EXPECT_THAT(text.out, HasSubstr("holdfast recover --from " + (shop_ / "vault") + " --key-file " +
                                  (shop_ / "key") + " --class files --target"));
  EXPECT_EQ(shop_.listing("vault"), vault);
  EXPECT_TRUE(fs::is_empty(shop_ / "tmp"));
  EXPECT_FALSE(path_exists(shop_ / "logs"));
}

TEST_F(RecoverCommand, BringsEverySourceBackToAPlaceOfItsOwn) {
  const json document = recover_json(0, {"--target", shop_ / "back"});
  ASSERT_EQ(document.at("recovered").size(), 2u);
  for (const json& one : document.at("recovered")) {
    EXPECT_EQ(one.at("result"), "back");
    EXPECT_GE(one.at("recovery_point_age_seconds").get<double>(), 0);
  }
  EXPECT_EQ(document.at("recovered")[1].at("bytes"), 5006);
  EXPECT_GT(document.at("duration_seconds").get<double>(), 0);
  EXPECT_EQ(shop_.read(back("files/data", "data/a")), "first\n");
  EXPECT_EQ(shop_.read(back("files/data", "data/b")), std::string(5000, 'b'));
  EXPECT_EQ(shop_.read(back("config/conf", "conf/app.conf")), "port 1\n");
  EXPECT_FALSE(path_exists(shop_ / "back/.holdfast-recover.json"));
  EXPECT_TRUE(path_exists(shop_ / "logs/restore/logs"));
  EXPECT_TRUE(fs::is_empty(shop_ / "tmp"));
  // The vault is as it was, no lease is left.
  EXPECT_THAT(shop_.listing("vault/lease"), Not(HasSubstr("json")));
}

TEST_F(RecoverCommand, ShowsTheRecoveryTimeToPeople) {
  const Outcome text = recover({"--target", shop_ / "back"});
  EXPECT_EQ(text.code, 0) << text.err;
  EXPECT_THAT(text.out, HasSubstr("RECOVERY POINT AGE"));
  EXPECT_THAT(text.out, HasSubstr("recovery time: "));
}

TEST_F(RecoverCommand, TheRecoverySheetOpensIt) {
  const Outcome by_file = recover({"--recovery-code-file", shop_ / "sheet.txt"}, false);
  EXPECT_EQ(by_file.code, 0) << by_file.err;
  EXPECT_THAT(by_file.out, HasSubstr("--recovery-code-file " + (shop_ / "sheet.txt")));
  const Outcome by_variable = recover({"--target", shop_ / "back"}, false,
                                      {{"HOLDFAST_RECOVERY_CODE", shop_.read("sheet.txt")}});
  EXPECT_EQ(by_variable.code, 0) << by_variable.err;
  EXPECT_EQ(shop_.read(back("files/data", "data/a")), "first\n");
  EXPECT_EQ(recover({}, false).code, 7);
}

TEST_F(RecoverCommand, OnlyAPartAndAsOfAMoment) {
  const json document =
      recover_json(0, {"--target", shop_ / "back", "--source", "data", "--at", between_});
  ASSERT_EQ(document.at("recovered").size(), 1u);
  EXPECT_EQ(document.at("recovered")[0].at("backup"), first_);
  EXPECT_TRUE(path_exists(shop_ / back("files/data", "data/a")));
  EXPECT_FALSE(path_exists(shop_ / back("files/data", "data/b")));
  EXPECT_FALSE(path_exists(shop_ / "back/config"));
  EXPECT_THAT(recover({"--source", "dat"}).err, HasSubstr("did you mean 'data'?"));
  EXPECT_EQ(recover({"--source", "dat"}).code, 4);
  EXPECT_EQ(recover({"--class", "database"}).code, 4);
  EXPECT_EQ(recover({"--at", "2001-01-01"}).code, 4);
}

TEST_F(RecoverCommand, ADryRunWritesNothing) {
  const std::string vault = shop_.listing("vault");
  const json document = recover_json(0, {"--target", shop_ / "back", "--dry-run"});
  EXPECT_EQ(document.at("recovered")[1].at("files"), 2);
  EXPECT_EQ(document.at("recovered")[1].at("result"), "would be restored");
  EXPECT_FALSE(path_exists(shop_ / "back"));
  EXPECT_FALSE(path_exists(shop_ / "logs"));
  EXPECT_EQ(shop_.listing("vault"), vault);
  const json in_place = recover_json(0, {"--in-place", "--dry-run", "--source", "data"});
  EXPECT_EQ(in_place.at("recovered")[0].at("target"), "/");
}

TEST_F(RecoverCommand, ExistingFilesStayUnlessToldOtherwise) {
  shop_.write(back("files/data", "data/a"), "mine\n");
  recover_json(3, {"--target", shop_ / "back"});
  EXPECT_EQ(shop_.read(back("files/data", "data/a")), "mine\n");
  recover_json(0, {"--target", shop_ / "back", "--overwrite", "if-changed"});
  EXPECT_EQ(shop_.read(back("files/data", "data/a")), "first\n");
}

TEST_F(RecoverCommand, GoesOnWithWhatAnEarlierRunBegan) {
  const std::string id = recover_json(0, {}).at("vault").get<std::string>();
  const json record{{"vault", id},
                    {"sources",
                     {{"config/conf", {{"backup", config_}, {"done", true}}},
                      {"files/data", {{"backup", first_}, {"done", false}}}}}};
  shop_.write("back/.holdfast-recover.json", record.dump());
  const json document = recover_json(0, {"--target", shop_ / "back"});
  EXPECT_EQ(document.at("recovered")[0].at("result"), "back since before");
  EXPECT_FALSE(path_exists(shop_ / "back/config"));
  EXPECT_EQ(document.at("recovered")[1].at("backup"), first_);
  EXPECT_FALSE(path_exists(shop_ / "back/.holdfast-recover.json"));
  // The next one begins anew.
  const json again = recover_json(0, {"--target", shop_ / "back"});
  EXPECT_EQ(again.at("recovered")[1].at("backup"), second_);
  shop_.write("back/.holdfast-recover.json", R"({"vault": "00", "sources": {}})");
  EXPECT_EQ(recover({"--target", shop_ / "back"}).code, 6);
}

TEST_F(RecoverCommand, TakesTheNewestBackupThatIsWhole) {
  fs::remove(newest_pack());
  const json list = recover_json(3, {});
  EXPECT_EQ(list.at("sources")[1].at("best").at("id"), first_);
  EXPECT_EQ(list.at("sources")[1].at("not_whole")[0].at("id"), second_);
  const Outcome text = recover({"--target", shop_ / "back"});
  EXPECT_EQ(text.code, 3) << text.err;
  EXPECT_THAT(text.err, HasSubstr(second_ + " is not whole here"));
  EXPECT_EQ(shop_.read(back("files/data", "data/a")), "first\n");
  EXPECT_FALSE(path_exists(shop_ / back("files/data", "data/b")));
}

TEST_F(RecoverCommand, WithoutAWholeBackupItBringsBackWhatItCan) {
  fs::remove_all(shop_ / "vault/data");
  make_directories(shop_ / "vault/data");
  const json document = recover_json(5, {"--target", shop_ / "back"});
  ASSERT_EQ(document.at("recovered").size(), 2u);
  EXPECT_EQ(document.at("recovered")[1].at("result"), "damaged");
  EXPECT_EQ(document.at("recovered")[1].at("backup"), second_);
  EXPECT_EQ(document.at("recovered")[1].at("error").at("code"), "corrupt");
}

TEST_F(RecoverCommand, OneSourceThatFailsDoesNotStopTheOthers) {
  // A file stands where a directory is to be.
  shop_.write("back/config", "in the way");
  const Outcome result = recover({"--target", shop_ / "back"});
  EXPECT_NE(result.code, 0);
  EXPECT_EQ(shop_.read(back("files/data", "data/a")), "first\n");
  EXPECT_THAT(result.err, HasSubstr("config/conf"));
}

TEST_F(RecoverCommand, WritesAConfigurationThatWorks) {
  const Outcome text = recover({"--write-config", shop_ / "new.yaml"});
  ASSERT_EQ(text.code, 0) << text.err;
  EXPECT_EQ(recover({"--write-config", shop_ / "new.yaml"}).code, 6);
  // The tests may run as root, and are to leave nothing in its directories.
  const std::string config = shop_.read("new.yaml") + "state_dir: " + (shop_ / "state") +
                             "\ncache_dir: " + (shop_ / "cache") + "\n";
  shop_.write("used.yaml", config);
  const Outcome list = shop_.run({"list", "--config", shop_ / "used.yaml", "--json"});
  ASSERT_EQ(list.code, 0) << list.err << config;
  EXPECT_EQ(list.document().at("backups").size(), 3u);
  // The stubs are right as soon as they are no comments any more.
  std::string stubs = config;
  for (std::size_t at = stubs.find("\n# sources:"); at != std::string::npos;
       at = stubs.find("\n#", at + 1)) {
    stubs.erase(at + 1, 2);
  }
  shop_.write("full.yaml", stubs);
  const Outcome backup = shop_.run({"backup", "all", "--config", shop_ / "full.yaml", "--json"});
  ASSERT_EQ(backup.code, 0) << backup.err << stubs;
  const json made = backup.document().at("backups");
  ASSERT_EQ(made.size(), 2u);
  EXPECT_EQ(made[0].at("files"), 2);
  EXPECT_EQ(made[1].at("files"), 1);
}

TEST_F(RecoverCommand, SaysWhatIsMissing) {
  EXPECT_THAT(shop_.run({"recover"}).err, HasSubstr("--from is missing"));
  EXPECT_EQ(shop_.run({"recover"}).code, 2);
  EXPECT_EQ(recover({"--target", shop_ / "back", "--in-place"}).code, 2);
  EXPECT_EQ(shop_.run({"recover", "--from", shop_ / "nowhere", "--key-file", shop_ / "key"}).code,
            4);
  EXPECT_EQ(shop_.run({"recover", "--from", shop_ / "data", "--key-file", shop_ / "key"}).code, 4);
  // A configuration that is named is read.
  EXPECT_EQ(recover({"--config", shop_ / "holdfast.yaml"}).code, 10);
}

}  // namespace
}  // namespace holdfast
