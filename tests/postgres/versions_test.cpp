// What Holdfast does with a physical backup and the log, on a real server of each version: the same
// tests for all of them.
#include "postgres/versions.h"

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "postgres/load.h"
#include "postgres/standby.h"

namespace holdfast {
namespace {

namespace fs = std::filesystem;

// Those that are not good, but for `expected`.
std::string complaints(const Shop& shop, const std::string& expected = "archive_mode is off") {
  std::string said;
  const json document = shop.expect_json(0, {"check", "shop"});
  for (const json& finding : document.at("findings")) {
    const std::string what = finding.at("what");
    if (finding.at("verdict") != "ok" && !what.starts_with(expected)) said += what + "\n";
  }
  return said;
}

// Its files, but for those that differ from backup to backup.
std::vector<std::string> lasting_files(const Shop& shop, const json& backup) {
  std::vector<std::string> files = shop.files(backup.at("id"));
  std::erase_if(files, [](const std::string& path) {
    return path.starts_with("~holdfast/") || path.starts_with("pg_stat/");
  });
  std::sort(files.begin(), files.end());
  return files;
}

std::string ids(const PostgresServer& server) {
  return server.query("SELECT string_agg(id::text, ' ' ORDER BY id) FROM t");
}

void insert(const PostgresServer& server, int id) {
  server.query("INSERT INTO t VALUES (" + std::to_string(id) + ")");
}

class VersionBackup : public Version {
 protected:
  void expect_restored(const Shop& shop) const {
    PostgresServer restored("restored", programs());
    fs::create_directory(restored.path() + "/spaces");
    give_to_postgres(restored.path() + "/spaces");
    shop.restore(restored, {"--tablespaces", restored.path() + "/spaces"});
    start_restored(restored);
    EXPECT_EQ(restored.query("SELECT count(*), sum(id) FROM kept"), "9999|49995000");
    EXPECT_EQ(restored.query("SELECT count(*), count(DISTINCT v) FROM pages"), "20000|20000");
    EXPECT_EQ(restored.query("SELECT count(*) FROM unlogged"), "0");
    EXPECT_NE(restored.query("SHOW server_version").find(std::to_string(GetParam())),
              std::string::npos);
    expect_whole(restored);
  }
};

TEST_P(VersionBackup, BothWaysStoreTheSameFilesAndAnotherOneNextToNothing) {
  const TempDir places;
  fs::create_directory(places / "space");
  give_to_postgres(places.path());
  PostgresServer server(options());
  server.start();
  server.query("CREATE TABLESPACE space LOCATION '" + (places / "space") + "'");
  server.query(
      "CREATE TABLE kept TABLESPACE space AS SELECT g AS id FROM generate_series(1, 9999) g;"
      "CREATE TABLE pages AS SELECT g AS id, md5(g::text) AS v FROM generate_series(1, 20000) g;"
      "CREATE INDEX ON pages (id);"
      "CREATE UNLOGGED TABLE unlogged AS SELECT 1 AS id");
  for (const char* table : {"kept", "pages"}) server.query(std::string("VACUUM FREEZE ") + table);
  server.query("CHECKPOINT");
  const Shop shop(server);
  EXPECT_EQ(complaints(shop), "");
  const auto back_up = [&](const std::string& way) {
    shop.configure(Shop::connection(server) + "      read: " + way + "\n");
    return shop.back_up();
  };
  const auto added = [](const json& backup) {
    return backup.at("added_bytes").get<std::uint64_t>();
  };
  const json direct = back_up("direct");
  expect_restored(shop);
  const json again = back_up("direct");
  const json stream = back_up("stream");
  expect_restored(shop);
  EXPECT_EQ(complaints(shop), "");
  EXPECT_GT(added(direct), 1u << 20);
  EXPECT_LT(added(again), 200u << 10) << again.dump();
  EXPECT_LT(added(stream), 200u << 10) << stream.dump();
  EXPECT_EQ(lasting_files(shop, direct), lasting_files(shop, stream));
  const std::string unlogged = path_of(server, "unlogged");
  for (const json& backup : {direct, stream}) {
    const std::vector<std::string> files = shop.files(backup.at("id"));
    const auto made_anew = [&](const std::string& path) {
      return path.find("pg_wal/summaries") != std::string::npos || path == unlogged ||
             path == "postmaster.pid";
    };
    EXPECT_EQ(std::find_if(files.begin(), files.end(), made_anew), files.end());
  }
}

// Typed as check says it, it is enough.
TEST_P(VersionBackup, ARoleGetsTheRightsThatCheckNames) {
  PostgresServer server(options());
  server.start();
  server.query("CREATE ROLE keeper LOGIN REPLICATION; GRANT pg_read_all_settings TO keeper");
  const Shop shop(server);
  shop.configure("      connection: \"host=" + server.socket_directory() + " user=keeper\"\n");
  const Outcome refused = shop.expect(7, {"backup", "database", "shop"});
  std::string grant;
  const json document = shop.expect_json(10, {"check", "shop"});
  for (const json& finding : document.at("findings")) {
    if (finding.at("verdict") == "BAD") grant += finding.at("hint").get<std::string>();
  }
  EXPECT_TRUE(grant.starts_with("GRANT EXECUTE ON FUNCTION ")) << grant;
  EXPECT_NE(refused.err.find(grant.substr(0, grant.find(" TO "))), std::string::npos)
      << refused.err;
  server.query(grant);
  EXPECT_EQ(complaints(shop), "");
  shop.back_up();
}

HOLDFAST_EACH_VERSION(VersionBackup);

class VersionLog : public Version {
 protected:
  std::string rows(const Shop& shop, const std::vector<std::string>& words) const {
    PostgresServer restored("restored", programs());
    shop.restore(restored, words);
    start_restored(restored);
    return ids(restored);
  }
  // In two phases, with all that its record of the commit may contain. The transaction.
  static std::string insert_prepared(const PostgresServer& server, int id) {
    const std::string xid =
        server.query("BEGIN; SAVEPOINT a; INSERT INTO t VALUES (" + std::to_string(id) +
                     "); RELEASE a; DROP TABLE dropped; CREATE TABLE made (id int PRIMARY KEY); "
                     "SELECT pg_current_xact_id()::xid; PREPARE TRANSACTION 'phases'");
    server.query("COMMIT PREPARED 'phases'");
    return xid;
  }
};

TEST_P(VersionLog, EachMomentComesBackAfterTheServerWasKilled) {
  PostgresServer server(options({"max_prepared_transactions = 5"}));
  server.start();
  server.query("CREATE TABLE t (id int); CREATE TABLE dropped AS SELECT 1 AS id");
  const Shop shop(server);
  Background stream = shop.start("stream.log", {"stream", "shop", "--interval", "20ms"});
  stream.wait_for("receiving from");
  shop.back_up();
  EXPECT_EQ(complaints(shop, "nothing"), "");
  insert(server, 1);
  const std::string after_1 = now(server);
  const std::string xid_2 = insert_prepared(server, 2);
  insert(server, 3);
  const std::string after_3 = server.query("SELECT pg_current_wal_flush_lsn()");
  server.query("SELECT pg_create_restore_point('before 4')");
  server.query("CREATE TABLE filler AS SELECT md5(g::text) AS v FROM generate_series(1, 30000) g");
  insert(server, 4);
  server.kill();
  server.start();
  insert(server, 5);
  wait_until_streamed(server);
  EXPECT_EQ(stream.end(SIGTERM), 0) << stream.said();
  server.kill();

  EXPECT_EQ(rows(shop, {}), "1 2 3 4 5");
  EXPECT_EQ(rows(shop, {"--to-time", after_1}), "1");
  EXPECT_EQ(rows(shop, {"--to-xid", xid_2}), "1 2");
  EXPECT_EQ(rows(shop, {"--to-lsn", after_3, "--exclusive"}), "1 2 3");
  EXPECT_EQ(rows(shop, {"--to-name", "before 4"}), "1 2 3");
  const json spans = shop.expect_json(0, {"list"}).at("recoverable");
  ASSERT_EQ(spans.size(), 1u) << spans.dump(1);
  EXPECT_TRUE(spans[0].at("gap_lsn").is_null()) << spans.dump(1);
  shop.expect(0, {"validate", "--read-data"});
}

TEST_P(VersionLog, APromotedStandbyGoesOnWhereTheFirstServerEnded) {
  PostgresServer primary(options());
  primary.start();
  primary.query("CREATE TABLE t (id int)");
  const Shop shop(primary);
  shop.back_up();
  PostgresServer standby("standby", programs());
  start_standby(shop, primary, standby);
  shop.configure(Shop::connection(standby));
  Background stream = shop.start("stream.log", {"stream", "shop", "--interval", "20ms"});
  stream.wait_for("receiving from");
  insert(primary, 1);
  const std::string last = primary.query("SELECT pg_current_wal_flush_lsn()");
  standby.wait_for("SELECT pg_last_wal_replay_lsn() >= '" + last + "'", "t");
  primary.kill();
  standby.query("SELECT pg_promote()");
  stream.wait_for("goes on with 2");
  insert(standby, 2);
  const std::string after_2 = now(standby);
  insert(standby, 3);
  wait_until_streamed(standby);
  EXPECT_EQ(rows(shop, {}), "1 2 3");
  EXPECT_EQ(rows(shop, {"--to-time", after_2}), "1 2");
  EXPECT_EQ(rows(shop, {"--timeline", "1"}), "1");
  shop.back_up();
  insert(standby, 4);
  wait_until_streamed(standby);
  EXPECT_EQ(stream.end(SIGTERM), 0) << stream.said();
  EXPECT_EQ(rows(shop, {}), "1 2 3 4");
}

// The server's own user stores the log, and fetches it.
TEST_P(VersionLog, TheServerArchivesItAndFetchesIt) {
  PostgresServer server(options());
  const Shop shop(server);
  server.configure(
      {"archive_mode = on",
       "archive_command = '" + shop.line({"wal-push", "--source", "shop", "%p"}) + "'"});
  give_to_postgres(shop / "");
  const auto as_server = [&](const std::vector<std::string>& words) {
    ProcessOptions options;
    options.argv = as_postgres(shop.command(words));
    options.working_directory = server.path();
    const ProcessResult result = run_process(options);
    EXPECT_EQ(result.exit_code, 0) << result.output << result.error_output;
  };
  server.start();
  server.query("CREATE TABLE t (id int)");
  as_server({"backup", "database", "shop"});
  insert(server, 1);
  const std::string full = server.query("SELECT pg_walfile_name(pg_switch_wal())");
  server.wait_for("SELECT last_archived_wal >= '" + full + "' FROM pg_stat_archiver", "t");
  EXPECT_EQ(complaints(shop, "nothing"), "");
  PostgresServer restored("restored", programs());
  as_server({"restore", "latest:shop", "--target", restored.data(), "--to-immediate"});
  std::ofstream(restored.data() + "/postgresql.auto.conf")
      << "restore_command = '" << shop.line({"wal-fetch", "--source", "shop", "%f", "%p"}) << "'\n";
  start_restored(restored);
  EXPECT_EQ(ids(restored), "1");
  EXPECT_NE(restored.log().find("restored log file \"" + full + "\" from archive"),
            std::string::npos)
      << restored.log();
}

HOLDFAST_EACH_VERSION(VersionLog);

}  // namespace
}  // namespace holdfast
