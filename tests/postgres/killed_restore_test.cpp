// A restore that is killed or fails, wherever: no server starts on what it left, and the same
// command finishes it.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "os/file.h"
#include "postgres/shop.h"
#include "support/failing_call.h"
#include "support/syscall_kill.h"

namespace holdfast {
namespace {

class KilledRestore : public ::testing::Test {
 protected:
  KilledRestore() {
    server_.start();
    server_.query(
        "CREATE TABLE t AS SELECT g AS id, md5(g::text) AS v "
        "FROM generate_series(1, 20000) AS g");
    shop_.emplace(server_);
    shop_->back_up();
  }

  // True when it was killed before its change number `at` of the file system.
  bool restore_killed_at(const PostgresServer& to, std::uint64_t at,
                         const std::vector<std::string>& more = {}) const {
    std::vector<std::string> words = {"restore", "latest:shop", "--target", to.data()};
    words.insert(words.end(), more.begin(), more.end());
    std::vector<std::string> argv = shop_->command(words);
    std::vector<char*> pointers;
    for (std::string& one : argv) pointers.push_back(one.data());
    pointers.push_back(nullptr);
    return killed_at_change(
        [&] {
          const int out = ::open((*shop_ / "restore.log").c_str(),
                                 O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
          ::dup2(out, STDOUT_FILENO);
          ::dup2(out, STDERR_FILENO);
          ::execv(pointers[0], pointers.data());
          ::_exit(127);
        },
        at);
  }
  static void expect_no_server_starts(PostgresServer& server) {
    const std::size_t before = server.log().size();
    EXPECT_NE(server.run_to_its_end(), 0);
    const std::string said = server.log().substr(before);
    EXPECT_EQ(said.find("ready to accept connections"), std::string::npos) << said;
  }
  static std::string rows(const PostgresServer& server) {
    return server.query("SELECT count(*) || md5(string_agg(v, '' ORDER BY id)) FROM t");
  }

  PostgresServer server_{PostgresOptions{{"--data-checksums", "--wal-segsize=1"}, {}}};
  std::optional<Shop> shop_;
};

TEST_F(KilledRestore, IntoNothingIsFinishedByTheSameCommand) {
  const std::string wanted = rows(server_);
  PostgresServer restored("restored");
  // What one leaves that is killed while it makes its mark is nobody's file.
  const std::string unmade = restored.data() + "/.holdfast-restore.json.tmp-1-0";
  make_directories(restored.data(), 0700);
  write_file_atomic(unmade, {});
  int kills = 0;
  // Each goes on where the one before was, and first looks at what that one left.
  for (std::uint64_t at = 500; restore_killed_at(restored, at); at += 900) {
    ++kills;
    if (!path_exists(restored.data() + "/PG_VERSION")) continue;
    // Put there by the last step but for taking the mark away: then all the rest must be there,
    // too.
    if (path_exists(restored.data() + "/global/pg_control")) break;
    if (kills < 3) expect_no_server_starts(restored);
    ASSERT_LT(kills, 50) << "it never gets any further";
  }
  EXPECT_GE(kills, 3);
  EXPECT_FALSE(path_exists(unmade));
  start_restored(restored);
  EXPECT_EQ(rows(restored), wanted);
}

TEST_F(KilledRestore, OverAnOldClusterLeavesNoMixture) {
  const std::string wanted = rows(server_);
  server_.query("UPDATE t SET v = 'later'; CREATE TABLE later AS SELECT 1");
  server_.stop();
  const std::vector<std::string> how = {"--overwrite", "if-changed", "--delete",
                                        "--no-safety-backup"};
  int kills = 0;
  for (const std::uint64_t at : {20u, 60u, 200u}) {
    if (!restore_killed_at(server_, at, how)) break;
    ++kills;
    if (path_exists(server_.data() + "/global/pg_control")) continue;  // nothing has begun
    expect_no_server_starts(server_);
  }
  EXPECT_GE(kills, 2);
  shop_->restore(server_, how);
  start_restored(server_);
  EXPECT_EQ(rows(server_), wanted);
  EXPECT_EQ(server_.query("SELECT to_regclass('later') IS NULL"), "t");
}

class FailedRestore : public KilledRestore {
 protected:
  // The call fails with `error` all the time; then the restore with `code`, and what it said.
  std::string restore_failing(const PostgresServer& to, long call, int error, int code) const {
    const std::string said = *shop_ / "failed.log";
    EXPECT_EQ(
        run_with_failing_call(shop_->command({"restore", "latest:shop", "--target", to.data()}),
                              call, error, said),
        code);
    return std::string(as_text(read_file(said)));
  }
};

TEST_F(FailedRestore, WhatMayNotBeOnTheDiskIsNoServer) {
  PostgresServer restored("restored");
  EXPECT_THAT(restore_failing(restored, SYS_syncfs, EIO, 8), ::testing::HasSubstr("to its disk"));
  expect_no_server_starts(restored);
  shop_->restore(restored, {});
  start_restored(restored);
  EXPECT_EQ(rows(restored), rows(server_));
}

TEST_F(FailedRestore, FilesThatCannotBeMadeLeaveNoServer) {
  PostgresServer restored("restored");
  EXPECT_THAT(restore_failing(restored, SYS_pwrite64, EINVAL, 6),
              ::testing::HasSubstr("could not be made"));
  expect_no_server_starts(restored);
  shop_->restore(restored, {});
  start_restored(restored);
  EXPECT_EQ(rows(restored), rows(server_));
}

}  // namespace
}  // namespace holdfast
