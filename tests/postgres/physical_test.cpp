// Physical backups of a server at work: what was acknowledged comes back, what a server makes anew
// stays out, and a second backup stores what changed.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "os/file.h"
#include "postgres/load.h"
#include "postgres/shop.h"
#include "postgres/writer.h"
#include "source/postgres/connection.h"
#include "source/postgres/lsn.h"

namespace holdfast {
namespace {

namespace fs = std::filesystem;

std::ptrdiff_t count(const std::vector<std::string>& paths, const std::string& path) {
  return std::count(paths.begin(), paths.end(), path);
}

TEST(PhysicalBackup, WhatWasAcknowledgedUnderLoadComesBack) {
  PostgresServer server(busy());
  server.start();
  Writer::create_table(server);
  server.query(
      "CREATE TABLE pages AS SELECT g AS id, repeat('p', 500) AS v, 0 AS changed "
      "FROM generate_series(1, 8000) AS g");
  const Shop shop(server);
  PostgresServer restored("restored");
  std::uint64_t before = 0;
  Writer writer(server);
  {
    const Churn churn(server);
    // Pages are written while they are read.
    const std::jthread updates([&](std::stop_token stop) {
      while (!stop.stop_requested()) server.query("UPDATE pages SET changed = changed + 1");
    });
    writer.wait_for(100);
    before = writer.acknowledged();
    shop.back_up();
  }
  EXPECT_GT(writer.acknowledged(), before + 100) << "nothing was written meanwhile";
  writer.stop();
  EXPECT_EQ(server.query("SELECT count(*) FROM pg_replication_slots"), "0");
  shop.restore(restored);
  start_restored(restored);
  EXPECT_EQ(missing_before(end_of_backup(restored), server, restored), 0u) << restored.log();
  const std::uint64_t missing = writer.missing_in(restored);  // those after the backup
  EXPECT_LE(missing, writer.acknowledged() - before);
  EXPECT_EQ(restored.query("SELECT count(*), count(DISTINCT changed) FROM pages"), "8000|1");
  expect_sound(restored);
}

TEST(PhysicalBackup, TablespacesComeBackAndWhatAServerMakesAnewStaysOut) {
  const TempDir places;
  fs::create_directory(places / "space");
  give_to_postgres(places.path());
  PostgresOptions options = busy();
  options.initdb.push_back("--waldir=" + (places / "wal"));
  PostgresServer server(options);
  server.start();
  server.query("CREATE TABLESPACE space LOCATION '" + (places / "space") + "'");
  server.query(
      "CREATE TABLE kept TABLESPACE space AS SELECT g AS id FROM generate_series(1, 999) g");
  server.query("CREATE UNLOGGED TABLE unlogged AS SELECT g AS id FROM generate_series(1, 999) g");
  PostgresSettings settings;
  settings.connection = "host=" + server.socket_directory() + " user=postgres";
  settings.system_user = "";
  PgConnection session(settings, "", {});
  session.query("CREATE TEMP TABLE temporary AS SELECT g AS id FROM generate_series(1, 999) g");
  const std::string temporary = session.value("SELECT pg_relation_filepath('temporary')");
  const Shop shop(server);
  const std::string id = shop.back_up().at("id");
  const std::string oid = server.query("SELECT oid FROM pg_tablespace WHERE spcname = 'space'");
  ASSERT_TRUE(fs::is_symlink(server.data() + "/pg_wal"));

  const std::vector<std::string> files = shop.files(id);
  EXPECT_EQ(count(files, path_of(server, "kept")), 1) << path_of(server, "kept");
  EXPECT_EQ(count(files, temporary), 0) << temporary;
  EXPECT_TRUE(path_exists(server.data() + "/" + temporary));
  const std::string unlogged = path_of(server, "unlogged");
  EXPECT_EQ(count(files, unlogged), 0);
  EXPECT_EQ(count(files, unlogged + "_init"), 1);
  EXPECT_EQ(count(files, "postmaster.pid"), 0);

  // The old place is taken: refused, and nothing was written.
  PostgresServer restored("restored");
  const Outcome refused = shop.restore(restored, {}, 6);
  EXPECT_NE(refused.err.find("--tablespaces"), std::string::npos) << refused.err;
  EXPECT_FALSE(path_exists(restored.data()));

  // It is a running server's: --overwrite, which is about the target, is no leave to touch it.
  const Outcome foreign = shop.restore(restored, {"--overwrite", "if-changed", "--delete"}, 6);
  EXPECT_NE(foreign.err.find("a cluster that is not the one in"), std::string::npos) << foreign.err;
  EXPECT_NE(foreign.err.find("--tablespaces"), std::string::npos) << foreign.err;
  EXPECT_FALSE(path_exists(restored.data()));

  fs::create_directory(restored.path() + "/spaces");
  give_to_postgres(restored.path() + "/spaces");
  const std::vector<std::string> elsewhere = {"--tablespaces", restored.path() + "/spaces"};
  shop.restore(restored, elsewhere);
  // As an interruption leaves it. Going on without the option would be the same mistake.
  fs::create_directory(restored.data() + "/~holdfast");
  fs::remove(restored.data() + "/global/pg_control");
  shop.restore(restored, {}, 6);
  shop.restore(restored, elsewhere);
  EXPECT_FALSE(fs::is_symlink(restored.data() + "/pg_wal"));
  start_restored(restored);
  EXPECT_EQ(restored.query("SELECT count(*), sum(id) FROM kept"), "999|499500");
  EXPECT_EQ(restored.query("SELECT count(*) FROM unlogged"), "0");
  const std::string place = restored.query(
      "SELECT pg_tablespace_location(oid) FROM pg_tablespace WHERE spcname = 'space'");
  EXPECT_TRUE(place.starts_with(restored.path() + "/spaces/")) << place;
  // The old server did not notice.
  server.stop();
  server.start();
  EXPECT_EQ(server.query("SELECT count(*) FROM kept"), "999");
  // Over the cluster that has the places: they are its own.
  restored.query("DELETE FROM kept");
  expect_sound(restored);
  std::vector<std::string> over = elsewhere;
  over.insert(over.end(), {"--overwrite", "if-changed", "--delete"});
  // Of its places it has its own part alone.
  const std::string own_place = restored.path() + "/spaces/" + oid + "/";
  std::string own_part;
  for (const auto& entry : fs::directory_iterator(own_place)) own_part = entry.path();
  const std::vector<std::string> others = {"PG_14_202107181/f", "PG_15_1/f", "photos/f", "f"};
  const auto put_others = [&] {
    for (const std::string& other : others) {
      make_directories(fs::path(own_place + other).parent_path());
      write_file_atomic(own_place + other, {});
    }
    write_file_atomic(own_part + "/stale", {});
  };
  const auto expect_others = [&] {
    for (const std::string& other : others) EXPECT_TRUE(path_exists(own_place + other)) << other;
    EXPECT_FALSE(path_exists(own_part + "/stale"));
  };
  put_others();
  shop.restore(restored, over);
  expect_others();
  // One that goes on removes by itself what could be of another server.
  put_others();
  fs::create_directory(restored.data() + "/~holdfast");
  fs::remove(restored.data() + "/global/pg_control");
  shop.restore(restored, elsewhere);
  expect_others();
  start_restored(restored);
  EXPECT_EQ(restored.query("SELECT count(*) FROM kept"), "999");
}

TEST(PhysicalBackup, TablespacesMayLieInOneAnotherBesideFilesOfOthers) {
  const TempDir places;
  fs::create_directories(places / "outer/inner");
  write_file_atomic(places / "outer/PG_15_old.tar", {});
  give_to_postgres(places.path());
  PostgresServer server(busy());
  server.start();
  for (const char* space : {"inner", "outer"}) {
    const std::string name = space;
    const std::string place = name == "inner" ? "outer/inner" : "outer";
    server.query("CREATE TABLESPACE space_" + name + " LOCATION '" + (places / place) + "'");
    server.query("CREATE TABLE of_" + name + " TABLESPACE space_" + name + " AS SELECT 1 AS id");
  }
  const Shop shop(server);
  // What cannot be seen here would look as if it had been dropped.
  server.query("CHECKPOINT");
  shop.configure(Shop::connection(server) + "      read: direct\n");
  fs::rename(places / "outer", places / "away");
  fs::create_directory(places / "outer");
  EXPECT_THAT(shop.expect(4, {"backup", "database", "shop"}).err,
              ::testing::HasSubstr("the place of one of its tablespaces"));
  EXPECT_TRUE(shop.backups().empty());
  fs::remove(places / "outer");
  fs::rename(places / "away", places / "outer");
  const std::string id = shop.back_up().at("id");
  for (const std::string& file : shop.files(id)) {
    EXPECT_EQ(file.find("PG_15_old"), std::string::npos) << file;
  }
  server.query("INSERT INTO of_inner VALUES (2); INSERT INTO of_outer VALUES (2)");
  server.stop();
  shop.restore(server, {"--overwrite", "if-changed", "--delete", "--no-safety-backup"});
  EXPECT_TRUE(path_exists(places / "outer/PG_15_old.tar"));
  start_restored(server);
  EXPECT_EQ(server.query("SELECT sum(a.id) || '|' || sum(b.id) FROM of_inner a, of_outer b"),
            "1|1");
}

TEST(PhysicalBackup, ASecondOneStoresWhatChanged) {
  PostgresServer server(busy());
  server.start();
  server.query(
      "CREATE TABLE pages AS SELECT g AS id, md5(g::text) || md5((g + 1)::text) AS v "
      "FROM generate_series(1, 100000) AS g");
  server.query("VACUUM FREEZE pages");
  server.query("CHECKPOINT");
  const Shop shop(server);
  const auto added = [&] { return shop.back_up().at("added_bytes").get<std::uint64_t>(); };
  const std::uint64_t first = added();
  EXPECT_GT(first, 1u << 20);
  const std::uint64_t unchanged = added();
  server.query("UPDATE pages SET v = 'changed' WHERE id = 50000");
  server.query("CHECKPOINT");
  const std::uint64_t one_row = added();
  std::printf("added: first %lu KiB, unchanged %lu KiB, one row %lu KiB\n", first >> 10,
              unchanged >> 10, one_row >> 10);
  EXPECT_LT(unchanged, 64u << 10);
  EXPECT_LT(one_row, 256u << 10);
}

TEST(PhysicalBackup, WithoutALogTheRestoredServerBeginsATimelineToo) {
  PostgresServer server(busy());
  server.start();
  server.query("CREATE TABLE t AS SELECT 1 AS id");
  const Shop shop(server);
  shop.back_up();
  PostgresServer restored("restored");
  shop.restore(restored);
  start_restored(restored);
  EXPECT_EQ(restored.query("SELECT substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)"),
            "00000002")
      << restored.log();
  EXPECT_EQ(restored.query("SELECT count(*) FROM t"), "1");
}

// The text of a time that a server prints is not what anybody may rely on.
class ServerZone : public ::testing::TestWithParam<const char*> {};

TEST_P(ServerZone, IsNoMatter) {
  const std::string zone = GetParam();
  PostgresServer server(
      PostgresOptions{{"--data-checksums", "--wal-segsize=1"},
                      {"timezone = '" + zone + "'", "log_timezone = '" + zone + "'"}});
  server.start();
  server.query("CREATE TABLE t AS SELECT 1 AS id, now() AS at");
  const Shop shop(
      server,
      "    assertions:\n      - {query: \"select max(at) from t\", expect: \"within 1h\"}\n");
  Background stream = shop.start("stream.log", {"stream", "shop", "--interval", "20ms"});
  stream.wait_for("receiving from");
  shop.back_up();
  server.query("INSERT INTO t VALUES (2)");
  const std::string between = server.query(
      "SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')");
  server.query("INSERT INTO t VALUES (3)");
  const std::string end = server.query("SELECT pg_current_wal_lsn()");
  server.wait_for("SELECT count(*) FROM pg_stat_replication WHERE flush_lsn >= '" + end + "'", "1");
  EXPECT_EQ(stream.end(SIGTERM), 0) << stream.said();
  PostgresServer restored("restored");
  shop.restore(restored, {"--to-time", between});
  start_restored(restored);
  EXPECT_EQ(restored.query("SELECT string_agg(id::text, ' ' ORDER BY id) FROM t"), "1 2");
  EXPECT_EQ(restored.query("SHOW timezone"), zone);
  restored.stop();
  shop.expect(0, {"validate", "restore", "latest:shop", "--scratch", shop / "scratch"});
}

INSTANTIATE_TEST_SUITE_P(Zones, ServerZone, ::testing::Values("America/New_York", "Asia/Kolkata"),
                         [](const auto& zone) {
                           std::string name = zone.param;
                           std::erase_if(name, [](char c) { return c == '/' || c == '_'; });
                           return name;
                         });

TEST(PhysicalBackup, ARunningServerInTheTargetIsRefused) {
  PostgresServer server(busy());
  server.start();
  server.query("CREATE TABLE t AS SELECT 1 AS id");
  const Shop shop(server);
  shop.back_up();
  server.query("INSERT INTO t VALUES (2)");
  for (const char* how : {"if-changed", "always"}) {
    const Outcome refused = shop.restore(server, {"--overwrite", how, "--delete"}, 6);
    EXPECT_NE(refused.err.find("a server runs in"), std::string::npos) << refused.err;
  }
  server.stop();
  server.start();
  EXPECT_EQ(server.query("SELECT count(*) FROM t"), "2");
}

TEST(PhysicalBackup, OverAnOldClusterItWritesWhatDiffers) {
  PostgresServer server(busy());
  server.start();
  server.query(
      "CREATE TABLE pages AS SELECT g AS id, md5(g::text) AS v "
      "FROM generate_series(1, 100000) AS g");
  server.query("VACUUM FREEZE pages");
  server.query("CHECKPOINT");
  const Shop shop(server);
  shop.back_up();
  server.query("UPDATE pages SET v = 'later' WHERE id = 1; CREATE TABLE later AS SELECT 1");
  const std::string table = server.data() + "/" + path_of(server, "later");
  server.stop();
  ASSERT_TRUE(path_exists(table));
  const json restored = shop.expect_json(0, {"restore", "latest:shop", "--target", server.data(),
                                             "--overwrite", "if-changed", "--delete"});
  EXPECT_GT(restored.at("bytes_kept").get<std::uint64_t>(), 10u << 20);
  EXPECT_LT(restored.at("bytes_written").get<std::uint64_t>(), 4u << 20);
  EXPECT_FALSE(path_exists(table));
  start_restored(server);
  EXPECT_EQ(server.query("SELECT count(*) FROM pages WHERE v = md5(id::text)"), "100000");
  EXPECT_EQ(server.query("SELECT to_regclass('later') IS NULL"), "t");
  expect_sound(server);
}

// In list and show, for whoever looks for the place of a backup in a log.
TEST(PhysicalBackup, ItsPositionIsSaid) {
  PostgresServer server;
  server.start();
  const std::string system = server.query("SELECT system_identifier FROM pg_control_system()");
  const Lsn before = parse_lsn(server.query("SELECT pg_current_wal_lsn()"));
  const Shop shop(server);
  const std::string id = shop.back_up().at("id");
  const Lsn after = parse_lsn(server.query("SELECT pg_current_wal_lsn()"));
  const json listed = shop.backups().at(0).at("database");
  EXPECT_EQ(listed.at("engine"), "postgresql");
  EXPECT_EQ(listed.at("method"), "physical");
  EXPECT_EQ(server.query("SHOW server_version").find(listed.at("version").get<std::string>()), 0u);
  EXPECT_EQ(listed.at("system_identifier"), system);
  EXPECT_EQ(listed.at("timeline"), 1);
  const std::string start = listed.at("start_lsn");
  const std::string stop = listed.at("stop_lsn");
  EXPECT_LE(before, parse_lsn(start));
  EXPECT_LT(parse_lsn(start), parse_lsn(stop));
  EXPECT_LE(parse_lsn(stop), after);
  EXPECT_EQ(shop.expect_json(0, {"show", id}).at("backup").at("database"), listed);
  const std::string line =
      ", physical, system " + system + ", timeline 1, LSN " + start + " to " + stop + "\n";
  EXPECT_NE(shop.expect(0, {"show", id}).out.find(line), std::string::npos) << line;
  // A dump needs no log; it says where the server was.
  shop.configure(Shop::connection(server) + "      method: logical\n");
  shop.back_up();
  const json dump = shop.backups().back().at("database");
  EXPECT_EQ(dump.at("method"), "logical");
  EXPECT_EQ(dump.at("system_identifier"), system);
  EXPECT_EQ(dump.at("start_lsn"), dump.at("stop_lsn"));
  EXPECT_LE(parse_lsn(stop), parse_lsn(dump.at("start_lsn").get<std::string>()));
}

}  // namespace
}  // namespace holdfast
