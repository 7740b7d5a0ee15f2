// holdfast recover of a place that holds archives of files, with a vault beside them or without.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "cli/support.h"
#include "os/file.h"

namespace holdfast {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class RecoverArchives : public ::testing::Test {
 protected:
  RecoverArchives() {
    shop_.write("data/a", "first\n");
    shop_.write("conf/app.conf", "port 1\n");
  }
  // Two sources; `web` are lines of the first.
  void configure(const std::string& web) const {
    shop_.write_config("sources:\n  - name: web\n    class: files\n    paths: [" +
                       (shop_ / "data") + "]\n" + web +
                       "  - name: conf\n    class: config\n    etc: false\n    paths: [" +
                       (shop_ / "conf") + "]\n    format: archive\n");
  }
  // The file of the new archive of web.
  std::string back_up_web() const {
    shop_.wait_for_a_new_second();
    const json made = shop_.expect_json(0, {"backup", "files"});
    return made.at("archives").at(0).at("id").get<std::string>();
  }
  // On the new machine: its configuration is none of ours.
  Outcome recover(std::vector<std::string> more, bool with_key = false) const {
    std::vector<std::string> words{"recover", "--from", shop_ / "vault", "--log-dir",
                                   shop_ / "logs"};
    if (with_key) words.insert(words.end(), {"--key-file", shop_ / "key"});
    words.insert(words.end(), more.begin(), more.end());
    fs::remove(shop_ / "holdfast.yaml");
    make_directories(shop_ / "tmp");
    return shop_.run(words, {{"TMPDIR", shop_ / "tmp"}});
  }
  json recover_json(int code, std::vector<std::string> more, bool with_key = false) const {
    more.emplace_back("--json");
    const Outcome result = recover(std::move(more), with_key);
    EXPECT_EQ(result.code, code) << result.out << result.err;
    return json::parse(result.out, nullptr, false);
  }
  std::string back(const std::string& source, const std::string& name) const {
    return "back/" + source + shop_.path() + "/" + name;
  }
  void cut(const std::string& archive) const {
    const std::string file = shop_.find_file("vault", archive);
    fs::permissions(file, fs::perms(0644));
    fs::resize_file(file, fs::file_size(file) / 2);
  }

  Workshop shop_;
};

TEST_F(RecoverArchives, AreAllThereIsAndNeedNoKey) {
  configure("    format: archive\n");
  back_up_web();
  shop_.write("data/a", "second\n");
  const std::string newest = back_up_web();
  shop_.expect(0, {"backup", "config"});
  const std::string before = shop_.listing("vault");
  const json listed = recover_json(0, {});
  EXPECT_EQ(listed.at("vault"), nullptr);
  EXPECT_EQ(listed.at("sources").size(), 0u);
  ASSERT_EQ(listed.at("archives").size(), 2u);
  const json& web = listed.at("archives")[1];
  EXPECT_EQ(web.at("class"), "files");
  EXPECT_EQ(web.at("source"), "web");
  EXPECT_EQ(web.at("archives"), 2);
  EXPECT_EQ(web.at("best").at("id"), newest);
  EXPECT_EQ(web.at("best").at("sealed"), false);
  EXPECT_GT(web.at("best").at("size").get<int>(), 0);
  EXPECT_EQ(web.at("superseded_by"), nullptr);
  EXPECT_GE(web.at("age_seconds").get<double>(), 0);
  const Outcome text = recover({"--class", "files"});
  EXPECT_EQ(text.code, 0) << text.err;
  EXPECT_THAT(text.out, AllOf(HasSubstr("SEALED"), HasSubstr(newest), HasSubstr("--target"),
                              Not(HasSubstr("-conf.tar"))));
  EXPECT_EQ(recover({"--source", "wed"}).code, 4);
  EXPECT_EQ(recover({"--no-archives"}).code, 4);
  const json dry = recover_json(0, {"--target", shop_ / "back", "--dry-run"});
  EXPECT_EQ(dry.at("recovered")[1].at("result"), "would be restored");
  EXPECT_FALSE(path_exists(shop_ / "back"));
  const json done = recover_json(0, {"--target", shop_ / "back"});
  ASSERT_EQ(done.at("recovered").size(), 2u);
  EXPECT_EQ(done.at("recovered")[0].at("source"), "conf");
  EXPECT_EQ(done.at("recovered")[1].at("result"), "back");
  EXPECT_EQ(done.at("recovered")[1].at("backup"), newest);
  EXPECT_EQ(shop_.read(back("files/web", "data/a")), "second\n");
  EXPECT_EQ(shop_.read(back("config/conf", "conf/app.conf")), "port 1\n");
  EXPECT_FALSE(path_exists(shop_ / "back/.holdfast-recover.json"));
  EXPECT_EQ(shop_.listing("vault"), before);
  // What exists stays unless told otherwise.
  shop_.write(back("files/web", "data/a"), "mine\n");
  const json kept = recover_json(3, {"--target", shop_ / "back"});
  EXPECT_EQ(kept.at("recovered")[1].at("skipped"), 1);
  EXPECT_EQ(shop_.read(back("files/web", "data/a")), "mine\n");
  recover_json(0, {"--target", shop_ / "back", "--overwrite", "if-changed"});
  EXPECT_EQ(shop_.read(back("files/web", "data/a")), "second\n");
}

TEST_F(RecoverArchives, ComeBackWhereTheVaultHasNothingNewer) {
  shop_.init();
  configure("    format: both\n");
  const json both = shop_.expect_json(0, {"backup", "files"});
  const std::string backup = both.at("backups")[0].at("id");
  // One run, one name.
  EXPECT_EQ(both.at("archives")[0].at("id"), backup + ".tar.gz");
  const json paired = recover_json(0, {}, true);
  EXPECT_EQ(paired.at("archives")[0].at("superseded_by"), backup);
  EXPECT_NE(paired.at("vault"), nullptr);
  const json from_vault = recover_json(0, {"--target", shop_ / "back"}, true);
  ASSERT_EQ(from_vault.at("recovered").size(), 1u);
  EXPECT_EQ(from_vault.at("recovered")[0].at("backup"), backup);
  configure("    format: archive\n");
  shop_.write("data/a", "second\n");
  const std::string newer = back_up_web();
  shop_.expect(0, {"backup", "config"});
  fs::remove_all(shop_ / "back");
  const json mixed = recover_json(0, {"--target", shop_ / "back"}, true);
  ASSERT_EQ(mixed.at("recovered").size(), 2u);
  EXPECT_EQ(mixed.at("recovered")[1].at("backup"), newer);
  EXPECT_EQ(shop_.read(back("files/web", "data/a")), "second\n");
  EXPECT_EQ(shop_.read(back("config/conf", "conf/app.conf")), "port 1\n");
  // As it was before that, or without any.
  fs::remove_all(shop_ / "back");
  recover_json(0, {"--target", shop_ / "back", "--no-archives"}, true);
  EXPECT_EQ(shop_.read(back("files/web", "data/a")), "first\n");
  EXPECT_FALSE(path_exists(shop_ / "back/config"));
}

TEST_F(RecoverArchives, OneThatIsNotWholeIsPassedOver) {
  configure("    format: archive\n");
  const std::string first = back_up_web();
  shop_.write("data/a", "second\n");
  const std::string second = back_up_web();
  shop_.expect(0, {"backup", "config"});
  cut(second);
  const json older = recover_json(3, {"--target", shop_ / "back"});
  EXPECT_EQ(older.at("recovered")[1].at("backup"), first);
  EXPECT_THAT(older.at("recovered")[1].at("not_whole").dump(), HasSubstr(second));
  EXPECT_EQ(shop_.read(back("files/web", "data/a")), "first\n");
  cut(first);
  fs::remove_all(shop_ / "back");
  const json none = recover_json(5, {"--target", shop_ / "back"});
  EXPECT_EQ(none.at("recovered")[1].at("result"), "failed");
  EXPECT_EQ(none.at("recovered")[1].at("error").at("code"), "corrupt");
  // That does not keep the others from coming back.
  EXPECT_EQ(shop_.read(back("config/conf", "conf/app.conf")), "port 1\n");
  EXPECT_FALSE(path_exists(shop_ / "back/files"));
}

TEST_F(RecoverArchives, GoOnWithWhatAnEarlierRunBegan) {
  configure("    format: archive\n");
  const std::string first = back_up_web();
  shop_.write("data/a", "second\n");
  back_up_web();
  const auto record = [&](bool done) {
    const json sources{{"archive/files/web", {{"backup", first}, {"done", done}}}};
    shop_.write("back/.holdfast-recover.json",
                json{{"vault", std::string(32, '0')}, {"sources", sources}}.dump());
  };
  record(true);
  const json before = recover_json(0, {"--target", shop_ / "back"});
  EXPECT_EQ(before.at("recovered")[0].at("result"), "back since before");
  EXPECT_FALSE(path_exists(shop_ / "back/files"));
  // What tar was writing when it was stopped is not taken for somebody's own.
  record(false);
  shop_.write(back("files/web", "data/a"), "fi");
  shop_.write("back/files/web/.holdfast-unpacking-" + first, "new\n");
  const json on = recover_json(0, {"--target", shop_ / "back"});
  EXPECT_EQ(on.at("recovered")[0].at("backup"), first);
  EXPECT_EQ(shop_.read(back("files/web", "data/a")), "first\n");
  EXPECT_FALSE(path_exists(shop_ / "back/.holdfast-recover.json"));
  EXPECT_FALSE(path_exists(shop_ / ("back/files/web/.holdfast-unpacking-" + first)));
}

}  // namespace
}  // namespace holdfast
