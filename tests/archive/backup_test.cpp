// Backups as ordinary archives: what the tools of the runbook make of them.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <regex>

#include "archive/support.h"

namespace holdfast {
namespace {

namespace fs = std::filesystem;

class ArchiveBackup : public ::testing::Test {
 protected:
  // A pair of keys as age-keygen makes it; the public one.
  std::string age_key(const std::string& file) const {
    place_.shell("age-keygen -o " + file + " 2>/dev/null");
    std::string key = place_.shell("age-keygen -y " + file);
    key.pop_back();
    return key;
  }
  // pg_dump that is killed when part of its output is out.
  void break_dumps() const {
    const Shop& shop = place_.shop();
    fs::create_directory(shop / "bin");
    for (const char* name : {"pg_dumpall", "psql"}) {
      fs::create_symlink(std::string(kPostgresPrograms) + "/" + name,
                         shop / ("bin/" + std::string(name)));
    }
    std::ofstream(shop / "bin/pg_dump")
        << "#!/bin/sh\n"
        << kPostgresPrograms << "/pg_dump \"$@\" | head -c 20000\nkill -9 $$\n";
    fs::permissions(shop / "bin/pg_dump", fs::perms(0755));
    give_to_postgres(shop / "bin");
  }

  ArchiveShop place_;
};

TEST_F(ArchiveBackup, OneDatabaseIsOneObjectThatGunzipAndPsqlRestore) {
  place_.configure_one();
  const std::vector<json> archives = place_.back_up();
  ASSERT_EQ(archives.size(), 1u);
  const std::regex key("database/\\d{4}-\\d\\d-\\d\\d/backup-\\d{8}-\\d{6}-shop\\.sql\\.gz");
  EXPECT_TRUE(std::regex_match(archives[0].at("key").get<std::string>(), key)) << archives[0];
  EXPECT_EQ(place_.objects().size(), 1u);
  EXPECT_EQ(archives[0].at("size"), fs::file_size(place_.path_of(archives[0])));
  const std::string file = place_.path_of(archives[0]);
  const std::string before = place_.orders("shop");
  place_.shell("gunzip -t < " + file);
  // Into a new one.
  place_.server().query("CREATE DATABASE other");
  place_.shell("gunzip < " + file + " | psql -qX -v ON_ERROR_STOP=1 -o /dev/null other");
  EXPECT_EQ(place_.orders("other"), before);
  // And over the one that it came from, as the runbook does.
  place_.query("shop", "DELETE FROM orders WHERE id > 10");
  place_.shell("gunzip < " + file + " | psql -qX -v ON_ERROR_STOP=1 -o /dev/null shop");
  EXPECT_EQ(place_.orders("shop"), before);
  const json listed = place_.shop().expect_json(0, {"list"});
  EXPECT_EQ(listed.at("backups").size(), 0u);
  EXPECT_EQ(listed.at("archives").at(0).at("id"), archives[0].at("id"));
  EXPECT_EQ(listed.at("archives").at(0).at("verified"), nullptr);
}

TEST_F(ArchiveBackup, SeveralDatabasesAreSealedWithTheirRoles) {
  place_.server().query("CREATE DATABASE \"Big One\"");
  place_.server().query("ALTER ROLE app PASSWORD 'secret'");
  const std::string recipient = age_key("age.key");
  place_.configure(
      "", "    format: archive\n    archive: {compress: zstd, recipients: [" + recipient + "]}\n");
  const std::vector<json> archives = place_.back_up();
  ASSERT_EQ(archives.size(), 4u);  // Big One, postgres, shop, globals
  std::string shop_file;
  std::string globals_file;
  for (const json& archive : archives) {
    EXPECT_TRUE(archive.at("key").get<std::string>().ends_with(".sql.zst.age")) << archive;
    EXPECT_TRUE(archive.at("sealed").get<bool>());
    if (archive.at("source") == "shop-shop") shop_file = place_.path_of(archive);
    if (archive.at("source") == "shop-globals") globals_file = place_.path_of(archive);
  }
  place_.server().query("CREATE DATABASE other");
  place_.shell("age -d -i age.key < " + shop_file +
               " | zstd -d | psql -qX -v ON_ERROR_STOP=1 -o /dev/null other");
  EXPECT_EQ(place_.orders("other"), place_.orders("shop"));
  const std::string globals = place_.shell("age -d -i age.key < " + globals_file + " | zstd -d");
  EXPECT_NE(globals.find("CREATE ROLE app"), std::string::npos);
  EXPECT_NE(globals.find("SCRAM-SHA-256$"), std::string::npos);
  // Whoever reads archives that are not sealed learns no password.
  place_.configure("", "    format: archive\n");
  std::string plain;
  for (const json& archive : place_.back_up()) {
    if (archive.at("source") == "shop-globals") plain = place_.path_of(archive);
  }
  const std::string open = place_.shell("gunzip < " + plain);
  EXPECT_NE(open.find("CREATE ROLE app"), std::string::npos);
  EXPECT_EQ(open.find("SCRAM-SHA-256$"), std::string::npos);
}

TEST_F(ArchiveBackup, ADumpThatFailsLeavesNoObject) {
  break_dumps();
  place_.configure(
      "      databases: [shop]\n      bin_directory: " + (place_.shop() / "bin") + "\n",
      "    format: archive\n");
  expect_says(place_.shop().expect(10, {"backup", "database", "shop"}), "the dump failed");
  EXPECT_TRUE(place_.objects().empty());
  // The second of several: the first one, which was whole, goes with it.
  place_.server().query("CREATE DATABASE zzz");
  std::ofstream(place_.shop() / "bin/pg_dump")
      << "#!/bin/sh\n[ \"$PGDATABASE\" = zzz ] && { echo 'connection lost' >&2; exit 1; }\n"
      << "exec " << kPostgresPrograms << "/pg_dump \"$@\"\n";
  place_.configure(
      "      databases: [shop, zzz]\n      bin_directory: " + (place_.shop() / "bin") + "\n",
      "    format: archive\n");
  expect_says(place_.shop().expect(10, {"backup", "database", "shop"}), "connection lost");
  EXPECT_TRUE(place_.objects().empty());
  place_.shop().configure("      connection: \"host=" + place_.server().socket_directory() +
                              " user=nobody_here\"\n      method: logical\n",
                          "    format: archive\n");
  expect_says(place_.shop().expect(7, {"backup", "database", "shop"}), "nobody_here");
  EXPECT_TRUE(place_.objects().empty());
}

TEST_F(ArchiveBackup, BothIsABackupInTheVaultAndDumpsBesideIt) {
  place_.shop().configure(Shop::connection(place_.server()), "    format: both\n");
  const json document = place_.shop().expect_json(0, {"backup", "database", "shop", "--verify"});
  EXPECT_EQ(document.at("backups").size(), 1u);
  EXPECT_EQ(document.at("archives").size(), 3u);  // postgres, shop, globals
  const json listed = place_.shop().expect_json(0, {"list", "--source", "shop"});
  const std::vector<std::string> files =
      place_.shop().files(listed.at("backups").at(0).at("id").get<std::string>());
  EXPECT_NE(std::find(files.begin(), files.end(), "PG_VERSION"), files.end());
  EXPECT_EQ(listed.at("archives").size(), 3u);
}

}  // namespace
}  // namespace holdfast
