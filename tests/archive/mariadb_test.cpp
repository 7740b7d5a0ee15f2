// MariaDB: dumps as archives, and back into a server.
#include <gtest/gtest.h>

#include <filesystem>

#include "cli/support.h"
#include "support/mariadb_server.h"

namespace holdfast {
namespace {

namespace fs = std::filesystem;

class MariadbArchive : public ::testing::Test {
 protected:
  MariadbArchive() {
    server_.run({"CREATE DATABASE shop", "CREATE TABLE shop.orders (id INT PRIMARY KEY, v TEXT)",
                 "INSERT INTO shop.orders VALUES (1, 'a'), (2, 'ä\\n')",
                 "CREATE VIEW shop.big AS SELECT * FROM shop.orders WHERE id > 1",
                 "CREATE DATABASE other", "CREATE TABLE other.t (id INT PRIMARY KEY)"});
  }
  // validate restore, in a place that the server's user can reach.
  Outcome test_restore(int code, const std::string& archive,
                       const std::vector<std::string>& more = {}) const {
    for (const std::string& directory : {shop_.path(), shop_ / "scratch"}) {
      fs::create_directories(directory);
      fs::permissions(directory, fs::perms(0711));
    }
    std::vector<std::string> words = {"validate", "restore", archive, "--scratch",
                                      shop_ / "scratch"};
    words.insert(words.end(), more.begin(), more.end());
    Outcome outcome = shop_.expect(code, words);
    EXPECT_TRUE(fs::is_empty(shop_ / "scratch"));
    return outcome;
  }
  std::string shell(const std::string& line) const {
    ProcessOptions options;
    options.argv = {"bash", "-o", "pipefail", "-c", line};
    options.working_directory = shop_.path();
    const ProcessResult result = run_process(options);
    EXPECT_EQ(result.exit_code, 0) << line << "\n" << result.error_output;
    return result.output;
  }
  // Puts what `filter` makes of its dump in the place of an archive.
  void change(const json& archive, const std::string& filter) const {
    const std::string file = shop_ / ("vault/" + archive.at("key").get<std::string>());
    fs::permissions(file, fs::perms(0644));
    shell("gunzip < " + file + " | " + filter + " | gzip > changed && cat changed > " + file);
  }
  json verified() const {
    return shop_.expect_json(0, {"list"}).at("archives").at(0).at("verified");
  }
  std::string reach() const { return "socket=" + server_.settings().socket + " user=root"; }
  void configure(const std::string& databases, const std::string& source) const {
    shop_.write_config("sources:\n  - name: shop\n    class: database\n    mariadb: {socket: " +
                       server_.settings().socket + ", user: root, method: logical" + databases +
                       "}\n" + source);
  }
  std::string orders(const std::string& database) const {
    return server_.sql("SELECT GROUP_CONCAT(id, v ORDER BY id) FROM " + database + ".orders");
  }

  TestMariadb server_;
  Workshop shop_;
};

TEST_F(MariadbArchive, OneDatabaseIsOneObjectThatGunzipAndMariadbRestore) {
  configure(", databases: [shop]",
            "    format: archive\n    assertions: [{query: 'select count(*) from orders', expect: "
            "'2'}]\n");
  const json made = shop_.expect_json(0, {"backup", "database"});
  ASSERT_EQ(made.at("archives").size(), 1u);
  const json& archive = made.at("archives").at(0);
  EXPECT_EQ(archive.at("format"), "sql.gz");
  server_.run({"CREATE DATABASE copy"});
  ProcessOptions options;
  options.argv = {"bash", "-o", "pipefail", "-c",
                  "gunzip < " + (shop_ / ("vault/" + archive.at("key").get<std::string>())) +
                      " | mariadb --no-defaults -u root -S " + server_.settings().socket + " copy"};
  const ProcessResult loaded = run_process(options);
  EXPECT_EQ(loaded.exit_code, 0) << loaded.error_output;
  EXPECT_EQ(orders("copy"), orders("shop"));
  shop_.expect(0, {"validate", "latest:shop"});
  // The monthly test, and then production itself.
  shop_.expect(0, {"restore", "latest:shop", "--into", "source", "--as-name", "test-db"});
  EXPECT_EQ(orders("`test-db`"), orders("shop"));
  const std::string before = orders("shop");
  server_.run({"DELETE FROM shop.orders", "CREATE TABLE shop.later (id INT)"});
  shop_.expect(6, {"restore", "latest:shop", "--into", reach() + " dbname=shop"});
  const json done = shop_.expect_json(
      0, {"restore", "latest:shop", "--into", reach() + " dbname=shop", "--overwrite", "always"});
  EXPECT_EQ(orders("shop"), before);
  EXPECT_EQ(server_.sql("SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = "
                        "'shop'"),
            "2");
  const std::string safety = done.at("safety_backup");
  shop_.expect(0, {"restore", safety, "--into", reach() + " dbname=shop", "--overwrite", "always",
                   "--no-safety-backup"});
  EXPECT_EQ(server_.sql("SELECT COUNT(*) FROM shop.orders"), "0");
}

TEST_F(MariadbArchive, AnAssertionOnlyReads) {
  configure(
      ", databases: [shop]",
      "    format: archive\n    assertions: [{query: 'delete from orders returning 1', expect: "
      "'1'}]\n");
  shop_.expect_json(0, {"backup", "database"});
  const Outcome refused =
      shop_.expect(10, {"restore", "latest:shop", "--into", "source", "--as-name", "test-db"});
  EXPECT_NE(refused.err.find("delete from orders returning 1: it may only read, and it writes"),
            std::string::npos)
      << refused.err;
}

TEST_F(MariadbArchive, TheOnlyDatabaseOfASourceNeedsNoName) {
  shop_.init();
  configure(", databases: [shop]",
            "    assertions: [{query: 'select count(*) from orders', expect: '2'}]\n");
  shop_.expect_json(0, {"backup", "database"});
  const std::string before = orders("shop");
  server_.run({"DELETE FROM shop.orders"});
  shop_.expect(0, {"restore", "latest:shop", "--into", "source", "--overwrite", "always"});
  EXPECT_EQ(orders("shop"), before);
  const Outcome beside =
      shop_.expect(0, {"restore", "latest:shop", "--into", "source", "--as-name", "test-db"});
  EXPECT_NE((beside.out + beside.err).find("1 assertion passed"), std::string::npos) << beside.err;
}

TEST_F(MariadbArchive, WhoMayNotMakeTheDatabaseIsToldWhatIsMissing) {
  shop_.init();
  configure(", databases: [shop]", "");
  shop_.expect_json(0, {"backup", "database"});
  server_.run({"CREATE USER loader@localhost"});
  const std::string into = "socket=" + server_.settings().socket + " user=loader dbname=test-db";
  const Outcome refused = shop_.expect(7, {"restore", "latest:shop", "--into", into});
  EXPECT_NE(refused.err.find("GRANT ALL ON `test-db`.*"), std::string::npos) << refused.err;
  server_.run({"GRANT ALL ON `test-db`.* TO loader@localhost",
               "GRANT PROCESS, SET USER ON *.* TO loader@localhost"});
  shop_.expect(0, {"restore", "latest:shop", "--into", into});
  EXPECT_EQ(orders("`test-db`"), orders("shop"));
}

TEST_F(MariadbArchive, OneOfSeveralComesOutOfTheVaultUnderAnotherName) {
  shop_.init();
  configure("", "    format: both\n");
  const json made = shop_.expect_json(0, {"backup", "database"});
  EXPECT_EQ(made.at("backups").size(), 1u);
  EXPECT_EQ(made.at("archives").size(), 1u);  // all databases; accounts only when sealed
  const std::string id = made.at("backups").at(0).at("id");
  shop_.expect(0, {"restore", id, "--into", "source", "--database", "shop", "--as-name", "copy"});
  EXPECT_EQ(orders("copy"), orders("shop"));
  EXPECT_EQ(server_.sql("SELECT COUNT(*) FROM copy.big"), "1");
  shop_.expect(4, {"restore", id, "--into", "source", "--database", "none", "--as-name", "x"});
  EXPECT_EQ(server_.sql("SELECT COUNT(*) FROM information_schema.schemata WHERE schema_name = "
                        "'x'"),
            "0");
  shop_.expect(0, {"restore", made.at("archives").at(0).at("id"), "--into", "source", "--database",
                   "shop", "--as-name", "copy2"});
  EXPECT_EQ(orders("copy2"), orders("shop"));
  // From a newer server: nothing is dropped for it.
  change(made.at("archives").at(0), "sed '/^-- Server version/s/[0-9.]\\+/99.1.2/'");
  const Outcome refused =
      shop_.expect(11, {"restore", made.at("archives").at(0).at("id"), "--into", "source",
                        "--database", "shop", "--as-name", "copy2", "--overwrite", "always"});
  EXPECT_NE(refused.err.find("the dump is of MariaDB 99.1.2"), std::string::npos) << refused.err;
  EXPECT_EQ(orders("copy2"), orders("shop"));
}

TEST_F(MariadbArchive, ARestoreTestLoadsOneIntoAServerOfItsOwn) {
  shop_.init();
  const auto configure_with = [&](const std::string& assertions) {
    configure(", databases: [shop]", "    format: archive\n    assertions:\n" + assertions);
  };
  const std::string holds =
      "      - {query: 'select count(*) from orders', expect: '2'}\n"
      "      - {query: 'select count(*) from shop.big', expect: '1'}\n"
      "      - {query: 'select 1', database: other, expect: 'not asked here'}\n";
  configure_with(holds);
  const json archive = shop_.expect_json(0, {"backup", "database"}).at("archives").at(0);
  const std::string id = archive.at("id");
  EXPECT_EQ(verified(), nullptr);
  const json passed = test_restore(0, id, {"--json"}).document();
  EXPECT_TRUE(passed.at("passed").get<bool>());
  std::string steps;
  for (const json& step : passed.at("steps")) steps += step.at("name").get<std::string>() + " ";
  EXPECT_EQ(steps, "validate start load assertions tables ");
  EXPECT_EQ(passed.at("steps")[3].at("detail"), "2 assertions passed");
  EXPECT_NE(verified(), nullptr);
  // Nothing of it came near the server that it is of.
  EXPECT_EQ(server_.sql("SELECT COUNT(*) FROM information_schema.schemata WHERE schema_name IN "
                        "('shop', 'other', 'restored')"),
            "2");
  for (const std::string& wrong :
       {std::string("select count(*) from orders"), std::string("select count(*) from missing")}) {
    configure_with(holds + "      - {query: '" + wrong + "', expect: '3'}\n");
    EXPECT_NE(test_restore(5, id).err.find(wrong), std::string::npos);
  }
  configure_with(holds);
  // A table of which the rows do not come back, and a dump that was cut off where gzip is content.
  change(archive, "sed 's/^INSERT INTO `orders` VALUES/INSERT INTO `lost` VALUES/'");
  EXPECT_NE(test_restore(5, id).err.find("lost"), std::string::npos);
  change(archive, "head -n -5");
  EXPECT_NE(test_restore(5, id).err.find("stops before its end"), std::string::npos);
  // Those of one second have one name.
  EXPECT_GT(std::stoi(shell("ls vault/run/verify/*/ | grep -c failed")), 1);
}

TEST_F(MariadbArchive, ARestoreTestTakesAllDatabasesAndAccounts) {
  server_.run(
      {"CREATE USER clerk@'%' IDENTIFIED BY 'Secret-1'", "INSTALL SONAME 'simple_password_check'"});
  shell("age-keygen -o age.key 2>/dev/null");
  std::string recipient = shell("age-keygen -y age.key");
  recipient.pop_back();
  configure("", "    format: archive\n    archive: {recipients: [" + recipient +
                    "], identity_file: " + (shop_ / "age.key") +
                    "}\n    assertions:\n"
                    "      - {query: 'select count(*) from shop.orders', expect: '2'}\n"
                    "      - {query: 'select count(*) from t', database: other, expect: '0'}\n");
  const json archives = shop_.expect_json(0, {"backup", "database"}).at("archives");
  ASSERT_EQ(archives.size(), 2u);
  for (const json& archive : archives) {
    const json passed = test_restore(0, archive.at("id"), {"--json"}).document();
    const bool accounts = archive.at("source") == "shop-globals";
    EXPECT_EQ(passed.at("steps")[3].at("detail"),
              accounts ? "0 assertions passed" : "2 assertions passed");
  }
  // An archive that the configuration does not know is taken for what it says it is.
  shop_.write_config("");
  test_restore(7, archives[0].at("id"));
  test_restore(0, archives[0].at("id"), {"--identity", shop_ / "age.key"});
}

}  // namespace
}  // namespace holdfast
