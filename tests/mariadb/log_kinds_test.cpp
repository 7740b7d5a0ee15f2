// What a binary log may have besides rows and statements in the clear: LOAD DATA, and encryption.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <csignal>
#include <fstream>
#include <memory>
#include <set>

#include "mariadb/shop.h"
#include "os/file.h"
#include "source/mariadb/connection.h"

namespace holdfast {
namespace {

using Options = std::vector<std::string>;

// Lines "N<tab>text"; the server reads it, too.
std::string write_rows(const std::string& path, int from, int to) {
  std::ofstream out(path);
  for (int i = from; i < to; ++i) out << i << '\t' << "it's row " << i << "; -- \\\\ ü\n";
  return "'" + path + "'";
}

// The binary log of `server` from a backup on.
class Story {
 public:
  explicit Story(const Options& options) : server_(options) {
    server_.run({"CREATE DATABASE shop",
                 "CREATE TABLE shop.t (id INT PRIMARY KEY, v VARCHAR(100)) CHARACTER SET utf8mb4",
                 "CREATE TABLE shop.old (id INT, v VARCHAR(100)) ENGINE=MyISAM"});
  }

  void load_local(const std::string& file, const std::string& into) {
    ProcessOptions options;
    options.argv = mariadb_command(server_.settings(), "mariadb");
    options.argv.insert(options.argv.end(),
                        {"--local-infile=1", "-e",
                         "SET binlog_format = 'STATEMENT'; LOAD DATA LOCAL INFILE " + file +
                             " INTO TABLE " + into + " CHARACTER SET utf8mb4"});
    const ProcessResult result = run_process(options);
    ASSERT_EQ(result.exit_code, 0) << result.error_output;
  }
  bool log_has(const std::string& event) {
    MariadbConnection connection(server_.settings(), {});
    for (const auto& file : connection.query("SHOW BINARY LOGS")) {
      for (const auto& row : connection.query("SHOW BINLOG EVENTS IN '" + *file[0] + "'")) {
        if (row[2] == event) return true;
      }
    }
    return false;
  }
  void end(Background& stream) {
    EXPECT_NO_THROW(shop_.wait_until_durable(server_))
        << shop_.status() << server_.sql("SELECT @@gtid_binlog_pos");
    EXPECT_EQ(stream.end(SIGTERM), 0) << stream.said();
  }
  void expect_restored(const std::string& name, const std::string& contents,
                       const Options& words = {}, const Options& options = {}) {
    const TestMariadb restored = TestMariadb::on(shop_.restore(name, words), options);
    EXPECT_EQ(restored.contents(), contents);
  }

  TestMariadb server_;
  MariadbShop shop_{server_};
};

// What belongs to whom.
std::string belongings(const TestMariadb& server) {
  MariadbConnection connection(server.settings(), {});
  std::set<std::string> rows;  // the grants are in no order
  for (const char* question :
       {"SHOW GRANTS FOR boss@localhost", "SHOW GRANTS FOR staff",
        "SELECT definer, name, status, comment FROM mysql.event ORDER BY name",
        "SELECT host, user, role, admin_option FROM mysql.roles_mapping ORDER BY role, user"}) {
    for (const MariadbRow& row : connection.query(question)) {
      std::string text;
      for (const auto& value : row) text += value.value_or("NULL") + "|";
      rows.insert(text + "\n");
    }
  }
  std::string all;
  for (const std::string& row : rows) all += row;
  return all;
}

class MariadbInvoker : public ::testing::TestWithParam<Options> {};

// The log has who ran a statement beside its text.
TEST_P(MariadbInvoker, WhatAStatementMeansByWhoRanItComesBack) {
  Story story(GetParam());
  story.server_.run({"CREATE EVENT shop.e ON SCHEDULE EVERY 1 DAY DO DELETE FROM shop.t",
                     "CREATE EVENT shop.f ON SCHEDULE EVERY 1 DAY DO DELETE FROM shop.t",
                     "CREATE EVENT shop.m ON SCHEDULE EVERY 1 DAY DISABLE ON SLAVE DO SELECT 1",
                     "CREATE EVENT shop.n ON SCHEDULE EVERY 1 DAY DISABLE ON SLAVE DO SELECT 1",
                     "CREATE USER boss@localhost IDENTIFIED BY 'pw'",
                     "GRANT ALL ON *.* TO boss@localhost WITH GRANT OPTION", "CREATE ROLE staff",
                     "GRANT staff TO boss@localhost"});
  Background stream = story.shop_.stream();
  story.shop_.back_up();
  const auto as_boss = [&](const std::vector<std::string>& statements) {
    MariadbConnection boss(story.server_.settings("boss", "pw"), {});
    for (const std::string& statement : statements) boss.query(statement);
  };
  as_boss({"GRANT SELECT ON shop.* TO CURRENT_USER", "GRANT INSERT ON shop.old TO CURRENT_USER()",
           "GRANT INSERT, DELETE ON shop.t TO CURRENT_USER",
           "REVOKE DELETE ON shop.t FROM CURRENT_USER", "CREATE ROLE ours",
           "CREATE ROLE mine WITH ADMIN CURRENT_USER"});
  story.server_.run({"FLUSH BINARY LOGS"});
  as_boss({"SET ROLE staff", "GRANT UPDATE ON shop.t TO CURRENT_ROLE",
           "CREATE ROLE theirs WITH ADMIN CURRENT_ROLE", "ALTER EVENT shop.e COMMENT 'weekly'",
           "ALTER DEFINER = CURRENT_USER EVENT shop.f DISABLE", "CREATE USER clerk@localhost",
           "GRANT mine TO clerk@localhost",
           "CREATE EVENT shop.g ON SCHEDULE EVERY 1 DAY COMMENT 'enable' DO DELETE FROM shop.t",
           "CREATE EVENT shop.h ON SCHEDULE EVERY 1 DAY DISABLE DO DELETE FROM shop.t",
           "ALTER EVENT shop.h RENAME TO shop.k", "ALTER EVENT shop.m ENABLE"});
  const std::string wanted = belongings(story.server_);
  story.end(stream);
  const TestMariadb restored = TestMariadb::on(story.shop_.restore("restored"), {});
  EXPECT_EQ(belongings(restored), wanted);
}

// No replica of MariaDB can run them. What was done behind them comes back, they are named.
class MariadbOwnRoles : public ::testing::TestWithParam<const char*> {};

TEST_P(MariadbOwnRoles, AreNamed) {
  Story story({});
  story.server_.run({"CREATE USER boss@localhost IDENTIFIED BY 'pw'",
                     "GRANT ALL ON *.* TO boss@localhost WITH GRANT OPTION", "CREATE ROLE desk",
                     "CREATE ROLE staff WITH ADMIN desk", "GRANT desk TO boss@localhost"});
  Background stream = story.shop_.stream();
  story.shop_.back_up();
  {
    MariadbConnection boss(story.server_.settings("boss", "pw"), {});
    boss.query("SET SESSION sql_mode = '" + std::string(GetParam()) + "'");
    for (const char* statement :
         {"SET ROLE desk", "GRANT staff TO CURRENT_USER", "CREATE ROLE other",
          "REVOKE other FROM CURRENT_USER", "INSERT INTO shop.t VALUES (1, 'behind them')"}) {
      boss.query(statement);
    }
  }
  story.server_.run({"REVOKE staff FROM boss@localhost"});  // goes by what the log lost
  const std::string contents = story.server_.contents();
  story.end(stream);
  const auto done =
      story.shop_.expect_json(3, {"restore", "latest:shop", "--target", story.shop_ / "restored"});
  ASSERT_EQ(done.at("warnings").size(), 3u) << done.dump(1);
  const char* const named[] = {"GRANT staff TO CURRENT_USER", "REVOKE other FROM CURRENT_USER",
                               "REVOKE staff FROM boss@localhost"};
  for (std::size_t i = 0; i < 3; ++i) {
    const std::string warning = done.at("warnings").at(i);
    EXPECT_NE(warning.find(named[i]), std::string::npos) << warning;
  }
  const TestMariadb restored = TestMariadb::on(story.shop_ / "restored", {});
  EXPECT_EQ(restored.contents(), contents);
  // Nor is there an account that lets everybody in, which the first one makes in the second mode.
  EXPECT_EQ(restored.sql("SELECT COUNT(*) FROM mysql.user WHERE user = '' AND host = ''"), "0");
}

INSTANTIATE_TEST_SUITE_P(Modes, MariadbOwnRoles,
                         ::testing::Values("STRICT_TRANS_TABLES,NO_AUTO_CREATE_USER", ""));

// The two parts of one have others between them.
TEST(MariadbLogKinds, XaTransactionsComeBack) {
  Story story({});
  Background stream = story.shop_.stream();
  story.shop_.back_up();
  const auto prepare = [&](const std::string& name, int id) {
    auto connection =
        std::make_unique<MariadbConnection>(story.server_.settings(), std::stop_token());
    connection->query("XA START '" + name + "'");
    connection->query("INSERT INTO shop.t VALUES (" + std::to_string(id) + ", '" + name + "')");
    connection->query("XA END '" + name + "'");
    connection->query("XA PREPARE '" + name + "'");
    return connection;
  };
  const auto one = prepare("one", 1);
  const auto two = prepare("two", 2);
  const auto three = prepare("three", 3);
  story.server_.run({"INSERT INTO shop.t VALUES (4, 'between')"});
  two->query("XA ROLLBACK 'two'");
  one->query("XA COMMIT 'one'");
  story.server_.run({"INSERT INTO shop.t VALUES (5, 'behind')"});
  const std::string wanted = story.server_.contents();
  story.end(stream);
  const TestMariadb restored = TestMariadb::on(story.shop_.restore("restored"), {});
  EXPECT_EQ(restored.contents(), wanted);
  // As at the source, it is for its owner to decide.
  restored.run({"XA COMMIT 'three'"});
  EXPECT_EQ(restored.sql("SELECT GROUP_CONCAT(id ORDER BY id) FROM shop.t"), "1,3,4,5");
}

// It is in the source's log, and has nothing to put into that of the server that replays.
TEST(MariadbLogKinds, TheLastStatementMayFindNothing) {
  Story story({"log-bin-trust-function-creators=ON"});
  Background stream = story.shop_.stream();
  story.shop_.back_up();
  story.server_.run({"CREATE FUNCTION shop.one() RETURNS INT RETURN 1",
                     "INSERT INTO shop.t VALUES (1, 'there')", "SET binlog_format = 'STATEMENT'",
                     "DELETE FROM shop.t WHERE id > 1 LIMIT 5"});
  const std::string wanted = story.server_.contents();
  story.end(stream);
  story.expect_restored("restored", wanted);
}

// One whose moment has passed would run once more.
TEST(MariadbLogKinds, AnEventThatMayHaveRunIsNamed) {
  Story story({});
  Background stream = story.shop_.stream();
  story.shop_.back_up();
  story.server_.run(
      {"CREATE EVENT shop.once ON SCHEDULE AT '2026-11-01 00:00:00' ON COMPLETION "
       "PRESERVE DO DELETE FROM shop.t"});
  story.end(stream);
  const auto done =
      story.shop_.expect_json(3, {"restore", "latest:shop", "--target", story.shop_ / "restored"});
  ASSERT_EQ(done.at("warnings").size(), 1u) << done.dump(1);
  const std::string warning = done.at("warnings").at(0);
  EXPECT_NE(warning.find("the event `shop`.`once`"), std::string::npos) << warning;
}

TEST(MariadbLogKinds, TemporaryTablesEndWithTheirServer) {
  Story story({});
  Background stream = story.shop_.stream();
  story.shop_.back_up();
  story.server_.run({"SET GLOBAL binlog_format = 'STATEMENT'"});
  // The numbers of sessions begin anew with the server.
  const auto use_it = [&](int id) {
    auto session = std::make_unique<MariadbConnection>(story.server_.settings(), std::stop_token());
    session->query("CREATE TEMPORARY TABLE shop.some (id INT PRIMARY KEY)");
    session->query("INSERT INTO shop.some VALUES (" + std::to_string(id) + ")");
    session->query("INSERT INTO shop.t SELECT id, 'by way of it' FROM shop.some");
    return session;
  };
  std::vector<std::unique_ptr<MariadbConnection>> sessions;
  for (int i = 0; i < 30; ++i) sessions.push_back(use_it(i));
  story.server_.kill();
  sessions.clear();
  story.server_.start();
  story.server_.run({"SET GLOBAL binlog_format = 'STATEMENT'"});
  for (int i = 30; i < 60; ++i) sessions.push_back(use_it(i));
  const std::string wanted = story.server_.contents();
  story.end(stream);
  story.expect_restored("restored", wanted);
}

// What it had done to a table without transactions stays, and is in the log with its error.
TEST(MariadbLogKinds, AStatementThatFailedInItsMiddleDoesSoAgain) {
  Story story({});
  Background stream = story.shop_.stream();
  story.shop_.back_up();
  MariadbConnection connection(story.server_.settings(), {});
  connection.query("CREATE TABLE shop.part (id INT PRIMARY KEY) ENGINE=MyISAM");
  connection.query("SET binlog_format = 'STATEMENT'");
  EXPECT_THROW(connection.query("INSERT INTO shop.part VALUES (1), (2), (1), (3)"), Error);
  connection.query("INSERT INTO shop.part VALUES (7)");
  ASSERT_EQ(story.server_.sql("SELECT GROUP_CONCAT(id ORDER BY id) FROM shop.part"), "1,2,7");
  const std::string wanted = story.server_.contents();
  story.end(stream);
  story.expect_restored("restored", wanted);
}

INSTANTIATE_TEST_SUITE_P(Logs, MariadbInvoker,
                         ::testing::Values(Options{}, Options{"log-bin-compress=ON",
                                                              "log-bin-compress-min-len=10"}),
                         [](const auto& one) { return one.index == 0 ? "Plain" : "Compressed"; });

TEST(MariadbLogKinds, LoadDataComesBackRowByRow) {
  Story story({"local-infile=1"});
  Background stream = story.shop_.stream();
  story.shop_.back_up();
  // More than one block of the log each.
  const std::string first = write_rows(story.shop_ / "first.txt", 0, 20000);
  const std::string second = write_rows(story.shop_ / "second.txt", 20000, 40000);
  const std::string third = write_rows(story.shop_ / "third.txt", 40000, 41000);
  story.server_.run({"SET binlog_format = 'STATEMENT'",
                     "LOAD DATA INFILE " + first + " INTO TABLE shop.t CHARACTER SET utf8mb4",
                     "LOAD DATA INFILE " + first + " INTO TABLE shop.old CHARACTER SET utf8mb4"});
  story.load_local(second, "shop.t");
  const std::string middle = story.server_.contents();
  const std::string gtid = story.server_.sql("SELECT @@gtid_binlog_pos");
  story.server_.run({"FLUSH BINARY LOGS", "SET binlog_format = 'STATEMENT'", "BEGIN",
                     "INSERT INTO shop.t VALUES (-1, 'before')",
                     "LOAD DATA INFILE " + third +
                         " IGNORE INTO TABLE shop.t CHARACTER SET utf8mb4 (id, @v) "
                         "SET v = upper(@v)",
                     "DELETE FROM shop.t WHERE id BETWEEN 100 AND 200", "COMMIT"});
  const std::string end = story.server_.contents();
  ASSERT_TRUE(story.log_has("Execute_load_query"));
  ASSERT_TRUE(story.log_has("Append_block"));
  story.end(stream);
  story.expect_restored("end", end);
  story.expect_restored("middle", middle, {"--to-gtid", gtid});
}

TEST(MariadbLogKinds, AnEncryptedLogIsReceivedAndReplayed) {
  const TempDir keys;
  ::chmod(keys.path().c_str(), 0755);
  write_file_atomic(keys / "keys", as_bytes("1;770a8a65da156d24ee2a093277530142\n"), 0644);
  const Options options = {"plugin-load-add=file_key_management",
                           "loose-file-key-management-filename=" + (keys / "keys"),
                           "encrypt-binlog=ON"};
  Story story(options);
  ASSERT_TRUE(story.log_has("Start_encryption"));
  story.server_.run({"INSERT INTO shop.t VALUES (1, 'in the backup')"});
  {
    Background stream = story.shop_.stream();
    story.shop_.back_up();
    // More than a chunk, so that the next one begins in the middle of the file.
    story.server_.run({"CREATE TABLE shop.large (v LONGBLOB)",
                       "INSERT INTO shop.large SELECT repeat(md5(seq), 31250) FROM "
                       "shop.seq_1_to_20",
                       "INSERT INTO shop.t VALUES (2, 'behind it')"});
    story.end(stream);
  }
  // It goes on in the middle of a file, and over restarts and files.
  story.server_.run({"INSERT INTO shop.t VALUES (3, 'while nobody listened')"});
  Background stream = story.shop_.stream();
  story.server_.run({"INSERT INTO shop.t VALUES (4, 'more')", "FLUSH BINARY LOGS"});
  story.server_.stop();
  story.server_.start();
  story.server_.run({"UPDATE shop.t SET v = concat(v, '!')"});
  const std::string wanted = story.server_.contents();
  story.end(stream);
  story.shop_.expect(0, {"validate", "--read-data"});
  story.expect_restored("end", wanted);
}

}  // namespace
}  // namespace holdfast
