// Dumps that pg_dump writes as directories, with several workers: whole or not at all, never longer
// on the disk than they have to be.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mount.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <optional>

#include "postgres/shop.h"

namespace holdfast {
namespace {

namespace fs = std::filesystem;

class Directory : public ::testing::Test {
 protected:
  Directory() {
    server_.start();
    server_.query(
        "CREATE TABLE small AS SELECT g AS id, md5(g::text) AS v FROM generate_series(1, 5000) g;"
        "CREATE TABLE wide AS SELECT g AS id, repeat(md5(g::text), 400) AS v "
        "FROM generate_series(1, 200) g;"
        "ALTER TABLE wide ALTER COLUMN v SET STORAGE EXTERNAL;"
        "UPDATE wide SET v = v || 'x';"
        "CREATE INDEX ON small (v); CREATE VIEW seen AS SELECT count(*) FROM small;"
        "SELECT lo_from_bytea(4711, decode(repeat('c0ffee', 2000), 'hex'))");
    shop_.emplace(server_);
    fs::create_directory(scratch());
    configure();
  }

  std::string scratch() const { return *shop_ / "dumps"; }
  void configure(const std::string& more = "", const std::string& scratch = "") const {
    shop_->configure(Shop::connection(server_) +
                     "      method: logical\n      databases: [postgres]\n      format: directory\n"
                     "      jobs: 3\n      scratch: " +
                     (scratch.empty() ? this->scratch() : scratch) + "\n" + more);
  }
  std::string rows(const std::string& database = "postgres") const {
    return server_
        .run("psql", {"-XAtd", database, "-c",
                      "SELECT (SELECT md5(string_agg(v, '' ORDER BY id)) FROM small), "
                      "(SELECT md5(string_agg(v, '' ORDER BY id)) FROM wide), "
                      "(SELECT * FROM seen), md5(lo_get(4711))"})
        .output;
  }

  // A session that keeps workers from reading the wide table: they wait for the index of its
  // out-of-line values, which neither pg_dump itself nor our look at the sizes needs.
  Background hold_wide_table() const {
    const std::string index =
        server_.query("SELECT 'pg_toast.pg_toast_' || 'wide'::regclass::oid || '_index'");
    Background session(
        {std::string(kPostgresPrograms) + "/psql", "-X", "-h", server_.socket_directory(), "-U",
         "postgres", "-d", "postgres", "-c", "BEGIN", "-c",
         "REINDEX INDEX " + index.substr(0, index.find('\n')), "-c", "SELECT pg_sleep(600)"},
        *shop_ / "scratch", *shop_ / "scratch/holder");
    server_.wait_for("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'", "1");
    return session;
  }
  void wait_for_worker() const {
    server_.wait_for(
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' "
        "AND query LIKE 'COPY public.wide%'",
        "1");
  }
  void end_holder() const {
    server_.query(
        "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity "
        "WHERE wait_event = 'PgSleep'");
  }

  PostgresServer server_;
  std::optional<Shop> shop_;
};

TEST_F(Directory, LoadsBackAndLeavesNothingOnTheDisk) {
  const std::string before = rows();
  const json first = shop_->back_up();
  EXPECT_TRUE(fs::is_empty(scratch()));
  const std::vector<std::string> files = shop_->files(first.at("id"));
  EXPECT_EQ(std::count(files.begin(), files.end(), "postgres.dir/toc.dat"), 1);
  EXPECT_EQ(std::count(files.begin(), files.end(), "postgres.dir/blob_4711.dat"), 1);
  EXPECT_EQ(files.back(), "~globals.sql");
  shop_->expect(0, {"restore", "latest:shop", "--into", "source", "--as-name", "again"});
  EXPECT_EQ(rows("again"), before);
  shop_->expect(0, {"validate", "restore", "latest:shop", "--scratch", *shop_ / "scratch"});
  EXPECT_TRUE(fs::is_empty(scratch()));
  // And by the tools alone.
  shop_->expect(0, {"restore", "latest:shop", "--target", *shop_ / "out"});
  give_to_postgres(*shop_ / "out");
  server_.query("CREATE DATABASE byhand");
  const ProcessResult by_hand =
      server_.run("pg_restore", {"-j", "2", "-e", "-d", "byhand", *shop_ / "out/postgres.dir"});
  EXPECT_EQ(by_hand.exit_code, 0) << by_hand.error_output;
  EXPECT_EQ(rows("byhand"), before);
  // What is equal is stored once.
  const json second = shop_->back_up();
  EXPECT_LT(second.at("added_bytes").get<std::uint64_t>(),
            first.at("added_bytes").get<std::uint64_t>() / 3);
}

TEST_F(Directory, AWorkerThatDiesLeavesNoBackup) {
  Background holder = hold_wide_table();
  Background backup = shop_->start("backup.log", {"backup", "database", "shop"});
  wait_for_worker();
  server_.query(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'COPY "
      "public.wide%'");
  EXPECT_EQ(backup.wait(), 10) << backup.said();
  EXPECT_NE(backup.said().find("the dump failed"), std::string::npos) << backup.said();
  EXPECT_EQ(shop_->backups().size(), 0u);
  EXPECT_TRUE(fs::is_empty(scratch()));
  end_holder();
  shop_->back_up();
}

TEST_F(Directory, WhatItSaysAtItsEndCountsEvenWhenAllFilesAreThere) {
  fs::create_directory(*shop_ / "bin");
  fs::create_symlink(std::string(kPostgresPrograms) + "/pg_dumpall", *shop_ / "bin/pg_dumpall");
  std::ofstream(*shop_ / "bin/pg_dump") << "#!/bin/sh\n"
                                        << kPostgresPrograms << "/pg_dump \"$@\"\nkill -9 $$\n";
  fs::permissions(*shop_ / "bin/pg_dump", fs::perms(0755));
  give_to_postgres(*shop_ / "bin");
  configure("      bin_directory: " + (*shop_ / "bin") + "\n");
  const Outcome failed = shop_->expect(10, {"backup", "database", "shop"});
  EXPECT_NE(failed.err.find("the dump failed"), std::string::npos) << failed.err;
  EXPECT_EQ(shop_->backups().size(), 0u);
  EXPECT_TRUE(fs::is_empty(scratch()));
}

TEST_F(Directory, CtrlCEndsTheDumpAndTheNextRunTidiesUpAfterAKilledOne) {
  Background holder = hold_wide_table();
  {
    Background backup = shop_->start("stopped.log", {"backup", "database", "shop"});
    wait_for_worker();
    EXPECT_EQ(backup.end(SIGINT), 130) << backup.said();
    EXPECT_TRUE(fs::is_empty(scratch()));
  }
  Background backup = shop_->start("killed.log", {"backup", "database", "shop"});
  wait_for_worker();
  EXPECT_EQ(backup.end(SIGKILL), 128 + SIGKILL);
  EXPECT_FALSE(fs::is_empty(scratch()));
  end_holder();
  shop_->back_up();
  EXPECT_TRUE(fs::is_empty(scratch()));
  EXPECT_EQ(shop_->backups().size(), 1u);
}

// A disk of one MiB.
class FullDirectory : public Directory {
 protected:
  void SetUp() override {
    fs::create_directory(disk());
    if (::mount("none", disk().c_str(), "tmpfs", 0, "size=1m") != 0) {
      GTEST_SKIP() << "needs the right to mount";
    }
    mounted_ = true;
    configure("", disk());
  }
  void TearDown() override {
    if (mounted_) ::umount2(disk().c_str(), MNT_DETACH);
  }
  std::string disk() const { return *shop_ / "disk"; }
  std::string failed() const {
    const Outcome outcome = shop_->expect(9, {"backup", "database", "shop"});
    EXPECT_EQ(shop_->backups().size(), 0u);
    EXPECT_TRUE(fs::is_empty(disk()));
    return outcome.err;
  }

 private:
  bool mounted_ = false;
};

TEST_F(FullDirectory, IsSaidBeforehandOrWhenItComesToThat) {
  const std::string beforehand = failed();
  EXPECT_NE(beforehand.find("as a directory takes about"), std::string::npos) << beforehand;
  // Small in the server, which compresses it; large in the dump.
  server_.query(
      "DROP TABLE wide; CREATE TABLE dense AS SELECT repeat('abcdefgh', 5000) AS v "
      "FROM generate_series(1, 500)");
  const std::string later = failed();
  EXPECT_NE(later.find("No space left"), std::string::npos) << later;
  EXPECT_NE(later.find("'scratch' of the source"), std::string::npos) << later;
  // Nor is there room to bring it back.
  configure();
  shop_->back_up();
  configure("", disk());
  const Outcome back =
      shop_->expect(9, {"restore", "latest:shop", "--into", "source", "--as-name", "again"});
  EXPECT_TRUE(fs::is_empty(disk()));
  EXPECT_EQ(server_.query("SELECT count(*) FROM pg_database WHERE datname LIKE 'again%'"), "0")
      << back.err;
}

}  // namespace
}  // namespace holdfast
