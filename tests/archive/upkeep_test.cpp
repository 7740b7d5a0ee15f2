// Archives after they were made: validated, kept or removed, and beside a vault.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "archive/support.h"

namespace holdfast {
namespace {

namespace fs = std::filesystem;

class ArchiveUpkeep : public ::testing::Test {
 protected:
  static void flip(const std::string& file) {
    std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
    const auto middle = static_cast<std::streamoff>(fs::file_size(file) / 2);
    stream.seekg(middle);
    const char byte = static_cast<char>(stream.get() ^ 0x10);
    stream.seekp(middle);
    stream.put(byte);
  }
  static std::string id_of(const json& archive) { return archive.at("id").get<std::string>(); }

  ArchiveShop place_;
};

TEST_F(ArchiveUpkeep, ValidateReadsThemToTheirEnd) {
  place_.configure_one();
  const json archive = place_.back_up().at(0);
  const Shop& shop = place_.shop();
  const json sound = shop.expect_json(0, {"validate", id_of(archive)});
  EXPECT_TRUE(sound.at("sound").get<bool>());
  EXPECT_NE(shop.expect_json(0, {"list"}).at("archives").at(0).at("verified"), nullptr);
  EXPECT_EQ(shop.expect_json(0, {"validate", "--read-data"}).at("archives").size(), 1u);
  // Cut off where gzip itself cannot tell.
  const std::string file = place_.path_of(archive);
  fs::permissions(file, fs::perms(0644));
  place_.shell("gunzip < " + file + " | head -n -20 | gzip > cut && cat cut > " + file);
  expect_says(shop.expect(5, {"validate", id_of(archive)}), "stops before its end");
  flip(file);
  EXPECT_FALSE(shop.expect_json(5, {"validate", "--read-data"}).at("sound").get<bool>());
}

TEST_F(ArchiveUpkeep, ASealedOneNeedsAnIdentityToBeRead) {
  place_.shell("age-keygen -o age.key 2>/dev/null; age-keygen -o other.key 2>/dev/null");
  std::string recipient = place_.shell("age-keygen -y age.key");
  recipient.pop_back();
  const std::string seal = "    archive: {recipients: [" + recipient + "]";
  place_.configure_one(seal + "}\n");
  const Shop& shop = place_.shop();
  const std::string id = id_of(place_.back_up().at(0));
  expect_says(shop.expect(7, {"validate", id}), "--identity");
  shop.expect(7, {"cat", id});
  shop.expect(0, {"validate", id, "--identity", shop / "scratch/age.key"});
  shop.expect(7, {"validate", id, "--identity", shop / "scratch/other.key"});
  // Of all of them it is a warning that one could not be looked into.
  expect_says(shop.expect(3, {"validate", "--read-data"}), "is sealed");
  place_.configure_one(seal + ", identity_file: " + (shop / "scratch/age.key") + "}\n");
  shop.expect(0, {"validate", "--read-data"});
  EXPECT_NE(shop.expect(0, {"cat", id}).out.find("CREATE TABLE public.orders"), std::string::npos);
}

TEST_F(ArchiveUpkeep, ARestoreTestLoadsOneIntoAServerOfItsOwn) {
  place_.configure_one(
      "    assertions: [{query: 'select count(*) from orders', expect: '1000'}]\n");
  const std::string id = id_of(place_.back_up().at(0));
  const Shop& shop = place_.shop();
  const std::vector<std::string> words = {"validate", "restore", id, "--scratch", shop / "scratch"};
  EXPECT_TRUE(shop.expect_json(0, words).at("passed").get<bool>());
  EXPECT_NE(shop.expect_json(0, {"list"}).at("archives").at(0).at("verified"), nullptr);
  place_.configure_one("    assertions: [{query: 'select count(*) from orders', expect: '999'}]\n");
  expect_says(shop.expect(5, words), "select count(*) from orders");
}

TEST_F(ArchiveUpkeep, RetentionAndForgetKnowThem) {
  place_.configure_one("    retention: {keep_last: 2}\n");
  std::vector<std::string> ids;
  const Shop& shop = place_.shop();
  for (const char* time : {"20250101-000000", "20250102-000000", "20250103-000000"}) {
    // Made earlier, as their names say.
    if (ids.empty()) ids.push_back(id_of(place_.back_up().at(0)));
    const std::string text(time);
    const std::string day =
        "vault/database/" + text.substr(0, 4) + "-" + text.substr(4, 2) + "-" + text.substr(6, 2);
    place_.shell("mkdir -p " + (shop / day) + " && echo | gzip > " +
                 (shop / (day + "/backup-" + text + "-shop.sql.gz")));
  }
  const json plan = shop.expect_json(0, {"retention", "show"});
  EXPECT_EQ(plan.at("archives").size(), 4u);
  const json applied = shop.expect_json(0, {"retention", "apply"});
  EXPECT_EQ(applied.at("removed_archives"), 2);
  EXPECT_EQ(place_.objects(),
            (std::vector<std::string>{"backup-20250103-000000-shop.sql.gz", ids[0]}));
  shop.expect(0, {"forget", "backup-20250103", "--yes"});
  expect_says(shop.expect(6, {"forget", "latest:shop", "--yes"}), "--force");
  EXPECT_EQ(place_.objects(), ids);
  shop.expect(0, {"forget", ids[0], "--yes", "--force"});
  EXPECT_TRUE(place_.objects().empty());
}

TEST_F(ArchiveUpkeep, ArchivesAloneNeedNeitherVaultNorKeyAndMayStayBesideOne) {
  place_.configure_one();
  const Shop& shop = place_.shop();
  fs::remove_all(shop / "vault");
  fs::remove(shop / "key");
  const json archive = place_.back_up().at(0);
  EXPECT_EQ(shop.expect_json(0, {"list"}).at("archives").size(), 1u);
  shop.expect(0, {"validate"});
  shop.expect(0, {"init"});
  EXPECT_EQ(shop.expect_json(0, {"list"}).at("archives").at(0).at("id"), id_of(archive));
  shop.expect(0, {"validate", "--read-data"});
  shop.expect(0, {"copy", "--to", shop / "copy"});
  EXPECT_TRUE(fs::exists(shop / ("copy/" + archive.at("key").get<std::string>())));
}

}  // namespace
}  // namespace holdfast
