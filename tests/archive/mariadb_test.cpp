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
    server_.start();
    server_.run({"CREATE DATABASE shop", "CREATE TABLE shop.orders (id INT PRIMARY KEY, v TEXT)",
                 "INSERT INTO shop.orders VALUES (1, 'a'), (2, 'ä\\n')",
                 "CREATE VIEW shop.big AS SELECT * FROM shop.orders WHERE id > 1",
                 "CREATE DATABASE other", "CREATE TABLE other.t (id INT PRIMARY KEY)"});
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
}

}  // namespace
}  // namespace holdfast
