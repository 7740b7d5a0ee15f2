// What a binary log may have besides rows and statements in the clear: LOAD DATA, and encryption.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <csignal>
#include <fstream>

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

// Neither is a reason to end, nor to say nothing.
TEST(MariadbLogKinds, WhatBelongsToWhoRanAStatementIsNamed) {
  Story story({});
  story.server_.run({"CREATE EVENT shop.e ON SCHEDULE EVERY 1 DAY DO DELETE FROM shop.t",
                     "CREATE ROLE old_role", "CREATE USER clerk@localhost"});
  Background stream = story.shop_.stream();
  story.shop_.back_up();
  story.server_.run({"ALTER EVENT shop.e COMMENT 'weekly'", "CREATE ROLE new_role",
                     "GRANT old_role TO clerk@localhost"});
  story.end(stream);
  const auto done =
      story.shop_.expect_json(3, {"restore", "latest:shop", "--target", story.shop_ / "restored"});
  ASSERT_EQ(done.at("warnings").size(), 2u) << done.dump(1);
  const std::string event = done.at("warnings").at(0);
  const std::string role = done.at("warnings").at(1);
  EXPECT_NE(event.find("EVENT `shop`.`e` ENABLE"), std::string::npos) << event;
  EXPECT_NE(role.find("the role new_role was made"), std::string::npos) << role;
  const TestMariadb restored = TestMariadb::on(story.shop_ / "restored");
  EXPECT_EQ(
      restored.sql("SELECT count(*) FROM mysql.roles_mapping WHERE role = 'old_role' AND user "
                   "= 'clerk'"),
      "1");
  EXPECT_EQ(restored.sql("SELECT count(*) FROM mysql.roles_mapping WHERE user LIKE 'holdfast%'"),
            "0");
  // What the warnings say to type.
  restored.run({"ALTER DEFINER=root@localhost EVENT shop.e ENABLE",
                "INSERT INTO mysql.roles_mapping VALUES ('localhost', 'root', 'new_role', 'Y')",
                "FLUSH PRIVILEGES", "GRANT new_role TO clerk@localhost"});
}

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
