// holdfast stream of a server that is not any more what the vault has the log of: restored, or set
// back as files.
#include <gtest/gtest.h>

#include <csignal>
#include <filesystem>
#include <fstream>

#include "mariadb/shop.h"
#include "os/process.h"

namespace holdfast {
namespace {

namespace fs = std::filesystem;

void copy_all(const std::string& from, const std::string& to) {
  ProcessOptions options;
  options.argv = {"cp", "-a", from, to};
  ASSERT_EQ(run_process(options).exit_code, 0);
}

class MariadbSetBack : public ::testing::Test {
 protected:
  MariadbSetBack() {
    server_.run({"CREATE DATABASE shop", "CREATE TABLE shop.t (id INT PRIMARY KEY)"});
  }

  static void insert(const TestMariadb& server, int from, int to) {
    for (int id = from; id < to; ++id) {
      server.run({"INSERT INTO shop.t VALUES (" + std::to_string(id) + ")"});
    }
  }
  // Rows 0 to 39 in three files, all of them in the vault, behind a backup.
  void write_history() {
    Background stream = shop_.stream();
    shop_.back_up();
    for (int i = 0; i < 4; ++i) {
      insert(server_, 10 * i, 10 * i + 10);
      if (i < 3) server_.run({"FLUSH BINARY LOGS"});
    }
    shop_.wait_until_durable(server_);
    EXPECT_EQ(stream.end(SIGTERM), 0) << stream.said();
  }
  void expect_refused(int code, const std::string& why) {
    Background refused =
        shop_.start("refused" + std::to_string(++number_) + ".log", {"stream", "shop"});
    EXPECT_EQ(refused.wait(), code) << refused.said();
    EXPECT_NE(refused.said().find(why), std::string::npos) << refused.said();
  }
  // A new log, whose end can be recovered.
  void expect_new_log(const TestMariadb& server) {
    shop_.back_up();
    Background stream = shop_.stream({"--skip-gap"});
    insert(server, 500, 503);
    shop_.wait_until_durable(server);
    EXPECT_EQ(stream.end(SIGTERM), 0) << stream.said();
    const std::string wanted = server.contents();
    EXPECT_EQ(TestMariadb::on(shop_.restore("again")).contents(), wanted);
  }
  // The files as they are now.
  void keep_files() {
    server_.stop();
    copy_all(server_.data_directory(), shop_ / "kept");
    server_.start();
  }
  void set_back() {
    server_.stop();
    fs::remove_all(server_.data_directory());
    copy_all(shop_ / "kept", server_.data_directory());
    server_.start();
  }

  TestMariadb server_;
  MariadbShop shop_{server_};
  int number_ = 0;
};

TEST_F(MariadbSetBack, ARestoredServerIsAConflictAndNoPurgedLog) {
  write_history();
  server_.stop();
  const std::string directory = shop_.restore("restored", {"--to-immediate"});
  const TestMariadb restored = TestMariadb::on(directory);
  shop_.configure(restored);
  expect_refused(6, "newest binary log is binlog.000001, but the vault has binlog.000004");
  insert(restored, 0, 3);
  expect_new_log(restored);
}

TEST_F(MariadbSetBack, OldFilesAreAConflictWhereverTheirNumbersAre) {
  keep_files();
  write_history();
  set_back();
  expect_refused(6, "newest binary log is binlog.000002, but the vault has binlog.000005");
  // Its numbers come by, and the file of the same name is gone.
  for (int i = 0; i < 4; ++i) server_.run({"FLUSH BINARY LOGS"});
  server_.purge_to("binlog.000006");
  expect_refused(6, "begins at GTID 0-7-2, before what the vault has");
  insert(server_, 100, 103);
  expect_new_log(server_);
}

// The vault ends with a file that the server once ended, and now has ended elsewhere; the file that
// follows would be taken for its continuation.
TEST_F(MariadbSetBack, AFileThatBecameShorterIsNotGoneOnFrom) {
  Background stream = shop_.stream();
  shop_.back_up();
  const std::string log = server_.data_directory() + "/binlog.";
  insert(server_, 0, 3);
  const auto size = fs::file_size(log + "000001");
  insert(server_, 3, 6);
  server_.run({"FLUSH BINARY LOGS"});
  insert(server_, 6, 7);
  shop_.wait_until_durable(server_);
  EXPECT_EQ(stream.end(SIGTERM), 0) << stream.said();
  for (const std::string& key : shop_.log_keys()) {
    if (key.find("binlog.000002") != std::string::npos) fs::remove(shop_ / ("vault/" + key));
  }
  server_.stop();
  fs::remove(log + "000002");
  fs::resize_file(log + "000001", size);
  std::ofstream(log + "index") << "./binlog.000001\n";  // it stays the server's
  server_.start();
  expect_refused(6, "but the vault has more");
  insert(server_, 100, 103);
  expect_new_log(server_);
}

TEST_F(MariadbSetBack, PurgedIsStillPurged) {
  write_history();
  for (int i = 0; i < 3; ++i) server_.run({"FLUSH BINARY LOGS"});
  insert(server_, 100, 103);
  server_.purge_to("binlog.000006");
  expect_refused(4, "no longer has binlog.000004");
}

}  // namespace
}  // namespace holdfast
