// Backups of a server that is elsewhere: BASE_BACKUP over the replication protocol.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "os/file.h"
#include "postgres/load.h"
#include "postgres/shop.h"
#include "postgres/writer.h"
#include "support/certificate.h"

namespace holdfast {
namespace {

namespace fs = std::filesystem;

const std::string kStream = "      read: stream\n";

void read_as_stream(const Shop& shop, const PostgresServer& server) {
  shop.configure(Shop::connection(server) + kStream);
}

TEST(BaseBackup, WhatWasAcknowledgedUnderLoadComesBackAndSoDoesEveryLaterMoment) {
  const TempDir places;
  fs::create_directory(places / "space");
  give_to_postgres(places.path());
  PostgresServer server(busy());
  server.start();
  Writer::create_table(server);
  server.query("CREATE TABLESPACE space LOCATION '" + (places / "space") + "'");
  server.query(
      "CREATE TABLE pages TABLESPACE space AS SELECT g AS id, repeat('p', 500) AS v, 0 AS changed "
      "FROM generate_series(1, 8000) AS g");
  const Shop shop(server);
  read_as_stream(shop, server);
  Background stream = shop.start("stream.log", {"stream", "shop", "--interval", "20ms"});
  stream.wait_for("receiving from");
  std::uint64_t before = 0;
  Writer writer(server);
  {
    const Churn churn(server);
    const std::jthread updates([&](std::stop_token stop) {
      while (!stop.stop_requested()) server.query("UPDATE pages SET changed = changed + 1");
    });
    writer.wait_for(100);
    before = writer.acknowledged();
    shop.back_up();
  }
  EXPECT_GT(writer.acknowledged(), before + 100) << "nothing was written meanwhile";
  writer.stop();
  EXPECT_EQ(server.query("SELECT count(*) FROM pg_replication_slots WHERE temporary"), "0");
  // Later than the backup: in the log alone.
  server.query("SELECT pg_create_restore_point('later')");
  const std::string rows = written_rows(server);
  server.query("CREATE TABLE too_late AS SELECT 1 AS id");
  const std::string end = server.query("SELECT pg_current_wal_lsn()");
  server.wait_for("SELECT count(*) FROM pg_stat_replication WHERE flush_lsn >= '" + end + "'", "1");
  EXPECT_EQ(stream.end(SIGTERM), 0) << stream.said();

  PostgresServer alone("restored");
  fs::create_directory(alone.path() + "/spaces");
  give_to_postgres(alone.path() + "/spaces");
  shop.restore(alone, {"--to-immediate", "--tablespaces", alone.path() + "/spaces"});
  start_restored(alone);
  EXPECT_EQ(missing_before(end_of_backup(alone), server, alone), 0u) << alone.log();
  EXPECT_EQ(alone.query("SELECT count(*), count(DISTINCT changed) FROM pages"), "8000|1");
  expect_sound(alone);

  PostgresServer later("restored");
  fs::create_directory(later.path() + "/spaces");
  give_to_postgres(later.path() + "/spaces");
  shop.restore(later, {"--to-name", "later", "--tablespaces", later.path() + "/spaces"});
  start_restored(later);
  EXPECT_EQ(written_rows(later), rows);
  EXPECT_EQ(later.query("SELECT to_regclass('too_late') IS NULL"), "t");
  expect_sound(later);
}

// Paths but for those that hold what happened between two backups.
std::vector<std::string> lasting(std::vector<std::string> paths) {
  std::erase_if(paths, [](const std::string& path) {
    return path.starts_with("~holdfast/wal/") || path.starts_with("pg_xact") ||
           path.starts_with("pg_logical/");
  });
  return paths;
}

TEST(BaseBackup, StoresTheSameFilesAsReadingThemDoesAndNothingTwice) {
  const TempDir places;
  fs::create_directory(places / "space");
  give_to_postgres(places.path());
  PostgresServer server(
      PostgresOptions{{"--data-checksums", "--wal-segsize=1"}, {"autovacuum = off"}});
  // As Debian has it: configuration that lies outside of the data directory.
  fs::copy_file(server.data() + "/pg_hba.conf", server.path() + "/elsewhere.conf");
  give_to_postgres(server.path() + "/elsewhere.conf");
  server.configure({"hba_file = '" + server.path() + "/elsewhere.conf'"});
  server.start();
  server.query("CREATE TABLESPACE space LOCATION '" + (places / "space") + "'");
  server.query(
      "CREATE TABLE pages TABLESPACE space AS SELECT g AS id, md5(g::text) AS v "
      "FROM generate_series(1, 100000) AS g");
  server.query("CREATE UNLOGGED TABLE unlogged AS SELECT g AS id FROM generate_series(1, 999) g");
  server.query("VACUUM FREEZE");
  server.query("CHECKPOINT");
  const Shop shop(server);
  const json direct = shop.back_up();
  read_as_stream(shop, server);
  const json stream = shop.back_up();
  const auto added = [](const json& backup) {
    return backup.at("added_bytes").get<std::uint64_t>();
  };
  const std::uint64_t again = added(shop.back_up());
  std::printf("added: direct %lu KiB, stream %lu KiB, stream again %lu KiB\n", added(direct) >> 10,
              added(stream) >> 10, again >> 10);
  EXPECT_GT(added(direct), 1u << 20);
  EXPECT_LT(added(stream), 128u << 10);
  EXPECT_LT(again, 64u << 10);
  EXPECT_THAT(lasting(shop.files(stream.at("id"))),
              ::testing::ContainerEq(lasting(shop.files(direct.at("id")))));

  PostgresServer restored("restored");
  shop.restore(restored, {"--tablespaces", restored.path() + "/spaces"});
  struct stat original {};
  struct stat copy {};
  ASSERT_EQ(::stat((server.data() + "/base").c_str(), &original), 0);
  for (const char* path : {"", "/base", "/global/pg_control", "/PG_VERSION", "/pg_wal"}) {
    ASSERT_EQ(::stat((restored.data() + path).c_str(), &copy), 0) << path;
    EXPECT_EQ(copy.st_uid, original.st_uid) << path;
    EXPECT_EQ(copy.st_mode & 077u, 0u) << path;
  }
  EXPECT_TRUE(path_exists(restored.data() + "/restored_config/elsewhere.conf"));
  restored.configure({"hba_file = '" + restored.data() + "/pg_hba.conf'"});
  start_restored(restored);
  EXPECT_EQ(restored.query("SELECT count(*) FROM pages WHERE v = md5(id::text)"), "100000");
  EXPECT_EQ(restored.query("SELECT count(*) FROM unlogged"), "0");
  expect_sound(restored);
}

// A server over TCP with TLS, a role that may replicate and no more, and its password in a file.
class Elsewhere : public ::testing::Test {
 protected:
  Elsewhere() : server_({{"--data-checksums", "--wal-segsize=1"}, settings()}) {
    const TestCertificate certificate = make_test_certificate();
    write_file_atomic(server_.data() + "/server.crt", as_bytes(certificate.certificate), 0644);
    write_file_atomic(server_.data() + "/server.key", as_bytes(certificate.key), 0600);
    give_to_postgres(server_.data() + "/server.crt");
    give_to_postgres(server_.data() + "/server.key");
    allow(
        "hostssl all all 127.0.0.1/32 scram-sha-256\n"
        "hostssl replication all 127.0.0.1/32 scram-sha-256\n");
    port_ = server_.listen();
    server_.start();
    server_.query("CREATE ROLE backup LOGIN REPLICATION PASSWORD 'right'");
    server_.query("CREATE TABLE t AS SELECT g AS id FROM generate_series(1, 1000) g");
    shop_.emplace(server_);
    shop_->configure("      connection: \"host=127.0.0.1 port=" + std::to_string(port_) +
                     " user=backup sslmode=require\"\n");
    password("right");
    ::setenv("PGPASSFILE", (*shop_ / "pgpass").c_str(), 1);
  }
  ~Elsewhere() override { ::unsetenv("PGPASSFILE"); }

  static std::vector<std::string> settings() {
    return {"ssl = on", "ssl_cert_file = 'server.crt'", "ssl_key_file = 'server.key'",
            "max_wal_senders = 1"};
  }
  void allow(const std::string& lines) const {
    std::ofstream out(server_.data() + "/pg_hba.conf");
    out << "local all all trust\nlocal replication all trust\n" << lines;
  }
  // Returns once new connections see it.
  void reload() const {
    const std::string before = server_.query("SELECT pg_conf_load_time()");
    server_.query("SELECT pg_reload_conf()");
    server_.wait_for("SELECT pg_conf_load_time() > '" + before + "'", "t");
  }
  void password(const std::string& word) const {
    const std::string line = "127.0.0.1:" + std::to_string(port_) + ":*:backup:" + word + "\n";
    write_file_atomic(*shop_ / "pgpass", as_bytes(line), 0600);
  }
  // A backup that is refused, and what says what to do.
  void expect_refused(int code, const std::string& hint) const {
    const Outcome refused = shop_->expect(code, {"backup", "database", "shop"});
    EXPECT_NE(refused.err.find(hint), std::string::npos) << refused.err;
    EXPECT_EQ(shop_->backups().size(), 0u);
  }
  // The same by `check`.
  void expect_bad(const std::string& hint) const {
    const Outcome found = shop_->expect(10, {"check", "shop"});
    EXPECT_NE((found.out + found.err).find(hint), std::string::npos) << found.out << found.err;
  }

  PostgresServer server_;
  int port_ = 0;
  std::optional<Shop> shop_;
};

TEST_F(Elsewhere, ARoleThatMayReplicateBacksUpOverTls) {
  const Outcome check = shop_->expect(0, {"check", "shop"});
  EXPECT_NE((check.out + check.err).find("1 WAL senders are free"), std::string::npos)
      << check.out << check.err;
  shop_->back_up();
  PostgresServer restored("restored");
  shop_->restore(restored);
  start_restored(restored);
  EXPECT_EQ(restored.query("SELECT count(*), sum(id) FROM t"), "1000|500500");
}

TEST_F(Elsewhere, WhatIsMissingIsSaidWithWhatToDo) {
  password("wrong");
  expect_refused(7, "check user and password");
  expect_bad("check user and password");
  password("right");

  server_.query("ALTER ROLE backup NOREPLICATION");
  expect_refused(7, "ALTER ROLE ... REPLICATION");
  expect_bad("ALTER ROLE backup REPLICATION");
  server_.query("ALTER ROLE backup REPLICATION");

  allow("hostssl all all 127.0.0.1/32 scram-sha-256\n");
  reload();
  expect_refused(7, "hostssl replication ROLE");
  expect_bad("hostssl replication ROLE");
  allow(
      "hostssl all all 127.0.0.1/32 scram-sha-256\n"
      "hostssl replication all 127.0.0.1/32 scram-sha-256\n");
  reload();

  // The only sender is busy.
  std::vector<std::string> command = as_postgres(
      {std::string(kPostgresPrograms) + "/pg_receivewal", "-h", server_.socket_directory(), "-p",
       std::to_string(port_), "-U", "postgres", "-D", server_.path()});
  command.insert(command.begin(), "/usr/bin/env");
  Background receiver(command, server_.path(), server_.path() + "/receiver.log");
  server_.wait_for("SELECT count(*) FROM pg_stat_replication", "1");
  expect_refused(9, "raise max_wal_senders");
  expect_bad("raise max_wal_senders");
  receiver.end(SIGTERM);
  server_.wait_for("SELECT count(*) FROM pg_stat_replication", "0");
  shop_->back_up();
}

TEST(BaseBackup, NeedsALogThatHasEnough) {
  PostgresServer server(
      PostgresOptions{{"--wal-segsize=1"}, {"wal_level = minimal", "max_wal_senders = 0"}});
  server.start();
  const Shop shop(server);
  read_as_stream(shop, server);
  const Outcome refused = shop.expect(6, {"backup", "database", "shop"});
  EXPECT_NE(refused.err.find("wal_level = replica"), std::string::npos) << refused.err;
  EXPECT_EQ(shop.backups().size(), 0u);
}

// Two clusters with the same path, on two hosts, is what every pair of primary and standby is: what
// lies at that path on this host is no sign that it is the server's.
TEST(BaseBackup, TheFilesOfAnotherClusterAreNotTakenForTheServers) {
  PostgresServer server(PostgresOptions{{"--data-checksums", "--wal-segsize=1"}, {}});
  server.start();
  server.query("CREATE TABLE t AS SELECT 1 AS id");
  const Shop shop(server);
  shop.back_up();
  PostgresServer standby("standby");
  shop.restore(standby, {"--as", "standby", "--primary",
                         "host=" + server.socket_directory() + " user=postgres"});
  standby.start();
  standby.wait_for("SELECT count(*) FROM pg_stat_wal_receiver WHERE status = 'streaming'", "1");
  // The server's own directory moves away, the standby's is at its path: the connection goes to the
  // server, whose files are not here any more.
  const std::string place = server.data();
  standby.stop();
  fs::rename(place, server.path() + "/moved");
  fs::rename(standby.data(), place);
  const Outcome found = shop.expect(0, {"check", "shop"});
  EXPECT_NE((found.out + found.err).find("come as a stream"), std::string::npos)
      << found.out << found.err;
  shop.configure(Shop::connection(server) + "      read: direct\n");
  const Outcome refused = shop.expect(4, {"backup", "database", "shop"});
  EXPECT_NE(refused.err.find("read: stream"), std::string::npos) << refused.err;
  fs::rename(place, standby.data());
  fs::rename(server.path() + "/moved", place);
}

}  // namespace
}  // namespace holdfast
