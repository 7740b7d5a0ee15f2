// A throw-away server on the files of a real one.
#include "source/mariadb/sandbox.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "os/file.h"
#include "os/identity.h"
#include "store/expect_error.h"
#include "support/mariadb_server.h"

namespace holdfast {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class Sandbox : public ::testing::Test {
 protected:
  Sandbox() {
    ::chmod(directory_.path().c_str(), 0755);
    make_directories(scratch_, 0700);
  }

  MariadbSandbox open(const std::vector<std::string>& options = {}) {
    return {server_.settings(), server_.data_directory(), scratch_, {}, {options, ""}};
  }
  // The processes whose command line has `text`.
  static int processes(const std::string& text) {
    int count = 0;
    for (const auto& process : fs::directory_iterator("/proc")) {
      std::ifstream in(process.path() / "cmdline");
      const std::string line((std::istreambuf_iterator<char>(in)), {});
      if (line.find(text) != std::string::npos) ++count;
    }
    return count;
  }
  std::string socket_directory() const {
    std::string path(as_text(read_file(scratch_ + "/socket-directory")));
    path.pop_back();
    return path;
  }

  TempDir directory_;
  std::string scratch_ = directory_ / "scratch";
  // With what would write, or read elsewhere, if the sandbox let it.
  TestMariadb server_{{"event-scheduler=ON"}};
};

TEST_F(Sandbox, AnswersWithoutWritingAndLeavesTheDirectoryAsItWas) {
  server_.run({"CREATE DATABASE shop", "CREATE TABLE shop.t (i INT PRIMARY KEY)",
               "INSERT INTO shop.t VALUES (1), (2)",
               "CREATE USER root@'10.0.0.1' IDENTIFIED BY 'unknown to us'",
               "ALTER USER root@localhost IDENTIFIED BY 'unknown to us'",
               "CREATE PROCEDURE shop.p() SELECT COUNT(*) FROM shop.t",
               "CREATE EVENT shop.e ON SCHEDULE EVERY 1 SECOND DO DELETE FROM shop.t",
               "ALTER EVENT shop.e DISABLE", "ALTER EVENT shop.e ENABLE",
               "CREATE VIEW shop.v AS SELECT 7 AS seven"});
  server_.stop();
  {
    MariadbSandbox sandbox = open();
    MariadbConnection connection = sandbox.connect();
    EXPECT_EQ(connection.value("SELECT @@event_scheduler"), "OFF");
    EXPECT_EQ(connection.value("SELECT @@log_bin"), "0");
    EXPECT_EQ(connection.value("SELECT @@skip_networking"), "1");
    EXPECT_EQ(connection.value("SELECT seven FROM shop.v"), "7");
    EXPECT_EQ(connection.query("CHECK TABLE shop.t EXTENDED").at(0).at(3), "OK");
    // What a replay of the binary log must be able to do.
    connection.query("CREATE USER clerk@localhost IDENTIFIED BY 'x'");
    connection.query("GRANT SELECT ON shop.* TO clerk@localhost");
    connection.query("SET SESSION server_id = 42, sql_log_bin = 0");
    connection.query("SET GLOBAL gtid_slave_pos = '0-7-5'");
    connection.query("CREATE EVENT shop.f ON SCHEDULE EVERY 1 DAY DO SELECT 1");
    ProcessOptions options;
    options.argv = mariadb_command(sandbox.settings(), "mariadb-check");
    options.argv.insert(options.argv.end(), {"--all-databases", "--extended"});
    const ProcessResult checked = run_process(options);
    EXPECT_EQ(checked.exit_code, 0) << checked.error_output;
    EXPECT_THAT(checked.output, HasSubstr("shop.t"));
    struct stat status {};
    ASSERT_EQ(::stat(socket_directory().c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777U, 0700U);
    sandbox.shut_down();
    EXPECT_EQ(processes(scratch_), 0);
  }
  EXPECT_FALSE(path_exists(socket_directory()));
  // Nothing of us is left in it, and what was done is.
  MariadbSandbox again = open();
  MariadbConnection connection = again.connect();
  EXPECT_EQ(connection.value("SELECT @@gtid_slave_pos"), "0-7-5");
  EXPECT_EQ(connection.value("SELECT GROUP_CONCAT(user) FROM mysql.global_priv WHERE user NOT IN "
                             "('holdfast_sandbox', 'mariadb.sys', 'mysql', 'root', 'PUBLIC', '')"),
            "clerk");
  again.shut_down();
  const MariadbSandbox third = open();
  EXPECT_EQ(third.connect().value("SELECT COUNT(*) FROM mysql.global_priv WHERE user LIKE "
                                  "'holdfast%'"),
            "1");
}

TEST_F(Sandbox, TakesOptionsAndGoesWithItsObject) {
  server_.stop();
  {
    const MariadbSandbox sandbox = open({"log-bin=replayed", "server-id=77"});
    MariadbConnection connection = sandbox.connect();
    EXPECT_EQ(connection.value("SELECT @@log_bin"), "1");
    EXPECT_EQ(connection.value("SELECT @@server_id"), "77");
    // Our own account is nothing that a replica should learn of.
    EXPECT_EQ(connection.value("SELECT @@gtid_binlog_pos"), "");
    EXPECT_EQ(processes("--defaults-file=" + scratch_), 1);
  }
  EXPECT_EQ(processes("--defaults-file=" + scratch_), 0);
  EXPECT_FALSE(path_exists(socket_directory()));

  std::stop_source stop;
  stop.request_stop();
  const auto error = error_of([&] {
    MariadbSandbox(server_.settings(), server_.data_directory(), scratch_, stop.get_token());
  });
  ASSERT_TRUE(error.has_value());
  EXPECT_EQ(error->code(), Code::kCancelled);
  EXPECT_EQ(processes("--defaults-file=" + scratch_), 0);
}

TEST_F(Sandbox, SaysWhatTheServerSaidWhenItDoesNotStart) {
  server_.stop();
  const std::string system = server_.data_directory() + "/ibdata1";
  std::fstream(system, std::ios::in | std::ios::out | std::ios::binary).write("rubbish", 7);
  fs::resize_file(system, 64U << 10);
  const auto fresh = error_of([&] { open(); });
  ASSERT_TRUE(fresh.has_value());
  EXPECT_EQ(fresh->code(), Code::kUnavailable);  // no backup is to blame
  std::ofstream(server_.data_directory() + "/backup-my.cnf") << "[mariadbd]\n";
  const auto error = error_of([&] { open(); });
  ASSERT_TRUE(error.has_value());
  EXPECT_EQ(error->code(), Code::kCorrupt);
  EXPECT_THAT(error->message(), HasSubstr("ibdata1"));
  EXPECT_EQ(processes("--defaults-file=" + scratch_), 0);
  EXPECT_FALSE(path_exists(socket_directory()));
}

// Any server that starts removes the temporary tables in /tmp, also those of the tool at work.
TEST(FreshDirectory, IsMadeWithAPlaceOfItsOwnForTemporaryTables) {
  const TempDir directory;
  ::chmod(directory.path().c_str(), 0755);
  for (const char* name : {"data", "bin"}) make_directories(directory / name, 0755);
  const std::string tool = directory / "bin/mariadb-install-db";
  std::ofstream(tool) << "#!/bin/sh\nfor word; do case $word in --tmpdir=*) cd \"${word#*=}\" && "
                         "pwd && touch here;; esac; done\nexit 1\n";
  ::chmod(tool.c_str(), 0755);
  MariadbSettings settings;
  settings.bin_directory = directory / "bin";
  const auto error = error_of([&] { make_mariadb_directory(settings, directory / "data", {}); });
  ASSERT_TRUE(error.has_value());
  EXPECT_EQ(error->code(), Code::kUnavailable);
  EXPECT_THAT(error->message(), HasSubstr(directory / "data.tmp"));
  EXPECT_FALSE(path_exists(directory / "data.tmp"));
}

TEST(FreshDirectory, HoldsNothingOfPeople) {
  const TempDir directory;
  ::chmod(directory.path().c_str(), 0755);
  for (const char* name : {"data", "scratch"}) make_directories(directory / name, 0700);
  make_mariadb_directory(MariadbSettings{}, directory / "data", {});
  MariadbSandbox sandbox(MariadbSettings{}, directory / "data", directory / "scratch", {});
  EXPECT_EQ(sandbox.connect().value("SELECT COUNT(*) FROM information_schema.schemata WHERE "
                                    "schema_name NOT IN ('mysql', 'sys', 'performance_schema', "
                                    "'information_schema')"),
            "0");
  sandbox.shut_down();
}

}  // namespace
}  // namespace holdfast
