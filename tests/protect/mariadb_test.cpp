// Backups of a real MariaDB server, while it is written to, and what comes back from them.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <thread>

#include "os/file.h"
#include "protect/database_job.h"
#include "protect/world.h"
#include "source/mariadb/gtid.h"
#include "source/mariadb/restore.h"
#include "store/expect_error.h"
#include "support/mariadb_server.h"

namespace holdfast::test {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::SizeIs;

const bool kFast = use_memory_for_files();

class MariadbBackup : public ::testing::Test {
 protected:
  BackupResult back_up_server(const MariadbSettings& settings) {
    SourceSettings source;
    source.name = "shop";
    source.backup_class = "database";
    source.mariadb = settings;
    const StagingDirectory staging(directory_ / "staging");
    BackupProgress progress;
    return run_backup(*vault_, database_job(*vault_, source, false, staging, warnings_, {}),
                      progress, warnings_, {});
  }

  std::string restored(const BackupResult& backup) {
    const std::string target = directory_ / fmt::format("restored-{}", ++restores_);
    const RestoreResult result = bring_back(*vault_, backup.summary.name, target);
    EXPECT_EQ(result.damaged, 0U);
    return target;
  }

  // A tool of ours in place of `program`: a script that may use the real one.
  MariadbSettings with_tool(MariadbSettings settings, const std::string& program,
                            const std::string& script) {
    settings.bin_directory = directory_ / "bin";
    make_directories(settings.bin_directory);
    for (const char* tool : {"mariadb-dump", "mariadb-backup", "mariadb"}) {
      const std::string path = settings.bin_directory + "/" + tool;
      fs::remove(path);
      fs::create_symlink(std::string("/usr/bin/") + tool, path);
    }
    fs::remove(settings.bin_directory + "/" + program);
    write_file_atomic(settings.bin_directory + "/" + program, as_bytes("#!/bin/bash\n" + script),
                      0755);
    return settings;
  }

  void expect_no_backup() { EXPECT_THAT(list_backups(store_), SizeIs(0)); }

  TempDir directory_;
  MemoryStore store_{system_clock()};
  std::unique_ptr<Vault> vault_ =
      Vault::create(store_, system_clock(), KeyRing::from_master({}, {}), {}, directory_ / "cache");
  Warnings warnings_;
  int restores_ = 0;
};

// Writes numbered rows, each a transaction, until it goes.
class Writer {
 public:
  explicit Writer(const TestMariadb& server) : server_(server) {
    server.run({"CREATE DATABASE shop",
                "CREATE TABLE shop.orders (id INT PRIMARY KEY, v VARCHAR(300))",
                "CREATE TABLE shop.big (id INT PRIMARY KEY, v VARBINARY(4000))",
                "INSERT INTO shop.big SELECT seq, REPEAT(UNHEX(MD5(seq)), 200) FROM "
                "shop.seq_1_to_5000"});
    base_ = GtidPosition(server.sql("SELECT @@gtid_binlog_pos")).domains().at(0).sequence;
    thread_ = std::jthread([this](const std::stop_token& stop) { write(stop); });
    // Some rows before, so that every backup has some.
    while (acknowledged_ < 20) std::this_thread::yield();
  }

  int acknowledged() const { return acknowledged_; }
  void stop() {
    thread_.request_stop();
    thread_.join();
  }
  // The number of rows at a GTID position.
  int rows_at(const std::string& gtid) const {
    return static_cast<int>(GtidPosition(gtid).domains().at(0).sequence - base_);
  }

 private:
  void write(const std::stop_token& stop) {
    MariadbConnection connection(server_.settings(), {});
    for (int id = 1; !stop.stop_requested(); ++id) {
      connection.query(
          fmt::format("INSERT INTO shop.orders VALUES ({}, REPEAT(MD5({}), 8))", id, id));
      acknowledged_ = id;
    }
  }

  const TestMariadb& server_;
  std::uint64_t base_ = 0;
  std::atomic<int> acknowledged_{0};
  std::jthread thread_;
};

// What the first `rows` orders and everything else hold.
std::string state_of(const TestMariadb& server, int rows) {
  const auto sum = [&](const std::string& table, const std::string& where) {
    return server.sql(
        "SELECT CONCAT_WS('/', COUNT(*), MAX(id), BIT_XOR(CRC32(CONCAT(id, v)))) "
        "FROM shop." +
        table + where);
  };
  return sum("orders", fmt::format(" WHERE id <= {}", rows)) + " " + sum("big", "");
}

std::string all_of(const TestMariadb& server) { return state_of(server, 2'000'000'000); }

MariadbSettings with_method(MariadbSettings settings, DatabaseMethod method) {
  settings.method = method;
  return settings;
}

TEST_F(MariadbBackup, APhysicalBackupUnderLoadComesBackToItsPosition) {
  TestMariadb server;
  Writer writer(server);
  const int before = writer.acknowledged();
  const BackupResult backup = back_up_server(server.settings());
  const int after = writer.acknowledged();
  writer.stop();
  const DatabaseFacts facts = backup.summary.database.value();
  EXPECT_EQ(facts.engine, "mariadb");
  EXPECT_EQ(facts.method, "physical");
  EXPECT_EQ(facts.system, server.sql("SELECT @@server_uid"));
  const int rows = writer.rows_at(facts.stop);
  EXPECT_GE(rows, before);
  EXPECT_LE(rows, after + 1);
  EXPECT_LE(backup.summary.consistent, backup.summary.finished);
  EXPECT_EQ(warnings_.count(), 0U);

  const std::string target = restored(backup);
  const MariadbPosition position = finish_mariadb_restore(target, server.settings(), {});
  EXPECT_EQ(position.gtid, facts.stop);
  EXPECT_EQ(position.text(), facts.start);
  // Once more, as after an interruption.
  EXPECT_EQ(finish_mariadb_restore(target, server.settings(), {}), position);
  fs::permissions(directory_.path(), fs::perms(0755));
  const TestMariadb copy = TestMariadb::on(target);
  EXPECT_EQ(all_of(copy), state_of(server, rows));
  EXPECT_EQ(copy.sql("CHECK TABLE shop.orders EXTENDED"), "shop.orders");
  EXPECT_EQ(copy.sql("SELECT @@gtid_current_pos"), "");
  MariadbConnection connection(copy.settings(), {});
  set_mariadb_gtid(connection, position.gtid);
  EXPECT_EQ(copy.sql("SELECT @@gtid_current_pos"), facts.stop);
}

TEST_F(MariadbBackup, ASecondPhysicalBackupAddsWhatChanged) {
  TestMariadb server;
  Writer writer(server);
  writer.stop();
  const BackupResult first = back_up_server(server.settings());
  server.run({"UPDATE shop.big SET v = 'changed' WHERE id = 77"});
  const BackupResult second = back_up_server(server.settings());
  EXPECT_GT(first.summary.bytes, 30U << 20);
  EXPECT_GT(second.summary.bytes, 30U << 20);
  // Logs, and what the server writes by itself.
  EXPECT_LT(second.summary.added_raw_bytes, first.summary.added_raw_bytes / 5);
  EXPECT_EQ(first.summary.files, second.summary.files);
}

TEST_F(MariadbBackup, ADumpUnderLoadIsOneSnapshotOfAllDatabases) {
  TestMariadb server;
  server.run({"CREATE DATABASE `odd-name`", "CREATE TABLE `odd-name`.t (i INT PRIMARY KEY, b BLOB)",
              "INSERT INTO `odd-name`.t VALUES (1, X'00FF0A5C27')",
              "CREATE USER clerk@'%' IDENTIFIED BY 'secret'", "GRANT SELECT ON shop.* TO clerk@'%'",
              "CREATE PROCEDURE `odd-name`.p() BEGIN SELECT 1; END",
              "INSERT INTO mysql.time_zone VALUES (7, 'N')",
              "INSERT INTO mysql.time_zone_name VALUES ('Test/Zone', 7)",
              "INSERT INTO mysql.time_zone_transition VALUES (7, 1000000000, 0)",
              "INSERT INTO mysql.time_zone_transition_type VALUES (7, 0, 19800, 0, 'TZT')"});
  Writer writer(server);
  const int before = writer.acknowledged();
  const BackupResult backup =
      back_up_server(with_method(server.settings(), DatabaseMethod::kLogical));
  const int after = writer.acknowledged();
  writer.stop();
  const DatabaseFacts facts = backup.summary.database.value();
  EXPECT_EQ(facts.method, "logical");
  const int rows = writer.rows_at(facts.stop);
  EXPECT_GE(rows, before);
  EXPECT_LE(rows, after + 1);
  EXPECT_THAT(facts.start, HasSubstr("binlog.0"));

  const std::string target = restored(backup);
  const TestMariadb copy;
  for (const char* name : {"/all.sql", "/users.sql", "/zones.sql", "/zones.sql"}) {
    MariadbImport import(copy.settings(), {});
    import.write(read_file(target + name));
    import.finish();
  }
  EXPECT_EQ(all_of(copy), state_of(server, rows));
  EXPECT_EQ(copy.sql("SELECT HEX(b) FROM `odd-name`.t"), "00FF0A5C27");
  EXPECT_EQ(copy.sql("SELECT COUNT(*) FROM mysql.proc WHERE db = 'odd-name'"), "1");
  EXPECT_EQ(copy.sql("SELECT CONVERT_TZ('2025-01-01 12:00:00', '+00:00', 'Test/Zone')"),
            "2025-01-01 17:30:00");
  MariadbConnection clerk(copy.settings("clerk", "secret"), {});
  EXPECT_EQ(clerk.value("SELECT COUNT(*) FROM shop.orders"), std::to_string(rows));
}

TEST_F(MariadbBackup, ChosenDatabasesAndTablesWithoutTransactions) {
  TestMariadb server;
  server.run({"CREATE DATABASE a", "CREATE TABLE a.t (i INT) ENGINE=MyISAM", "CREATE DATABASE b"});
  MariadbSettings settings = with_method(server.settings(), DatabaseMethod::kLogical);
  settings.databases = {"a"};
  const std::string target = restored(back_up_server(settings));
  const std::string text = read_text(target + "/all.sql");
  EXPECT_THAT(text, HasSubstr("Current Database: `a`"));
  EXPECT_EQ(text.find("Current Database: `b`"), std::string::npos);
  EXPECT_FALSE(path_exists(target + "/zones.sql"));
  ASSERT_EQ(warnings_.count(), 1U);
  EXPECT_THAT(warnings_.first().at(0), HasSubstr("a.t"));
}

TEST_F(MariadbBackup, AWrongPasswordIsSaid) {
  const TestMariadb server;
  server.run({"CREATE USER backup@localhost IDENTIFIED BY 'right'"});
  for (const auto method : {DatabaseMethod::kPhysical, DatabaseMethod::kLogical}) {
    const MariadbSettings settings = with_method(server.settings("backup", "wrong"), method);
    expect_error(Code::kDenied, [&] { back_up_server(settings); });
  }
  // May connect, but not make backups.
  expect_error(Code::kDenied, [&] { back_up_server(server.settings("backup", "right")); });
  expect_no_backup();
}

TEST_F(MariadbBackup, AnAccountThatTheServerIgnoresIsExplained) {
  const TestMariadb server(std::vector<std::string>{"skip-name-resolve"});
  server.run({"INSERT INTO mysql.global_priv VALUES ('app.example.com', 'clerk', '{}')",
              "FLUSH PRIVILEGES"});
  const auto error =
      error_of([&] { back_up_server(with_method(server.settings(), DatabaseMethod::kLogical)); });
  ASSERT_TRUE(error.has_value());
  EXPECT_THAT(error->message(), HasSubstr("SHOW CREATE USER"));
  EXPECT_THAT(error->hint(), HasSubstr("skip_name_resolve"));
}

TEST_F(MariadbBackup, ADumpWhoseProducerDiesIsNone) {
  TestMariadb server;
  Writer writer(server);
  writer.stop();
  const MariadbSettings logical = with_method(server.settings(), DatabaseMethod::kLogical);
  for (const char* end : {"kill -9 $$", "exit 3", "exit 0"}) {
    const auto settings =
        with_tool(logical, "mariadb-dump",
                  std::string("/usr/bin/mariadb-dump \"$@\" 2>/dev/null | head -c 20000\n") + end);
    expect_error(Code::kInvalid, [&] { back_up_server(settings); });
  }
  // The same, left to itself, is one.
  back_up_server(with_tool(logical, "mariadb-dump", "exec /usr/bin/mariadb-dump \"$@\""));
  EXPECT_THAT(list_backups(store_), SizeIs(1));
}

TEST_F(MariadbBackup, AServerThatStopsMidBackupLeavesNone) {
  TestMariadb server;
  Writer writer(server);
  writer.stop();
  const std::string kill_server = fmt::format("kill -9 $(cat {}/../pid)", server.data_directory());
  const std::string script =
      "set -o pipefail\n/usr/bin/mariadb-backup \"$@\" | { head -c 100000; " + kill_server +
      "; cat; }\n";
  const auto error =
      error_of([&] { back_up_server(with_tool(server.settings(), "mariadb-backup", script)); });
  ASSERT_TRUE(error.has_value());
  EXPECT_THAT(error->message(), HasSubstr("mariadb-backup failed"));
  expect_no_backup();
  // The next one is not harmed by it.
  server.kill();  // of what is left: the process's end is taken note of
  server.start();
  back_up_server(server.settings());
  EXPECT_THAT(list_backups(store_), SizeIs(1));
}

TEST_F(MariadbBackup, AStreamThatStopsIsNoBackup) {
  TestMariadb server;
  Writer writer(server);
  writer.stop();
  // The tool says that all is well, its stream does not.
  const auto settings = with_tool(server.settings(), "mariadb-backup",
                                  "/usr/bin/mariadb-backup \"$@\" 2>/dev/null | head -c 1000000\n"
                                  "echo 'completed OK!' >&2\n");
  expect_error(Code::kCorrupt, [&] { back_up_server(settings); });
  expect_no_backup();
}

}  // namespace
}  // namespace holdfast::test
