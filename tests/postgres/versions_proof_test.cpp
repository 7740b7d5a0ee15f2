// Restore tests, dumps and lost slots on a real server of each version, and what is said of
// programs that are not here.
#include <filesystem>
#include <fstream>

#include "postgres/versions.h"

namespace holdfast {
namespace {

namespace fs = std::filesystem;

constexpr int kDebian = 15;          // whose programs there are for everything but the server
constexpr int kLastLikeDebian = 16;  // with a control file that those of 15 read
constexpr int kFirstWithPgAmcheck = 14;

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

class VersionProof : public Version {
 protected:
  // The programs of the version, and for those that are not fetched Debian's, where they do.
  std::string tools(const Shop& shop) const {
    const std::string bin = shop / "bin";
    fs::create_directory(bin);
    for (const char* name : {"pg_dump", "pg_dumpall", "pg_restore", "psql"}) link(bin, name);
    if (GetParam() >= kFirstWithPgAmcheck) link(bin, "pg_amcheck");
    for (const char* name : {"initdb", "pg_ctl", "postgres"}) {
      fs::create_symlink(programs() + "/" + name, bin + "/" + name);
    }
    for (const char* name : {"pg_controldata", "pg_checksums"}) {
      if (GetParam() <= kLastLikeDebian) {
        link(bin, name);
      } else {
        stand_in(bin + "/" + name);
      }
    }
    return bin;
  }
  static void link(const std::string& bin, const std::string& name) {
    fs::create_symlink(std::string(kPostgresPrograms) + "/" + name, bin + "/" + name);
  }
  // Says what the real one says of the cluster of these tests.
  static void stand_in(const std::string& path) {
    std::ofstream(path) << "#!/bin/sh\n"
                           "[ \"$1\" = --version ] && echo 'x (PostgreSQL) 17.0' && exit\n"
                           "echo 'max_connections setting: 100'\n"
                           "echo 'max_worker_processes setting: 8'\n"
                           "echo 'max_wal_senders setting: 10'\n"
                           "echo 'max_prepared_xacts setting: 0'\n"
                           "echo 'max_locks_per_xact setting: 64'\n"
                           "echo 'Bytes per WAL segment: 1048576'\n"
                           "echo 'Data page checksum version: 1'\n";
    fs::permissions(path, fs::perms{0755});
  }
  static std::vector<std::string> validate(const Shop& shop) {
    return {"validate", "restore", "latest:shop", "--scratch", shop / "scratch"};
  }
  static std::string failed_steps(const json& result) {
    std::string failed;
    for (const json& step : result.at("steps")) {
      if (!step.at("passed").get<bool>()) failed += step.at("name").get<std::string>() + " ";
    }
    return failed;
  }
};

TEST_P(VersionProof, PassesGoodBackupsFindsBrokenIndexesAndNamesWhatIsMissingAtOnce) {
  PostgresServer server(options());
  server.start();
  server.query(
      "CREATE TABLE t AS SELECT g AS id, repeat('x', 100) AS v FROM generate_series(1, 500) g; "
      "CREATE INDEX ON t (id);"
      "CREATE FUNCTION compare(int, int) RETURNS int IMMUTABLE LANGUAGE sql AS "
      "'SELECT CASE WHEN $1 = $2 THEN 0 WHEN $1 > $2 THEN 1 ELSE -1 END'; "
      "CREATE OPERATOR CLASS fickle FOR TYPE int4 USING btree AS OPERATOR 1 <, OPERATOR 2 <=, "
      "OPERATOR 3 =, OPERATOR 4 >=, OPERATOR 5 >, FUNCTION 1 compare(int, int); "
      "CREATE INDEX turned ON t (id fickle)");
  const Shop shop(server);
  const std::string bin = tools(shop);
  shop.configure(Shop::connection(server) + "      bin_directory: " + bin + "\n",
                 "    assertions: [{query: \"select count(*) from t\", expect: \"500\"}]\n");
  shop.back_up();
  for (const char* name : {"pg_controldata", "pg_checksums"}) {
    fs::rename(bin + "/" + name, bin + "/away");
    const std::string said = shop.expect(11, validate(shop)).err;
    EXPECT_TRUE(has(said, "there is no " + bin + "/" + name)) << said;
    EXPECT_TRUE(has(said, "the server of PostgreSQL " + std::to_string(GetParam()))) << said;
    EXPECT_TRUE(fs::is_empty(shop / "scratch"));
    fs::rename(bin + "/away", bin + "/" + name);
  }
  if (GetParam() != kDebian) {
    // That of Debian is another version's.
    fs::rename(bin + "/pg_ctl", bin + "/away");
    link(bin, "pg_ctl");
    const std::string said = shop.expect(11, validate(shop)).err;
    EXPECT_TRUE(has(said, "is of PostgreSQL 15, the backup of " + std::to_string(GetParam())))
        << said;
    fs::rename(bin + "/away", bin + "/pg_ctl");
  }
  EXPECT_TRUE(shop.backups().at(0).at("verified").is_null());
  EXPECT_FALSE(fs::exists(shop / "vault/run/verify"));
  const json passed = shop.expect_json(0, validate(shop));
  EXPECT_EQ(passed.at("steps").size(), 6u)
      << passed.dump(1);  // restore start position assertion ..
  EXPECT_FALSE(shop.backups().at(0).at("verified").is_null());

  server.query(
      "CREATE OR REPLACE FUNCTION compare(int, int) RETURNS int IMMUTABLE LANGUAGE sql AS "
      "'SELECT CASE WHEN $1 = $2 THEN 0 WHEN $1 < $2 THEN 1 ELSE -1 END'");
  shop.back_up();
  const json failed = shop.expect_json(5, validate(shop));
  EXPECT_EQ(failed_steps(failed), "amcheck ") << failed.dump(1);
  EXPECT_TRUE(has(failed.dump(), "turned")) << failed.dump(1);
}

TEST_P(VersionProof, DumpsComeFromAProgramThatIsNotOlderThanTheServer) {
  PostgresServer server(options());
  server.start();
  server.query("CREATE TABLE t AS SELECT g AS id FROM generate_series(1, 500) g");
  const Shop shop(server);
  const std::string logical = Shop::connection(server) + "      method: logical\n";
  shop.configure(logical);
  if (GetParam() <= kDebian) {
    shop.expect(0, {"check", "shop"});
    shop.back_up();
    shop.configure(logical + "      bin_directory: " + tools(shop) + "\n",
                   "    assertions: [{query: \"select sum(id) from t\", expect: \"125250\"}]\n");
    shop.expect(0, validate(shop));
    return;
  }
  const std::string version = std::to_string(GetParam());
  const auto expect_words = [&](const std::string& said) {
    EXPECT_TRUE(has(said, "is of PostgreSQL 15, the server of " + version)) << said;
    EXPECT_TRUE(has(said, "postgresql-client-" + version)) << said;
    EXPECT_TRUE(has(said, "bin_directory")) << said;
  };
  const Outcome checked = shop.expect(10, {"check", "shop"});
  expect_words(checked.out + checked.err);
  expect_words(shop.expect(11, {"backup", "database", "shop"}).err);
  shop.configure(logical, "    format: archive\n");
  expect_words(shop.expect(11, {"backup", "database", "shop"}).err);
  EXPECT_EQ(shop.backups().size(), 0u);
}

HOLDFAST_EACH_VERSION(VersionProof);

class VersionSlot : public Version {
 protected:
  static std::string bad_of(const Shop& shop) {
    std::string bad;
    const json document = shop.expect_json(10, {"check", "shop"});
    for (const json& finding : document.at("findings")) {
      if (finding.at("verdict") == "BAD") bad += finding.at("what").get<std::string>() + "\n";
    }
    return bad;
  }
  static void stream_once(const PostgresServer& server, const Shop& shop,
                          const std::vector<std::string>& more = {}) {
    std::vector<std::string> words = {"stream", "shop", "--interval", "20ms"};
    words.insert(words.end(), more.begin(), more.end());
    Background stream = shop.start("stream.log", words);
    stream.wait_for("receiving from");
    server.query("SELECT pg_logical_emit_message(true, 'x', 'y')");
    wait_until_streamed(server);
    EXPECT_EQ(stream.end(SIGTERM), 0) << stream.said();
  }
  static void expect_invalidated(const Shop& shop) {
    Background stream = shop.start("again.log", {"stream", "shop"});
    EXPECT_EQ(stream.wait(), 4) << stream.said();
    EXPECT_TRUE(has(stream.said(), "has invalidated the replication slot holdfast_shop"))
        << stream.said();
  }
};

class VersionIdleSlot : public VersionSlot {};

TEST_P(VersionSlot, OneThatLostItsLogIsNamedAndMadeAnewWhenAsked) {
  PostgresServer server(options({"max_slot_wal_keep_size = 1MB", "wal_keep_size = 0"}));
  server.start();
  const Shop shop(server);
  stream_once(server, shop);
  for (int i = 0; i < 4; ++i) {
    server.query("SELECT pg_logical_emit_message(true, 'x', 'y')");
    server.query("SELECT pg_switch_wal()");
    server.query("CHECKPOINT");
  }
  server.wait_for("SELECT wal_status FROM pg_replication_slots", "lost");
  EXPECT_TRUE(has(bad_of(shop), "holdfast_shop has lost WAL")) << bad_of(shop);
  expect_invalidated(shop);
  stream_once(server, shop, {"--skip-gap"});
  EXPECT_EQ(server.query("SELECT wal_status FROM pg_replication_slots"), "reserved");
}

// The log is still there: it goes on without a gap.
TEST_P(VersionIdleSlot, OneThatNobodyReadForTooLongIsNamed) {
  PostgresServer server(options({"idle_replication_slot_timeout = 1s"}));
  server.start();
  const Shop shop(server);
  stream_once(server, shop);
  server.wait_for("SELECT clock_timestamp() - inactive_since > '1 s' FROM pg_replication_slots",
                  "t");
  server.query("CHECKPOINT");
  EXPECT_EQ(server.query("SELECT wal_status || invalidation_reason FROM pg_replication_slots"),
            "lostidle_timeout");
  EXPECT_TRUE(has(bad_of(shop), "gave the slot holdfast_shop up: nobody read it for 1s"))
      << bad_of(shop);
  expect_invalidated(shop);
  server.query("SELECT pg_drop_replication_slot('holdfast_shop')");
  stream_once(server, shop);
}

HOLDFAST_EACH_VERSION(VersionSlot);
// From that on slots expire.
INSTANTIATE_TEST_SUITE_P(Postgres, VersionIdleSlot, ::testing::Values(18), version_name);

}  // namespace
}  // namespace holdfast
