// holdfast recover of archives of dumps, of a real server.
#include <gtest/gtest.h>

#include <filesystem>

#include "archive/support.h"

namespace holdfast {
namespace {

namespace fs = std::filesystem;

class RecoverDumps : public ::testing::Test {
 protected:
  Outcome recover(int code, std::vector<std::string> more) const {
    more.insert(more.begin(), {"recover", "--from", place_.shop() / "vault"});
    return place_.shop().expect(code, more);
  }
  json recover_json(int code, std::vector<std::string> more) const {
    more.emplace_back("--json");
    return json::parse(recover(code, std::move(more)).out, nullptr, false);
  }

  ArchiveShop place_;
};

TEST_F(RecoverDumps, ComeBackAsFilesThatPsqlReads) {
  place_.configure_one();
  const std::string id = place_.back_up().at(0).at("id");
  const std::string target = place_.shop() / "scratch/back";
  const json done = recover_json(0, {"--target", target});
  ASSERT_EQ(done.at("recovered").size(), 1u);
  const std::string file = target + "/database/" + id.substr(0, id.size() - 3);
  EXPECT_EQ(done.at("recovered")[0].at("target"), file);
  EXPECT_EQ(fs::status(file).permissions(), fs::perms(0600));
  EXPECT_EQ(done.at("recovered")[0].at("bytes"), fs::file_size(file));
  place_.server().query("CREATE DATABASE other");
  place_.shell("psql -qX -v ON_ERROR_STOP=1 -o /dev/null -f " + file + " other");
  EXPECT_EQ(place_.orders("other"), place_.orders("shop"));
  // A second time it stays, and that is said.
  EXPECT_EQ(recover_json(3, {"--target", target}).at("recovered")[0].at("result"),
            "a file is there");
  // Of a part of a dump no file is made.
  const std::string object =
      place_.path_of({{"key", done.at("recovered")[0].at("archive").at("key")}});
  fs::permissions(object, fs::perms(0644));
  place_.shell("gunzip < " + object + " | head -n -20 | gzip > cut && cat cut > " + object);
  fs::remove_all(target);
  expect_says(recover(5, {"--target", target}), "stops before its end");
  EXPECT_TRUE(fs::is_empty(target + "/database"));
}

TEST_F(RecoverDumps, InPlaceTheyAreLeftOutWithWhatLoadsThem) {
  place_.configure_one();
  const std::string id = place_.back_up().at(0).at("id");
  const std::string words = "holdfast restore " + id + " --into";
  expect_says(recover(3, {"--in-place"}), words);
  expect_says(recover(2, {"--in-place", "--source", "shop"}), words);
}

TEST_F(RecoverDumps, SealedOnesNeedAnIdentity) {
  place_.shell("age-keygen -o age.key 2>/dev/null");
  std::string recipient = place_.shell("age-keygen -y age.key");
  recipient.pop_back();
  place_.configure_one("    archive: {compress: zstd, recipients: [" + recipient + "]}\n");
  place_.back_up();
  const std::string target = place_.shop() / "scratch/back";
  const std::string key = place_.shop() / "scratch/age.key";
  EXPECT_EQ(recover_json(0, {}).at("archives")[0].at("best").at("sealed"), true);
  expect_says(recover(7, {"--target", target}), "--identity");
  recover(0, {"--target", target, "--identity", key});
  place_.server().query("CREATE DATABASE other");
  place_.shell("psql -qX -v ON_ERROR_STOP=1 -o /dev/null -f " + target + "/database/*.sql other");
  EXPECT_EQ(place_.orders("other"), place_.orders("shop"));
}

}  // namespace
}  // namespace holdfast
