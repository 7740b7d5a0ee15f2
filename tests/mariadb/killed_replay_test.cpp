// A restore of MariaDB that is killed or fails: no server starts on what it left, and the same
// command finishes it.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

#include "mariadb/shop.h"
#include "os/file.h"
#include "support/failing_call.h"
#include "support/syscall_kill.h"

namespace holdfast {
namespace {

class KilledMariadbRestore : public ::testing::Test {
 protected:
  KilledMariadbRestore() {
    server_.run({"CREATE DATABASE shop", "CREATE TABLE shop.t (id INT PRIMARY KEY, v INT)",
                 "INSERT INTO shop.t SELECT seq, seq FROM shop.seq_1_to_1000"});
    Background stream = shop_.stream();
    shop_.back_up();
    server_.run({"SET GLOBAL binlog_format = 'STATEMENT'"});
    server_.run({"INSERT INTO shop.t VALUES (1001, 1)",
                 // As long in the replay as it was here.
                 "INSERT INTO shop.t SELECT 1002, sleep(3)",
                 "INSERT INTO shop.t VALUES (1003, 1)"});
    shop_.wait_until_durable(server_);
    EXPECT_EQ(stream.end(SIGTERM), 0) << stream.said();
    wanted_ = server_.contents();
  }

  std::vector<std::string> words() const { return {"restore", "latest:shop", "--target", target_}; }

  // True when it was killed before its change number `at` of the file system.
  bool restore_killed_at(std::uint64_t at) const {
    std::vector<std::string> argv = shop_.command(words());
    std::vector<char*> pointers;
    for (std::string& one : argv) pointers.push_back(one.data());
    pointers.push_back(nullptr);
    return killed_at_change(
        [&] {
          const int out = ::open((shop_ / "restore.log").c_str(),
                                 O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
          ::dup2(out, STDOUT_FILENO);
          ::dup2(out, STDERR_FILENO);
          ::execv(pointers[0], pointers.data());
          ::_exit(127);
        },
        at);
  }

  void kill_once_there_is(const std::string& file, const std::vector<std::string>& command) const {
    Background restore = shop_.start("restore.log", command);
    restore.wait_for_file(target_ + "/" + file);
    restore.end(SIGKILL);
  }

  TestMariadb server_;
  MariadbShop shop_{server_};
  std::string target_ = shop_ / "restored";
  std::string wanted_;
};

TEST_F(KilledMariadbRestore, InTheReplayLeavesNothingThatStartsAndIsFinishedByTheSameCommand) {
  // Its server is at work, and the statement that takes long is to come.
  kill_once_there_is(".holdfast-unfinished/server/replay.000001", words());
  EXPECT_FALSE(path_exists(target_ + "/ibdata1"));
  EXPECT_THROW(TestMariadb::on(target_), Error);
  EXPECT_FALSE(path_exists(target_ + "/ibdata1"));
  shop_.expect(0, words());
  EXPECT_FALSE(path_exists(target_ + "/.holdfast-unfinished"));
  EXPECT_EQ(TestMariadb::on(target_).contents(), wanted_);
}

TEST_F(KilledMariadbRestore, BeforeTheReplayToo) {
  // Whatever runs below it would lack the tracer: only up to the preparation of the files.
  int kills = 0;
  for (const std::uint64_t at : {30, 200, 400}) {
    ASSERT_TRUE(restore_killed_at(at));
    ++kills;
    EXPECT_FALSE(path_exists(target_ + "/ibdata1")) << at;
  }
  EXPECT_EQ(kills, 3);
  kill_once_there_is(".holdfast-unfinished/global_priv.frm", words());
  EXPECT_THROW(TestMariadb::on(target_), Error);
  shop_.expect(0, words());
  EXPECT_EQ(TestMariadb::on(target_).contents(), wanted_);
}

TEST_F(KilledMariadbRestore, WhatMayNotBeOnTheDiskIsNoServer) {
  EXPECT_EQ(run_with_failing_call(shop_.command(words()), SYS_syncfs, EIO, shop_ / "restore.log"),
            8);
  EXPECT_FALSE(path_exists(target_ + "/ibdata1"));
  EXPECT_THROW(TestMariadb::on(target_), Error);
  shop_.expect(0, words());
  EXPECT_EQ(TestMariadb::on(target_).contents(), wanted_);
}

}  // namespace
}  // namespace holdfast
