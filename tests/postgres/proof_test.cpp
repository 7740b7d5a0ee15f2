// holdfast validate restore: what it lets pass, what it finds, and that it leaves nothing behind.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>

#include "postgres/shop.h"

namespace holdfast {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kPage = 8192;

class Proof : public ::testing::Test {
 protected:
  Proof() {
    server_.start();
    server_.query(
        "CREATE TABLE t AS SELECT g AS id, repeat('x', 500) AS v, now() AS at "
        "FROM generate_series(1, 2000) AS g");
    server_.query("CREATE INDEX ON t (id)");
    server_.query("CHECKPOINT");
    shop_.emplace(server_);
  }
  // Two that hold.
  void ask(const std::string& more = "") const {
    shop_->configure(Shop::connection(server_),
                     "    assertions:\n"
                     "      - {query: \"select count(*) from t\", expect: \">= 2000\"}\n"
                     "      - {query: \"select max(at) from t\", expect: \"within 1h\"}\n" +
                         more);
  }
  json validate(int code) const {
    const json result = shop_->expect_json(
        code, {"validate", "restore", "latest:shop", "--scratch", *shop_ / "scratch"});
    expect_nothing_left();
    return result;
  }
  // Neither a directory nor a process that was in it.
  void expect_nothing_left() const {
    EXPECT_TRUE(fs::is_empty(*shop_ / "scratch"));
    for (const auto& process : fs::directory_iterator("/proc")) {
      std::ifstream in(process.path() / "cmdline");
      const std::string line((std::istreambuf_iterator<char>(in)), {});
      EXPECT_EQ(line.find(*shop_ / "scratch"), std::string::npos) << line;
    }
  }
  // The lines of `postgresql` with a pg_ctl that runs `script` instead: "$DATA" is the directory,
  // "$@" are the arguments, real_pg_ctl is the real one.
  std::string with_pg_ctl(const std::string& script) const {
    const std::string bin = *shop_ / "bin";
    fs::remove_all(bin);
    fs::create_directory(bin);
    for (const auto& tool : fs::directory_iterator(kPostgresPrograms)) {
      const fs::path link = fs::path(bin) / tool.path().filename();
      if (tool.path().filename() != "pg_ctl") fs::create_symlink(tool.path(), link);
    }
    std::ofstream(bin + "/pg_ctl")
        << "#!/bin/bash\nreal_pg_ctl() { " << kPostgresPrograms << "/pg_ctl \"$@\"; }\n"
        << "for word; do [[ $last == -D ]] && DATA=$word; last=$word; done\n"
        << script << "\n";
    fs::permissions(bin + "/pg_ctl", fs::perms{0755});
    return Shop::connection(server_) + "      bin_directory: " + bin + "\n";
  }
  // A pg_ctl after whose start a process of the server gets `signal`.
  static std::string killing(const std::string& signal) {
    return "real_pg_ctl \"$@\"; code=$?\n[[ $1 == start ]] && pkill -" + signal +
           " --parent $(head -n 1 $DATA/postmaster.pid) --full checkpointer\nexit $code";
  }
  // The results that the vault has, in the order of their times.
  std::string notes() const {
    std::set<std::string> names;
    const fs::path place = *shop_ / "vault/run/verify";
    if (!fs::exists(place)) return "";
    for (const auto& file : fs::recursive_directory_iterator(place)) {
      if (file.is_regular_file()) names.insert(file.path().filename());
    }
    std::string results;
    for (const std::string& name : names) {
      results += (results.empty() ? "" : " ") + name.substr(name.rfind('-') + 1);
    }
    return results;
  }
  static std::string failed_steps(const json& result) {
    std::string failed;
    for (const json& step : result.at("steps")) {
      if (step.at("passed").get<bool>()) continue;
      failed += (failed.empty() ? "" : " ") + step.at("name").get<std::string>();
    }
    return failed;
  }

  PostgresServer server_{PostgresOptions{{"--data-checksums", "--wal-segsize=1"}, {}}};
  std::optional<Shop> shop_;
};

// What initdb has written into the server's own configuration is not there.
TEST(ProofOf, AClusterWithLargeSegments) {
  PostgresServer server(PostgresOptions{{"--data-checksums", "--wal-segsize=64"}, {}});
  server.start();
  server.query("CREATE TABLE t AS SELECT 1 AS id");
  const Shop shop(server);
  shop.back_up();
  shop.expect(0, {"validate", "restore", "latest:shop", "--scratch", shop / "scratch"});
}

TEST(ProofOf, AClusterWithoutChecksumsHasNoneCompared) {
  PostgresServer server(PostgresOptions{{"--wal-segsize=1"}, {}});
  server.start();
  server.query("CREATE TABLE t AS SELECT 1 AS id");
  const Shop shop(server);
  shop.back_up();
  const std::string said =
      shop.expect(0, {"validate", "restore", "latest:shop", "--scratch", shop / "scratch"}).out;
  EXPECT_NE(said.find("amcheck"), std::string::npos) << said;
  EXPECT_EQ(said.find("checksums"), std::string::npos) << said;
}

TEST_F(Proof, AGoodBackupPassesAndIsVerifiedFromThenOn) {
  ask();
  shop_->back_up();
  EXPECT_TRUE(shop_->backups().at(0).at("verified").is_null());
  const json result = validate(0);
  EXPECT_EQ(failed_steps(result), "");
  EXPECT_GE(result.at("steps").size(), 7u) << result.dump();  // restore start position 2x amcheck
  EXPECT_GT(result.at("ready_seconds").get<double>(), 0);
  EXPECT_FALSE(shop_->backups().at(0).at("verified").is_null());
  // The old server went on, and has no part in it.
  EXPECT_EQ(server_.query("SELECT count(*) FROM t"), "2000");
}

TEST_F(Proof, AScratchDirectoryThatIsNotThereIsMadeSoThatTheServerReachesIt) {
  ask();
  shop_->back_up();
  const std::string scratch = *shop_ / "scratch/made";
  shop_->expect(0, {"validate", "restore", "latest:shop", "--scratch", scratch});
  shop_->expect(0, {"validate", "restore", "latest:shop", "--scratch", scratch});
}

TEST_F(Proof, APageThatWasDamagedInTheSourceIsFound) {
  ask();
  const std::string file = server_.data() + "/" + server_.query("SELECT pg_relation_filepath('t')");
  server_.stop();
  {
    std::fstream out(file, std::ios::in | std::ios::out | std::ios::binary);
    out.seekp(3 * kPage + kPage / 2);
    out << "not what was written";
  }
  server_.start();
  // Kept, since it may be all that is left; and said.
  const json backup = shop_->expect_json(3, {"backup", "database", "shop"});
  EXPECT_NE(backup.dump().find("block 3"), std::string::npos) << backup.dump();
  const json result = validate(5);
  EXPECT_NE(failed_steps(result).find("checksums"), std::string::npos) << result.dump();
  EXPECT_NE(failed_steps(result).find("amcheck"), std::string::npos) << result.dump();
  EXPECT_TRUE(shop_->backups().at(0).at("verified").is_null());
}

TEST_F(Proof, AnAssertionThatDoesNotHoldFailsIt) {
  ask("      - {query: \"select count(*) from t where v is null\", expect: \"> 0\"}\n"
      "      - {query: \"select count(*) from gone\", expect: \"> 0\"}\n"
      "      - {query: \"select 1\", database: nowhere, expect: \"1\"}\n");
  shop_->back_up();
  const json result = validate(5);
  EXPECT_EQ(failed_steps(result), "assertion 3 assertion 4 assertion 5") << result.dump();
  EXPECT_TRUE(shop_->backups().at(0).at("verified").is_null());
}

// What one of them changes, the next one would see.
TEST_F(Proof, AnAssertionOnlyReadsAndNoAnswerFailsIt) {
  ask("      - {query: \"delete from t returning 1\", expect: \"1\"}\n"
      "      - {query: \"select null\", expect: \"!= 5\"}\n"
      "      - {query: \"select 1 where false\", expect: \"!= 5\"}\n"
      "      - {query: \"select count(*) from t\", expect: \"2000\"}\n"
      "      - {query: \"select null\", expect: \"null\"}\n"
      "      - {query: \"select 1 where false\", expect: no row}\n");
  shop_->back_up();
  const json result = validate(5);
  EXPECT_EQ(failed_steps(result), "assertion 3 assertion 4 assertion 5") << result.dump();
  EXPECT_NE(result.dump().find("delete from t returning 1: it may only read, and it writes"),
            std::string::npos)
      << result.dump();
  EXPECT_NE(result.dump().find("the answer is no row"), std::string::npos) << result.dump();
}

// In an assertion, and in a process that the recovery needs.
TEST_F(Proof, ACrashOfTheRestoredServerFailsIt) {
  shop_->back_up();
  ask("      - {query: \"copy (select 1) to program 'kill -SEGV $PPID'\", expect: \"1\"}\n");
  json result = validate(5);
  EXPECT_EQ(failed_steps(result), "assertion 3 amcheck checksums") << result.dump();
  EXPECT_NE(result.dump().find("terminated by signal 11"), std::string::npos) << result.dump();
  EXPECT_EQ(notes(), "failed");
  shop_->configure(with_pg_ctl(killing("SEGV")));
  result = validate(5);
  EXPECT_EQ(failed_steps(result), "start") << result.dump();
  EXPECT_EQ(notes(), "failed failed");
}

TEST_F(Proof, WhatThisHostCannotDoIsNoResult) {
  shop_->back_up();
  // Killed as the kernel does it, no memory, and no program.
  shop_->configure(with_pg_ctl(killing("KILL")));
  EXPECT_NE(validate(9).dump().find("this host could not run"), std::string::npos);
  ask("      - {query: \"copy (select 1) to program 'kill -KILL $PPID'\", expect: \"1\"}\n");
  validate(9);
  shop_->configure(with_pg_ctl("[[ $1 == start ]] && ulimit -v 120000\nreal_pg_ctl \"$@\""));
  EXPECT_NE(validate(9).dump().find("Cannot allocate memory"), std::string::npos);
  shop_->configure(with_pg_ctl("[[ $1 == start ]] && exit 127\nreal_pg_ctl \"$@\""));
  validate(8);
  shop_->configure(with_pg_ctl("exit 127"));
  validate(11);
  EXPECT_EQ(notes(), "");
}

TEST_F(Proof, ALogWithAHoleFailsIt) {
  ask();
  Background stream = shop_->start("stream.log", {"stream", "shop", "--interval", "20ms"});
  stream.wait_for("receiving from");
  shop_->back_up();
  for (int i = 0; i < 4; ++i) {
    server_.query("CREATE TABLE fill_" + std::to_string(i) +
                  " AS SELECT repeat(md5(g::text), 3) FROM generate_series(1, 8000) g");
  }
  server_.wait_for("SELECT count(*) FROM pg_stat_replication WHERE flush_lsn >= '" +
                       server_.query("SELECT pg_current_wal_flush_lsn()") + "'",
                   "1");
  EXPECT_EQ(stream.end(SIGTERM), 0) << stream.said();
  EXPECT_EQ(failed_steps(validate(0)), "");
  const std::vector<std::string> segments = shop_->log_segments();
  ASSERT_GT(segments.size(), 3u);
  for (const std::string& object : shop_->log_objects(segments[segments.size() - 2])) {
    fs::remove(object);
  }
  const json result = validate(5);
  EXPECT_EQ(failed_steps(result), "position") << result.dump();
}

// Of one small row: what the server writes when it ends the recovery is longer.
TEST_F(Proof, AnEndOfTheLogThatIsNotReplayedFailsIt) {
  ask();
  Background stream = shop_->start("stream.log", {"stream", "shop", "--interval", "20ms"});
  stream.wait_for("receiving from");
  shop_->back_up();
  server_.query("CREATE TABLE c (i int)");
  server_.query("INSERT INTO c VALUES (1)");
  const std::string last = server_.query("SELECT pg_current_wal_insert_lsn()");
  server_.query("INSERT INTO c VALUES (2)");
  server_.wait_for("SELECT count(*) FROM pg_stat_replication WHERE flush_lsn >= '" +
                       server_.query("SELECT pg_current_wal_flush_lsn()") + "'",
                   "1");
  EXPECT_EQ(stream.end(SIGTERM), 0) << stream.said();
  EXPECT_EQ(failed_steps(validate(0)), "");
  const std::string file = server_.query("SELECT pg_walfile_name('" + last + "')");
  const std::string offset =
      server_.query("SELECT ('" + last + "'::pg_lsn - '0/0'::pg_lsn) % (1 << 20)");
  shop_->configure(with_pg_ctl("[[ $1 == start ]] && truncate -s " + offset + " $DATA/pg_wal/" +
                               file + " && truncate -s 1M $DATA/pg_wal/" + file +
                               "\nreal_pg_ctl \"$@\""));
  const json result = validate(5);
  EXPECT_EQ(failed_steps(result), "position") << result.dump();
  EXPECT_NE(result.dump().find("recovered to " + last), std::string::npos) << result.dump();
}

TEST_F(Proof, AnInterruptedOneLeavesNothing) {
  ask("      - {query: \"select pg_sleep(100)\", expect: \"0\"}\n");
  shop_->back_up();
  Background run = shop_->start(
      "run.log", {"validate", "restore", "latest:shop", "--scratch", *shop_ / "scratch"});
  run.wait_for("assertion 2");  // the third is being asked now
  EXPECT_FALSE(fs::is_empty(*shop_ / "scratch"));
  EXPECT_EQ(run.end(SIGTERM), 130) << run.said();
  expect_nothing_left();
  EXPECT_TRUE(shop_->backups().at(0).at("verified").is_null());
}

TEST_F(Proof, WhatAKilledOneLeavesTheNextOneTakesAway) {
  const std::string slow = "      - {query: \"select pg_sleep(100)\", expect: \"0\"}\n";
  ask(slow);
  shop_->back_up();
  const std::vector<std::string> words = {"validate", "restore", "latest:shop", "--scratch",
                                          *shop_ / "scratch"};
  Background killed = shop_->start("killed.log", words);
  killed.wait_for("assertion 2");  // the third is being asked now
  EXPECT_EQ(killed.end(SIGKILL), 128 + SIGKILL);
  std::string left;
  for (const auto& entry : fs::directory_iterator(*shop_ / "scratch")) left = entry.path();
  std::string sockets;
  std::ifstream(left + "/server/socket-directory") >> sockets;
  EXPECT_TRUE(fs::exists(left + "/data/postmaster.pid"));
  EXPECT_TRUE(fs::exists(sockets)) << sockets;
  // One that lives, also after it has cleaned up, is left alone by the next one.
  Background living = shop_->start("living.log", words);
  living.wait_for("assertion 2");
  EXPECT_FALSE(fs::exists(left));
  EXPECT_FALSE(fs::exists(sockets));
  ask();
  shop_->expect(0, words);
  EXPECT_TRUE(living.running()) << living.said();
  EXPECT_EQ(living.end(SIGTERM), 130) << living.said();
  EXPECT_NE(living.said().find("killed run had left: " + left), std::string::npos);
  expect_nothing_left();
}

}  // namespace
}  // namespace holdfast
