// holdfast check, and what a backup says of the same set-up: found before the first backup is.
#include <gtest/gtest.h>

#include "postgres/shop.h"

namespace holdfast {
namespace {

PostgresOptions with(const std::vector<std::string>& settings) {
  return {{"--data-checksums", "--wal-segsize=1"}, settings};
}

// What stands behind the word BAD.
std::string bad_of(const Shop& shop, int code = 10) {
  std::string bad;
  const json document = shop.expect_json(code, {"check", "shop"});
  for (const json& finding : document.at("findings")) {
    if (finding.at("verdict") != "BAD") continue;
    EXPECT_FALSE(finding.at("hint").get<std::string>().empty()) << finding.dump();
    bad += finding.at("what").get<std::string>() + "\n";
  }
  return bad;
}

TEST(Check, AGoodSetUpIsGood) {
  PostgresServer server(with({}));
  server.start();
  const Shop shop(server);
  EXPECT_EQ(bad_of(shop, 0), "");
  shop.back_up();
}

TEST(Check, TooLittleLog) {
  PostgresServer server(with({"wal_level = minimal", "max_wal_senders = 0"}));
  server.start();
  const Shop shop(server);
  EXPECT_EQ(bad_of(shop), "wal_level is minimal\n");
  const Outcome refused = shop.expect(6, {"backup", "database", "shop"});
  EXPECT_NE(refused.err.find("wal_level = replica"), std::string::npos) << refused.err;
}

// The check takes one itself, and must not count it.
TEST(Check, TheOnlySlotIsFreeEveryTime) {
  PostgresServer server(with({"max_replication_slots = 1"}));
  server.start();
  const Shop shop(server);
  for (int i = 0; i < 20; ++i) {
    const Outcome checked = shop.expect(0, {"check", "shop"});
    ASSERT_NE(checked.out.find("1 replication slot is free"), std::string::npos) << checked.out;
  }
}

TEST(Check, NoFreeSlot) {
  PostgresServer server(with({"max_replication_slots = 1"}));
  server.start();
  server.query("SELECT pg_create_physical_replication_slot('somebody')");
  const Shop shop(server);
  EXPECT_EQ(bad_of(shop), "no replication slot is free\n");
  const Outcome refused = shop.expect(9, {"backup", "database", "shop"});
  EXPECT_NE(refused.err.find("max_replication_slots"), std::string::npos) << refused.err;
}

TEST(Check, ARoleWithoutTheRights) {
  PostgresServer server(with({}));
  server.start();
  server.query("CREATE ROLE plain LOGIN; GRANT pg_read_all_settings TO plain");
  const Shop shop(server);
  shop.configure("      connection: \"host=" + server.socket_directory() + " user=plain\"\n");
  const std::string bad = bad_of(shop);
  EXPECT_NE(bad.find("the role plain has no right to replicate"), std::string::npos) << bad;
  shop.expect(7, {"backup", "database", "shop"});
  EXPECT_EQ(shop.backups().size(), 0u);
}

// What a dump would fail on, for one reason after the other; typed as it says, it is enough.
TEST(Check, ARoleThatMayNotReadWhatADumpHolds) {
  PostgresServer server(with({}));
  server.start();
  server.query("CREATE ROLE dumper LOGIN");
  server.query("CREATE DATABASE other");
  server.query(
      "CREATE SCHEMA hidden; CREATE TABLE hidden.t AS SELECT 1 AS id; "
      "CREATE SEQUENCE s; CREATE TABLE rows (id int); CREATE VIEW v AS SELECT 1; "
      "ALTER TABLE rows ENABLE ROW LEVEL SECURITY; SELECT lo_create(4711)");
  const Shop shop(server);
  const std::string role =
      "      connection: \"host=" + server.socket_directory() + " user=dumper\"\n";
  const std::string logical = role + "      method: logical\n";
  shop.configure(logical);
  const std::string bad = bad_of(shop);
  for (const char* part :
       {"may not read 3 of the tables and sequences in postgres (first: hidden.t)",
        "row security hides rows of public.rows in postgres",
        "may not read 1 of the large objects in postgres (first: 4711)",
        "may not read pg_authid"}) {
    EXPECT_NE(bad.find(part), std::string::npos) << part << "\n" << bad;
  }
  EXPECT_EQ(bad.find("in other"), std::string::npos) << bad;
  shop.expect(10, {"backup", "database", "shop"});
  const json document = shop.expect_json(10, {"check", "shop"});
  for (const json& finding : document.at("findings")) {
    const std::string hint = finding.at("hint");
    if (finding.at("verdict") == "BAD") server.query(hint.substr(0, hint.find(';')));
  }
  EXPECT_EQ(bad_of(shop, 0), "");
  shop.back_up();
  server.query("REVOKE CONNECT ON DATABASE other FROM public");
  EXPECT_NE(bad_of(shop).find("database other: "), std::string::npos);
  // Of one database, which an archive holds without roles, neither the others nor passwords matter.
  server.query("REVOKE SELECT ON pg_authid FROM dumper");
  shop.configure(logical + "      databases: [postgres]\n", "    format: archive\n");
  EXPECT_EQ(bad_of(shop, 0), "");
}

TEST(Check, AnArchiveThatFails) {
  PostgresServer server(with({"archive_mode = on", "archive_command = 'test wal-push = %p'"}));
  server.start();
  const Shop shop(server);
  server.query("CREATE TABLE t AS SELECT 1");
  server.query("SELECT pg_switch_wal()");
  server.wait_for("SELECT failed_count > 0 FROM pg_stat_archiver", "t");
  const std::string bad = bad_of(shop);
  EXPECT_NE(bad.find("could not be archived: 000000010000"), std::string::npos) << bad;
}

// Somebody made another server behind the same address.
TEST(Check, AnotherClusterUnderTheSameName) {
  PostgresServer server(with({}));
  server.start();
  const Shop shop(server);
  const std::string id = shop.back_up().at("id").get<std::string>();
  const Outcome same = shop.expect(0, {"check", "shop"});
  EXPECT_NE(same.out.find("it is the cluster that " + id + " is of"), std::string::npos)
      << same.out;
  PostgresServer other(with({}));
  other.start();
  shop.configure(Shop::connection(other));
  const std::string bad = bad_of(shop);
  EXPECT_NE(bad.find("source 'shop' is another cluster now"), std::string::npos) << bad;
  shop.expect(6, {"backup", "database", "shop"});
  shop.expect(0, {"backup", "database", "shop", "--new-cluster"});
  EXPECT_EQ(bad_of(shop, 0), "");
}

// A stream that is at work makes moments: there is nothing to advise.
TEST(Check, ALogThatIsStreamed) {
  PostgresServer server(with({}));
  server.start();
  const Shop shop(server);
  const Outcome without = shop.expect(0, {"check", "shop"});
  EXPECT_NE(without.out.find("archive_mode is off"), std::string::npos) << without.out;
  Background stream = shop.start("stream.log", {"stream", "shop"});
  stream.wait_for("receiving from");
  server.wait_for("SELECT count(*) FROM pg_replication_slots WHERE active AND NOT temporary", "1");
  const Outcome streamed = shop.expect(0, {"check", "shop"});
  EXPECT_NE(streamed.out.find("the log is streamed"), std::string::npos) << streamed.out;
  EXPECT_EQ(streamed.out.find("archive_mode is off"), std::string::npos) << streamed.out;
  EXPECT_EQ(stream.end(SIGTERM), 0) << stream.said();
}

TEST(Check, AnEmptyArchiveCommand) {
  PostgresServer server(with({"archive_mode = on"}));
  server.start();
  const Shop shop(server);
  EXPECT_NE(bad_of(shop).find("archive_command is empty"), std::string::npos);
  server.query("ALTER SYSTEM SET archive_command = '" + shop.line({"wal-push", "%p"}) + "'");
  server.query("SELECT pg_reload_conf()");
  server.wait_for("SHOW archive_command", shop.line({"wal-push", "%p"}));
  EXPECT_EQ(bad_of(shop, 0), "");
}

// Of another source, of nobody, and one that has lost what its stream needs.
TEST(Check, SlotsThatStreamNothingOfThisSource) {
  PostgresServer server(with({"max_slot_wal_keep_size = 8MB", "max_wal_size = 4MB"}));
  server.start();
  const Shop shop(server);
  shop.configure(
      Shop::connection(server),
      "  - name: other\n    class: database\n    postgresql:\n" + Shop::connection(server));
  Background stream = shop.start("stream.log", {"stream", "other"});
  stream.wait_for("receiving from");
  server.wait_for("SELECT count(*) FROM pg_replication_slots WHERE active AND NOT temporary", "1");
  const Outcome others = shop.expect(0, {"check", "shop"});
  EXPECT_EQ(others.out.find("the log is streamed"), std::string::npos) << others.out;
  EXPECT_NE(others.out.find("archive_mode is off"), std::string::npos) << others.out;
  EXPECT_EQ(stream.end(SIGTERM), 0) << stream.said();
  server.query("SELECT pg_create_physical_replication_slot('holdfast_shop', true)");
  EXPECT_NE(bad_of(shop).find("nobody reads the slot holdfast_shop"), std::string::npos);
  server.query("SELECT pg_drop_replication_slot('holdfast_other')");
  const std::string left = "SELECT coalesce(safe_wal_size, 0) / 1000000 FROM pg_replication_slots";
  const auto write = [&server](int segments) {
    for (int i = 0; i < segments; ++i) {
      server.query("SELECT pg_logical_emit_message(false, 'filler', 'x')");
      server.query("SELECT pg_switch_wal()");
    }
  };
  for (int i = 0; i < 20 && std::stoi(server.query(left)) > 1; ++i) write(1);
  EXPECT_NE(bad_of(shop).find("the slot holdfast_shop loses WAL"), std::string::npos)
      << server.query("TABLE pg_replication_slots");
  write(10);
  server.query("CHECKPOINT");
  EXPECT_NE(bad_of(shop).find("the slot holdfast_shop has lost WAL"), std::string::npos)
      << server.query("TABLE pg_replication_slots");
}

// An archive needs neither a vault nor a key.
TEST(Check, ArchivesAlone) {
  PostgresServer server(with({}));
  server.start();
  const Shop shop(server);
  shop.configure(Shop::connection(server) + "      method: logical\n",
                 "    format: archive\n    archive: {compress: gzip}\n");
  shop.take_vault_away();
  const Outcome absent = shop.expect(0, {"check", "shop"});
  EXPECT_NE(absent.out.find("the first backup makes it"), std::string::npos) << absent.out;
  shop.expect(0, {"backup", "database", "shop"});
  const Outcome there = shop.expect(0, {"check", "shop"});
  EXPECT_NE(there.out.find("archives need no vault"), std::string::npos) << there.out;
}

TEST(Check, NoServer) {
  const PostgresServer server(with({}));
  const Shop shop(server);
  EXPECT_NE(bad_of(shop).find("No such file or directory Is the server running"),
            std::string::npos);
  shop.expect(8, {"backup", "database", "shop"});
}

}  // namespace
}  // namespace holdfast
