#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "base/bytes.h"
#include "cli/support.h"
#include "os/file.h"

namespace holdfast {
namespace {

using testing::HasSubstr;
using testing::Not;

class Browse : public testing::Test {
 protected:
  void SetUp() override {
    shop_.write("data/a", "first\n");
    shop_.write("data/sub/b.conf", "second\n");
    shop_.write("data/" + kOddName, "odd\n");
    ASSERT_EQ(::symlink("a", (shop_ / "data/link").c_str()), 0);
    ASSERT_EQ(::link((shop_ / "data/a").c_str(), (shop_ / "data/z-hard").c_str()), 0);
    shop_.init();
    id_ = shop_.backup();
  }
  const std::string kOddName = "odd\xff";
  Workshop shop_;
  std::string id_;
};

TEST_F(Browse, ListsNewestLastAndFilters) {
  shop_.write("other/x", "1");
  shop_.expect(0, {"backup", "files", shop_ / "other"});
  const json all = shop_.expect_json(0, {"list"}).at("backups");
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].at("id"), id_);
  EXPECT_TRUE(all[0].at("verified").is_null());
  EXPECT_EQ(shop_.expect_json(0, {"list", "--source", "other"}).at("backups").size(), 1u);
  EXPECT_EQ(shop_.expect_json(0, {"list", "--class", "config"}).at("backups").size(), 0u);
  EXPECT_EQ(shop_.expect_json(0, {"list", "--since", "1h"}).at("backups").size(), 2u);
  EXPECT_EQ(shop_.expect_json(0, {"list", "--until", "1h"}).at("backups").size(), 0u);
  EXPECT_EQ(shop_.expect(10, {"list", "--since", "soon"}).code, 10);
  shop_.expect(0, {"validate", id_});  // the structure alone proves too little
  EXPECT_TRUE(shop_.expect_json(0, {"list"}).at("backups")[0].at("verified").is_null());
  shop_.expect(0, {"validate", id_, "--read-data"});
  EXPECT_TRUE(shop_.expect_json(0, {"list"}).at("backups")[0].at("verified").is_string());
  const std::string table = shop_.expect(0, {"list"}).out;
  EXPECT_LE(table.find('\n'), 100u);
  EXPECT_THAT(table, HasSubstr(id_));
}

TEST_F(Browse, ADamagedBackupDoesNotHideTheOthers) {
  shop_.write("other/x", "1");
  shop_.expect(0, {"backup", "files", shop_ / "other"});
  const std::string object = shop_.find_file("vault", id_);
  ASSERT_EQ(::chmod(object.c_str(), 0600), 0);
  std::filesystem::resize_file(object, 100);
  const Outcome result = shop_.expect(5, {"list"});
  EXPECT_THAT(result.out, HasSubstr("damaged"));
  EXPECT_THAT(result.out, HasSubstr("-other"));
  const json rows = shop_.expect_json(5, {"list"}).at("backups");
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0].at("damaged").get<bool>(), true);
  EXPECT_EQ(rows[1].at("damaged").get<bool>(), false);
}

TEST_F(Browse, ShowsOneLevelOrAll) {
  const Outcome top = shop_.expect(0, {"show", "latest"});
  EXPECT_THAT(top.out, HasSubstr(id_));
  EXPECT_THAT(top.out, HasSubstr("/data/a\n"));
  EXPECT_THAT(top.out, HasSubstr("/data/odd\\xff\n"));
  EXPECT_THAT(top.out, Not(HasSubstr("b.conf")));
  EXPECT_THAT(shop_.expect(0, {"show", "latest", "-r"}).out, HasSubstr("/data/sub/b.conf\n"));
  EXPECT_THAT(shop_.expect(0, {"show", id_, shop_ / "data/sub", "--long"}).out,
              HasSubstr("-rw-r--r--"));
  EXPECT_EQ(shop_.expect(4, {"show", "latest", "/nothing"}).code, 4);
  EXPECT_EQ(shop_.expect(4, {"show", "backup-2000"}).code, 4);
}

// The text is that of any other document.
TEST_F(Browse, AStreamedDocumentIsOne) {
  using nlohmann::ordered_json;
  for (const std::vector<std::string>& words : std::vector<std::vector<std::string>>{
           {"show", id_, "--json"}, {"show", id_, "--json", "-r"}}) {
    const std::string text = shop_.expect(0, words).out;
    EXPECT_EQ(text, ordered_json::parse(text).dump(2) + "\n");
  }
  EXPECT_EQ(shop_.expect_json(0, {"show", id_, "-r"}).at("entries").back().at("type"), "hardlink");
  EXPECT_EQ(shop_.expect_json(4, {"show", id_, "/nothing"}).at("error").at("code"), "not-found");
}

TEST_F(Browse, NamesThatAreNotUtf8AreInJsonTwice) {
  const json document = shop_.expect_json(0, {"show", "latest"});
  bool seen = false;
  for (const json& entry : document.at("entries")) {
    if (!entry.contains("path_base64")) continue;
    seen = true;
    EXPECT_EQ(entry.at("path"), shop_ / "data/odd\\xff");
    const Bytes raw = from_base64(entry.at("path_base64").get<std::string>());
    EXPECT_EQ(as_text(raw), shop_ / "data/" + kOddName);
  }
  EXPECT_TRUE(seen);
  EXPECT_EQ(shop_.expect(0, {"cat", "latest", shop_ / "data/" + kOddName}).out, "odd\n");
}

TEST_F(Browse, DiffTellsContentFromMetadata) {
  shop_.write("data/new", "n");
  shop_.write("data/sub/b.conf", "changed content\n");
  std::filesystem::remove(shop_ / ("data/" + kOddName));
  ASSERT_EQ(::chmod((shop_ / "data/a").c_str(), 0600), 0);
  const std::string second = shop_.backup();
  const Outcome result = shop_.expect(0, {"diff", id_, second});
  EXPECT_THAT(result.out, HasSubstr("+ " + (shop_ / "data/new") + "\n"));
  EXPECT_THAT(result.out, HasSubstr("- " + (shop_ / "data/odd\\xff") + "\n"));
  EXPECT_THAT(result.out, HasSubstr("M " + (shop_ / "data/sub/b.conf") + "\n"));
  EXPECT_THAT(result.out, HasSubstr("m " + (shop_ / "data/a") + "\n"));
  const json document = shop_.expect_json(0, {"diff", id_, second, shop_ / "data/sub"});
  EXPECT_EQ(document.at("changed"), 1);
  EXPECT_EQ(document.at("added"), 0);
  EXPECT_EQ(shop_.expect_json(0, {"diff", id_, id_}).at("entries").size(), 0u);
}

TEST_F(Browse, FindsByNameGlobPathAndType) {
  const auto count = [&](std::vector<std::string> words) {
    words.insert(words.begin(), "find");
    words.emplace_back("--json");
    return shop_.holdfast(words).document().at("found").get<int>();
  };
  shop_.backup();
  EXPECT_EQ(count({"a"}), 2);
  EXPECT_EQ(count({"*.conf"}), 2);
  EXPECT_EQ(count({"*.conf", "--backup", id_}), 1);
  EXPECT_EQ(count({shop_ / "data/**/b.conf"}), 2);
  EXPECT_EQ(count({"*", "--type", "l", "--backup", id_}), 1);
  EXPECT_EQ(count({"a", "--source", "none"}), 0);
  EXPECT_EQ(count({"a", "z-hard", "--type", "f", "--backup", "latest"}), 2);
  EXPECT_EQ(shop_.expect(4, {"find", "nowhere"}).code, 4);
  // Hard links are what they are further names of.
  ASSERT_EQ(::linkat(AT_FDCWD, (shop_ / "data/link").c_str(), AT_FDCWD,
                     (shop_ / "data/z-link").c_str(), 0),
            0);
  shop_.backup();
  EXPECT_EQ(count({"z-link", "--type", "l", "--backup", "latest"}), 1);
  EXPECT_EQ(count({"z-link", "--type", "f", "--backup", "latest"}), 0);
}

TEST_F(Browse, CatGivesBytesAndRefusesWhatIsNoFile) {
  EXPECT_EQ(shop_.expect(0, {"cat", "latest", shop_ / "data/a"}).out, "first\n");
  EXPECT_EQ(shop_.expect(0, {"cat", "latest", shop_ / "data/z-hard"}).out, "first\n");
  EXPECT_THAT(shop_.expect(10, {"cat", "latest", shop_ / "data/sub"}).err, HasSubstr("directory"));
  EXPECT_THAT(shop_.expect(10, {"cat", "latest", shop_ / "data/link"}).err,
              HasSubstr("it points to a"));
  EXPECT_EQ(shop_.expect(4, {"cat", "latest", "/none"}).code, 4);
  EXPECT_EQ(shop_.expect(2, {"cat", "latest", shop_ / "data/a", "--json"}).code, 2);
}

TEST_F(Browse, CatGivesHolesAsZeros) {
  std::string expected(300'000, '\0');
  expected.replace(0, 5, "start");
  expected.replace(200'000, 6, "middle");
  const std::string file = shop_ / "data/sparse";
  {
    const Fd fd = open_file(file, O_WRONLY | O_CREAT, 0600);
    pwrite_full(fd.get(), as_bytes("start"), 0, file);
    pwrite_full(fd.get(), as_bytes("middle"), 200'000, file);
    ASSERT_EQ(::ftruncate(fd.get(), 300'000), 0);
  }
  shop_.backup();
  EXPECT_EQ(shop_.expect(0, {"cat", "latest", file}).out, expected);
}

}  // namespace
}  // namespace holdfast
