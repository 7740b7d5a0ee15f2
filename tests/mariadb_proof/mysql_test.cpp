// MySQL: dumps of real servers, back into servers and through restore tests; and what is refused.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "mariadb_proof/shop.h"
#include "os/file.h"
#include "source/mariadb/mysqld.h"
#include "source/mariadb/server.h"
#include "support/mysql_server.h"

namespace holdfast {
namespace {

namespace fs = std::filesystem;
using ::testing::AnyOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class Mysql : public ::testing::TestWithParam<MysqlKind> {
 protected:
  void SetUp() override {
    if (const auto missing = mysql_missing(GetParam())) GTEST_SKIP() << *missing;
    server_ = std::make_unique<TestMysql>(GetParam());
    server_->run(
        {"CREATE DATABASE shop CHARACTER SET utf8mb4",
         "CREATE TABLE shop.orders (id INT PRIMARY KEY AUTO_INCREMENT, v TEXT, b BLOB, at "
         "TIMESTAMP "
         "NOT NULL DEFAULT CURRENT_TIMESTAMP) ENGINE=InnoDB",
         "INSERT INTO shop.orders (v, b) VALUES ('ä\\n\\'', x'00ff0a27'), (NULL, NULL), ('', '')",
         "CREATE VIEW shop.big AS SELECT * FROM shop.orders WHERE id > 1",
         "CREATE PROCEDURE shop.p() SELECT 1",
         "CREATE TRIGGER shop.t BEFORE INSERT ON shop.orders FOR EACH ROW SET NEW.v = "
         "CONCAT(NEW.v, '!')",
         "CREATE EVENT shop.e ON SCHEDULE EVERY 1 DAY DO DELETE FROM shop.orders WHERE id < 0",
         "CREATE DATABASE other", "CREATE TABLE other.t (id INT PRIMARY KEY)"});
    shop_ = std::make_unique<MariadbShop>(server_->settings());
    configure(server_->settings());
  }

  // With the source "shop"; `key` is the server's in the configuration.
  void configure(const MariadbSettings& settings, const std::string& more = "",
                 const std::string& yaml = "", const std::string& key = "mysql") const {
    std::ofstream out(*shop_ / "holdfast.yaml");
    out << "state_dir: " << *shop_ / "state"
        << "\ncache_dir: " << *shop_ / "cache"
        << "\nsources:\n  - name: shop\n    class: database\n    " << key
        << ": {defaults_file: " << settings.defaults_file << ", socket: " << settings.socket
        << ", user: " << settings.user << ", bin_directory: " << settings.bin_directory << more
        << "}\n"
        << yaml;
  }

  // What stands behind `verdict`, a line each, with the hints.
  std::string found(const std::string& verdict, int code) const {
    std::string lines;
    const json document = shop_->expect_json(code, {"check", "shop"});
    for (const json& finding : document.at("findings")) {
      if (finding.at("verdict") != verdict) continue;
      lines += finding.at("what").get<std::string>() + ": " +
               finding.at("hint").get<std::string>() + "\n";
    }
    return lines;
  }

  std::string file_of(const std::string& path) const {
    const std::string file = *shop_ / path;
    std::ofstream(file) << shop_->expect(0, {"cat", "latest:shop", path}).out;
    return file;
  }

  static std::string contents(const TestMysql& server, const std::string& database) {
    return server.rows("SELECT id, v, HEX(b), at FROM " + database + ".orders ORDER BY id") +
           server.rows("SELECT COUNT(*) FROM " + database + ".big") +
           server.rows(
               "SELECT routine_name FROM information_schema.routines WHERE "
               "routine_schema = '" +
               database + "'") +
           server.rows(
               "SELECT trigger_name FROM information_schema.triggers WHERE "
               "trigger_schema = '" +
               database + "'") +
           server.rows("SELECT event_name FROM information_schema.events WHERE event_schema = '" +
                       database + "'");
  }

  std::string version() const {
    const std::string text = server_->sql("SELECT @@version");
    return text.substr(0, text.find('-'));
  }
  bool old() const { return GetParam() == MysqlKind::k56; }

  std::unique_ptr<TestMysql> server_;
  std::unique_ptr<MariadbShop> shop_;
};

TEST_P(Mysql, ADumpIsListedReadBackAndProvedInAServerOfItsOwn) {
  configure(server_->settings(), "",
            "    assertions:\n      - {query: 'select count(*) from shop.orders', expect: '3'}\n"
            "      - {query: 'select count(*) from shop.orders', expect: '4'}\n"
            "      - {query: 'select count(*) from shop.none', expect: '0'}\n");
  EXPECT_EQ(found("BAD", 0), "");
  EXPECT_THAT(found("ok", 0), HasSubstr("MySQL " + version() + ", system "));
  EXPECT_THAT(found("ok", 0), HasSubstr("which is MySQL's"));
  EXPECT_EQ(found("advice", 0), "");
  EXPECT_THAT(found("ok", 0), HasSubstr("the binary log is on, with GTIDs"));
  // Transactions beside the dump, so that its GTIDs are not simply those of the server.
  server_->run({"INSERT INTO other.t VALUES (1)", "FLUSH LOGS"});
  shop_->back_up();
  const std::string executed = server_->sql("SELECT @@GLOBAL.gtid_executed");
  server_->run({"INSERT INTO other.t VALUES (2)"});
  const json facts = shop_->backups().at(0).at("database");
  EXPECT_EQ(facts.at("engine"), "mysql");
  EXPECT_EQ(facts.at("version"), version());
  EXPECT_EQ(facts.at("method"), "logical");
  EXPECT_EQ(facts.at("gtid"), executed);
  EXPECT_EQ(facts.at("server_uid"), server_->sql("SELECT @@server_uuid"));
  EXPECT_THAT(shop_->expect(0, {"show", "latest:shop"}).out,
              HasSubstr("MySQL " + version() + ", logical"));
  shop_->expect(0, {"restore", "latest:shop", "--target", *shop_ / "files"});
  EXPECT_THAT(std::string(as_text(read_file(*shop_ / "files/all.sql"))),
              HasSubstr("-- Current Database: `shop`"));
  EXPECT_TRUE(fs::exists(*shop_ / "files/users.sql"));

  const json proved = shop_->validate(5);
  EXPECT_EQ(MariadbShop::failed_steps(proved), "assertion 2, assertion 3");
  EXPECT_THAT(proved.dump(), HasSubstr("MySQL " + version()));
}

TEST_P(Mysql, AccountsComeBackWithPasswordsRightsAndRoles) {
  server_->run({"CREATE USER app@localhost IDENTIFIED BY 'p''w'", "CREATE USER 'it''s'@'%'",
                "GRANT SELECT, INSERT ON shop.* TO app@localhost",
                "GRANT SELECT (v) ON shop.orders TO 'it''s'@'%' WITH GRANT OPTION",
                "GRANT EXECUTE ON PROCEDURE shop.p TO app@localhost",
                "GRANT SELECT ON other.t TO app@localhost", "DROP TABLE other.t"});
  if (!old()) {
    server_->run({"CREATE ROLE reader", "GRANT SELECT ON other.* TO reader",
                  "GRANT reader TO app@localhost", "SET DEFAULT ROLE reader TO app@localhost"});
  }
  shop_->back_up();
  const TestMysql copy(GetParam());
  copy.run({"CREATE USER 'it''s'@'%' IDENTIFIED BY 'kept'"});
  ASSERT_EQ(copy.load(file_of("all.sql")), 0);
  EXPECT_EQ(contents(copy, "shop"), contents(*server_, "shop"));
  ASSERT_EQ(copy.load(file_of("users.sql")), 0);
  // A second time changes nothing.
  ASSERT_EQ(copy.load(file_of("users.sql")), 0);
  const MariadbSettings app = copy.settings("app", "p'w");
  EXPECT_EQ(MariadbConnection(app, {}).value("SELECT COUNT(*) FROM shop.orders"), "3");
  const std::string grants = "SHOW GRANTS FOR app@localhost";
  std::string expected = server_->rows(grants);
  const std::size_t lost = expected.find("`other`.`t`");
  ASSERT_NE(lost, std::string::npos);  // a right to a table that is not there
  const std::size_t line = expected.rfind('\n', lost) + 1;
  expected.erase(line, expected.find('\n', lost) + 1 - line);
  EXPECT_EQ(copy.rows(grants), expected);
  EXPECT_THAT(copy.rows("SHOW GRANTS FOR 'it''s'@'%'"),
              AnyOf(HasSubstr("SELECT (`v`)"), HasSubstr("SELECT (v)")));
  // Who was there keeps his password.
  EXPECT_EQ(MariadbConnection(copy.settings("it's", "kept"), {}).value("SELECT 1"), "1");
  if (!old()) {
    EXPECT_EQ(MariadbConnection(app, {}).value("SELECT CURRENT_ROLE()"), "`reader`@`%`");
  }
  EXPECT_EQ(MariadbShop::failed_steps(shop_->validate(0)), "");
}

TEST_P(Mysql, ArchivesAreWhatTheClientReadsAndGoBackIntoTheServer) {
  configure(server_->settings(), ", databases: [shop]",
            "    format: archive\n    assertions:\n      - {query: 'select count(*) from orders', "
            "expect: '3'}\n");
  const json made = shop_->expect_json(0, {"backup", "database", "shop"});
  ASSERT_EQ(made.at("archives").size(), 1U);
  const std::string key = made.at("archives").at(0).at("key");
  shop_->expect(0, {"validate", "latest:shop"});
  shop_->expect(0, shop_->validation());
  const std::string before = contents(*server_, "shop");
  const std::string expanded = *shop_ / "dump.sql";
  ProcessOptions gunzip;
  gunzip.argv = {"sh", "-c",
                 "{ echo 'CREATE DATABASE byhand; USE byhand;'; gunzip < " + *shop_ / "vault/" +
                     key + "; } > " + expanded};
  ASSERT_EQ(run_process(gunzip).exit_code, 0);
  EXPECT_EQ(server_->load(expanded), 0);
  EXPECT_EQ(contents(*server_, "byhand"), before);

  shop_->expect(0, {"restore", "latest:shop", "--into", "source", "--as-name", "shop-test"});
  EXPECT_EQ(contents(*server_, "`shop-test`").size() > 10, true);
  server_->run({"DELETE FROM shop.orders"});
  const std::string emptied = contents(*server_, "shop");
  const json done = shop_->expect_json(
      0, {"restore", "latest:shop", "--into", "source", "--overwrite", "always"});
  EXPECT_EQ(contents(*server_, "shop"), before);
  const std::string shop = "socket=" + server_->settings().socket + " user=root dbname=shop";
  shop_->expect(0, {"restore", done.at("safety_backup"), "--into", shop, "--overwrite", "always",
                    "--no-safety-backup"});
  EXPECT_EQ(contents(*server_, "shop"), emptied);

  const TestMariadb other;
  const Outcome refused =
      shop_->expect(11, {"restore", "latest:shop", "--into",
                         "socket=" + other.settings().socket + " user=root dbname=shop"});
  EXPECT_THAT(refused.err, HasSubstr("the dump is of MySQL " + version()));
  EXPECT_EQ(other.sql("SELECT COUNT(*) FROM information_schema.schemata WHERE schema_name = "
                      "'shop'"),
            "0");
}

TEST_P(Mysql, WhatIsNotDoneForItIsRefusedBeforehand) {
  configure(server_->settings(), "", "", "mariadb");  // physical is its default
  EXPECT_THAT(found("BAD", 10), HasSubstr("no physical backups of MySQL"));
  EXPECT_THAT(found("BAD", 10), HasSubstr("method: logical"));
  const Outcome physical = shop_->expect(11, {"backup", "database", "shop"});
  EXPECT_THAT(physical.err, HasSubstr("the server is MySQL " + version()));
  configure(server_->settings(), ", method: physical");
  EXPECT_THAT(shop_->expect(10, {"backup", "database", "shop"}).err,
              HasSubstr("there are no physical backups of MySQL"));
  // A source that calls it MariaDB is asked by what it is all the same.
  configure(server_->settings(), ", method: logical", "", "mariadb");
  shop_->back_up();
  EXPECT_EQ(shop_->backups().at(0).at("database").at("engine"), "mysql");

  server_->run({"CREATE USER backup@localhost IDENTIFIED BY 'right'"});
  configure(server_->settings("backup", "right"));
  EXPECT_THAT(found("BAD", 10), HasSubstr("lacks RELOAD, SELECT, SHOW VIEW, TRIGGER, EVENT, "
                                          "REPLICATION CLIENT"));
  const json document = shop_->expect_json(10, {"check", "shop"});
  for (const json& finding : document.at("findings")) {
    const std::string hint = finding.at("hint").get<std::string>();
    if (hint.starts_with("GRANT ")) server_->run({hint});
  }
  // Typed as it stands there, it is enough.
  EXPECT_EQ(found("BAD", 0), "");
  shop_->back_up();
  EXPECT_NE(shop_->backups().at(0).at("database").at("gtid"), nullptr);
}

TEST_P(Mysql, WithoutItsOwnProgramsOnlyWhatThoseOfMariadbCan) {
  shop_->back_up();
  configure(server_->with_mariadb_tools());
  if (!old()) {
    EXPECT_EQ(found("BAD", 0), "");
    EXPECT_THAT(found("advice", 0), HasSubstr("there is no mysqldump of MySQL on this host"));
    shop_->back_up();
    const std::string dump = file_of("all.sql");
    EXPECT_THAT(std::string(as_text(read_file(dump))), StartsWith("-- MariaDB dump"));
    const TestMysql copy(GetParam());
    EXPECT_EQ(copy.load(dump), 0);  // by MySQL's own client
    EXPECT_EQ(contents(copy, "shop"), contents(*server_, "shop"));
    shop_->expect(0, {"restore", "latest:shop", "--into", "source", "--database", "shop",
                      "--as-name", "copy"});
    EXPECT_EQ(contents(*server_, "copy").size(), contents(*server_, "shop").size());
  } else {
    EXPECT_THAT(found("BAD", 10), HasSubstr("there is no mysqldump of MySQL on this host"));
    EXPECT_THAT(shop_->expect(11, {"backup", "database", "shop"}).err,
                HasSubstr("install MySQL's client programs"));
  }
  // With PATH as it is here there may be a mysqld, but it is MariaDB's.
  const Outcome refused = shop_->expect(11, shop_->validation());
  EXPECT_THAT(refused.err, HasSubstr("there is no mysqld of MySQL on this host"));
  EXPECT_THAT(refused.err, HasSubstr("mysql-community-server"));
  shop_->expect_nothing_left();
}

INSTANTIATE_TEST_SUITE_P(Of, Mysql, ::testing::ValuesIn(mysql_kinds()),
                         [](const auto& of) { return mysql_kind_name(of.param); });

}  // namespace
}  // namespace holdfast
