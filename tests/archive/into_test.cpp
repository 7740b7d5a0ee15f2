// Restores into a running server, in the order of the runbook.
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "archive/support.h"

namespace holdfast {
namespace {

namespace fs = std::filesystem;

class RestoreInto : public ::testing::Test {
 protected:
  // Hooks that note their turn, and whether production still answered with its own orders then.
  std::string hooks() const {
    const std::string note = "echo $HOLDFAST_EVENT >> " + (place_.shop() / "scratch/turns");
    return "    restore:\n      before: ['" + note + "']\n      after: ['" + note +
           "']\n      on_failure: ['" + note + "']\n";
  }
  std::string assertion(const std::string& expect) const {
    return "    assertions: [{query: 'select count(*) from orders', expect: '" + expect + "'}]\n";
  }
  std::string turns() const {
    std::ifstream in(place_.shop() / "scratch/turns");
    std::stringstream text;
    text << in.rdbuf();
    return text.str();
  }
  std::string back_up() const { return place_.back_up().at(0).at("id").get<std::string>(); }
  // What databases there are besides those of every server.
  std::string databases() const {
    return place_.server().query(
        "SELECT string_agg(datname, ' ' ORDER BY datname) FROM pg_database WHERE datname NOT IN "
        "('postgres', 'template0', 'template1')");
  }
  static std::string trimmed(std::string text) {
    while (text.ends_with('\n')) text.pop_back();
    return text;
  }

  mutable ArchiveShop place_;
};

TEST_F(RestoreInto, BesideProductionForTheMonthlyTest) {
  place_.configure_one(hooks() + assertion("1000"));
  back_up();
  const std::string before = place_.orders("shop");
  const Shop& shop = place_.shop();
  const json done =
      shop.expect_json(0, {"restore", "latest:shop", "--into", "source", "--as-name", "shop-test"});
  EXPECT_EQ(done.at("database"), "shop-test");
  EXPECT_EQ(done.at("safety_backup"), nullptr);
  EXPECT_EQ(place_.orders("shop-test"), before);
  EXPECT_EQ(turns(), "");  // nobody is stopped for a test
  // What is there is not overwritten by chance.
  expect_says(
      shop.expect(6, {"restore", "latest:shop", "--into", "source", "--as-name", "shop-test"}),
      "--overwrite always");
  shop.expect(0, {"restore", "latest:shop", "--into", place_.into(), "--as-name", "shop-test",
                  "--overwrite", "always"});
  EXPECT_EQ(trimmed(databases()), "shop shop-test");
}

TEST_F(RestoreInto, InPlaceInTheOrderOfTheRunbookAndBack) {
  place_.configure_one(hooks() + assertion("1000"));
  const std::string id = back_up();
  const std::string backed_up = place_.orders("shop");
  place_.server().query("ALTER DATABASE shop SET work_mem = '7MB'");
  place_.server().query("ALTER DATABASE shop SET search_path = public, \"odd name\"");
  place_.server().query("REVOKE CONNECT ON DATABASE shop FROM PUBLIC");
  place_.server().query("GRANT CONNECT ON DATABASE shop TO app");
  place_.query("shop", "DELETE FROM orders WHERE id > 500; CREATE TABLE later (x int)");
  const std::string lost = place_.orders("shop");
  const Shop& shop = place_.shop();
  expect_says(shop.expect(6, {"restore", id, "--into", "source"}), "--overwrite always");
  const std::vector<std::string> words = {"restore",     id,      "--into", "source",
                                          "--overwrite", "always"};
  const json done = shop.expect_json(0, words);
  std::vector<std::string> steps;
  for (const json& step : done.at("steps")) steps.push_back(step.at("name"));
  EXPECT_EQ(steps, (std::vector<std::string>{"validate", "server", "space", "stop", "sessions",
                                             "safety backup", "restore", "check", "switch", "start",
                                             "tidy"}));
  EXPECT_EQ(turns(), "restore.before\nrestore.after\n");
  EXPECT_EQ(place_.orders("shop"), backed_up);
  EXPECT_EQ(place_.query("shop", "SELECT to_regclass('later') IS NULL"), "t");
  EXPECT_EQ(place_.query("shop", "SHOW work_mem"), "7MB");
  EXPECT_EQ(place_.query("shop", "SHOW search_path"), "public, \"odd name\"");
  EXPECT_EQ(place_.query("shop",
                         "SELECT has_database_privilege('app', 'shop', 'CONNECT')::text || "
                         "(SELECT count(*) FROM pg_database, aclexplode(datacl) a WHERE "
                         "datname = 'shop' AND a.grantee = 0 AND privilege_type = "
                         "'CONNECT')"),
            "true0");
  EXPECT_EQ(trimmed(databases()), "shop");
  // And back to what was there before.
  const std::string safety = done.at("safety_backup");
  EXPECT_NE(safety.find("-shop-before-restore"), std::string::npos) << safety;
  place_.configure_one();
  shop.expect(0, {"restore", safety, "--into", place_.into("shop"), "--overwrite", "always",
                  "--no-safety-backup"});
  EXPECT_EQ(place_.orders("shop"), lost);
}

// As DATABASES.md has it.
TEST_F(RestoreInto, ARoleToWhichAllOfItBelongsNeedsToCreateDatabasesAndNoMore) {
  place_.configure_one();
  const std::string id = back_up();
  const std::string before = place_.orders("shop");
  const Shop& shop = place_.shop();
  const std::string into = "host=" + place_.server().socket_directory() + " user=app dbname=shop";
  const std::vector<std::string> beside = {"restore", id, "--into", into, "--as-name", "test"};
  expect_says(shop.expect(7, beside), "ALTER ROLE app CREATEDB");
  EXPECT_EQ(trimmed(databases()), "shop");
  place_.server().query("ALTER ROLE app CREATEDB");
  shop.expect(0, beside);
  EXPECT_EQ(place_.orders("test"), before);
  place_.query("shop", "DELETE FROM orders");
  shop.expect(0, {"restore", id, "--into", into, "--overwrite", "always"});
  EXPECT_EQ(place_.orders("shop"), before);
  EXPECT_EQ(trimmed(databases()), "shop test");
}

TEST_F(RestoreInto, WhatFailsLeavesProductionAsItIs) {
  place_.configure_one(hooks() + assertion("1001"));
  const json archive = place_.back_up().at(0);
  const std::string id = archive.at("id");
  const std::string before = place_.orders("shop");
  const Shop& shop = place_.shop();
  const std::vector<std::string> words = {"restore",     id,      "--into", "source",
                                          "--overwrite", "always"};
  // The restored one does not answer as it should.
  const Outcome refused = shop.expect(5, words);
  expect_says(refused, "select count(*) from orders");
  expect_says(refused, "; shop is as it was");
  EXPECT_EQ(refused.err.find("holdfast restore backup-"), std::string::npos) << refused.err;
  EXPECT_EQ(turns(), "restore.before\nrestore.on_failure\n");
  EXPECT_EQ(place_.orders("shop"), before);
  EXPECT_EQ(trimmed(databases()), "shop");
  // An application that cannot be stopped.
  place_.configure_one("    restore: {before: ['exit 9']}\n");
  expect_says(shop.expect(10, words), "exit code 9");
  // A role that is missing is found before anything is stopped.
  place_.configure_one(hooks());
  fs::remove(shop / "scratch/turns");
  place_.query("shop", "REASSIGN OWNED BY app TO postgres");
  place_.server().query("ALTER DATABASE shop OWNER TO postgres");
  place_.server().query("DROP ROLE app");
  expect_says(shop.expect(10, words), "app");
  EXPECT_EQ(turns(), "");
  place_.server().query("CREATE ROLE app");
  // A backup that is damaged, too.
  const std::string file = place_.path_of(archive);
  fs::permissions(file, fs::perms(0644));
  fs::resize_file(file, fs::file_size(file) - 30);
  shop.expect(5, words);
  EXPECT_EQ(turns(), "");
  EXPECT_EQ(place_.orders("shop"), before);
}

TEST_F(RestoreInto, AnAssertionOnlyReads) {
  const auto with = [this](const std::string& query, const std::string& expect) {
    place_.configure_one("    assertions: [{query: '" + query + "', expect: '" + expect + "'}]\n");
  };
  place_.configure_one();
  const std::string id = back_up();
  const std::vector<std::string> words = {"restore", id,          "--into",
                                          "source",  "--as-name", "shop-test"};
  with("delete from orders returning 1", "1");
  expect_says(place_.shop().expect(10, words),
              "delete from orders returning 1: it may only read, and it writes");
  with("select 1 where false", "!= 5");
  expect_says(place_.shop().expect(5, words), "the answer is no row");
  EXPECT_EQ(trimmed(databases()), "shop");
}

TEST_F(RestoreInto, WhoeverIsInTheDatabaseKeepsItUnlessToldOtherwise) {
  place_.configure_one();
  const std::string id = back_up();
  const Background session(
      {kPostgresPrograms + std::string("/psql"), "-h", place_.server().socket_directory(), "-U",
       "postgres", "-d", "shop", "-c", "SELECT pg_sleep(600)"},
      place_.shop() / "scratch", place_.shop() / "scratch/session");
  place_.server().wait_for(
      "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(600)' "
      "AND datname = 'shop'",
      "1");
  const std::vector<std::string> words = {"restore",     id,      "--into", "source",
                                          "--overwrite", "always"};
  expect_says(place_.shop().expect(6, words), "1 session");
  std::vector<std::string> with_force = words;
  with_force.emplace_back("--disconnect");
  place_.shop().expect(0, with_force);
  EXPECT_EQ(trimmed(databases()), "shop");
}

// Its name cannot be changed then, which is the last step but one.
TEST_F(RestoreInto, APreparedTransactionIsFoundBeforeAnythingIsStopped) {
  place_.server().configure({"max_prepared_transactions = 2"});
  place_.server().stop();
  place_.server().start();
  place_.configure_one(hooks());
  const std::string id = back_up();
  place_.query("shop", "BEGIN; DELETE FROM orders WHERE id = 1; PREPARE TRANSACTION 'two phases'");
  const std::vector<std::string> words = {"restore",     id,      "--into", "source",
                                          "--overwrite", "always"};
  const Outcome refused = place_.shop().expect(6, words);
  expect_says(refused, "1 prepared transaction in shop (first: two phases)");
  EXPECT_EQ(turns(), "");
  place_.shop().expect(0, {"restore", id, "--into", "source", "--as-name", "shop-test"});
  place_.query("shop", "ROLLBACK PREPARED 'two phases'");
  place_.shop().expect(0, words);
}

// An object of the store as pg_dump of another server would have made it.
TEST_F(RestoreInto, WhatTheServerCannotTakeIsSaidClearly) {
  place_.configure_one();
  const json archive = place_.back_up().at(0);
  const Shop& shop = place_.shop();
  const auto put = [&](const std::string& body) {
    fs::permissions(place_.path_of(archive), fs::perms(0644));
    place_.shell("gzip > " + place_.path_of(archive) +
                 " <<'END'\n--\n-- PostgreSQL database dump\n" + body +
                 "\n--\n-- PostgreSQL database dump complete\n--\n\nEND\n");
  };
  const std::vector<std::string> words = {"restore", archive.at("id"), "--into",
                                          "source",  "--as-name",      "other"};
  put("\n-- Dumped from database version 99.1\n");
  expect_says(shop.expect(11, words), "the dump is of PostgreSQL 99, and the server is 15");
  put("CREATE TABLE t (i int);\nCREATE TABLE t (i int);");
  expect_says(shop.expect(10, words), "\"t\" already exists");
  put("\\newer_command");
  shop.expect(10, words);
  EXPECT_EQ(trimmed(databases()), "shop");
  // Interrupted while it loads: nothing of it stays.
  put("SELECT pg_sleep(600);");
  Background load = shop.start("load", words);
  place_.server().wait_for(
      "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%sleep(600)%' "
      "AND datname LIKE 'other-restore-%'",
      "1");
  EXPECT_EQ(load.end(SIGINT), 130) << load.said();
  EXPECT_EQ(trimmed(databases()), "shop");
}

TEST_F(RestoreInto, APhysicalRestoreOverAClusterStopsKeepsAndStarts) {
  PostgresServer& server = place_.server();
  const Shop& shop = place_.shop();
  const std::string as =
      ::geteuid() == 0 ? "setpriv --reuid postgres --regid postgres --clear-groups " : "";
  std::ofstream(shop / "scratch/stop") << as << kPostgresPrograms << "/pg_ctl -D " << server.data()
                                       << " -m fast -w stop > /dev/null\n";
  const std::string note = "echo $HOLDFAST_EVENT >> " + (shop / "scratch/turns");
  shop.configure(Shop::connection(server), "    restore:\n      before: ['" + note + "', 'sh " +
                                               (shop / "scratch/stop") + "']\n      after: ['" +
                                               note + "']\n");
  const std::string before = place_.orders("shop");
  shop.back_up();
  place_.query("shop", "DELETE FROM orders");
  const Outcome done =
      shop.restore(server, {"--overwrite", "if-changed", "--delete", "--to-immediate"});
  expect_says(done, "-shop-before-restore");
  EXPECT_EQ(turns(), "restore.before\nrestore.after\n");
  server.stop();  // which the hook did
  start_restored(server);
  EXPECT_EQ(place_.orders("shop"), before);
  const json kept = shop.expect_json(0, {"list", "--source", "shop-before-restore"});
  EXPECT_EQ(kept.at("backups").at(0).at("class"), "files");
}

TEST_F(RestoreInto, DumpsOfTheVaultLoadUnderAnyName) {
  const Shop& shop = place_.shop();
  place_.server().query("COMMENT ON DATABASE shop IS 'production'");
  place_.server().query("ALTER DATABASE shop SET work_mem = '9MB'");
  place_.server().query("GRANT CONNECT ON DATABASE shop TO app");
  const std::string before = place_.orders("shop");
  for (const std::string format : {"plain", "custom", "directory"}) {
    const std::string scratch = "      scratch: " + (shop / "scratch") + "\n";
    place_.configure("      format: " + format + "\n" + (format == "directory" ? scratch : ""), "");
    place_.shop().back_up();
    expect_says(shop.expect(10, {"restore", "latest:shop", "--into", "source"}),
                "choose one with --database");
    shop.expect(0, {"restore", "latest:shop", "--into", "source", "--database", "shop", "--as-name",
                    "test-" + format});
    EXPECT_EQ(place_.orders("test-" + format), before);
  }
  EXPECT_EQ(trimmed(databases()), "shop test-custom test-directory test-plain");
  // In place, from the vault, with a safety backup in the vault.
  place_.query("shop", "TRUNCATE orders");
  const json done = shop.expect_json(0, {"restore", "latest:shop", "--into", "source", "--database",
                                         "shop", "--overwrite", "always"});
  EXPECT_EQ(place_.orders("shop"), before);
  const std::string safety = done.at("safety_backup");
  EXPECT_EQ(
      shop.expect_json(0, {"list", "--source", "shop-before-restore"}).at("backups").at(0).at("id"),
      safety);
}

TEST_F(RestoreInto, ADryRunSaysTheStepsAndDoesNone) {
  place_.configure_one(hooks());
  const std::string id = back_up();
  place_.query("shop", "DELETE FROM orders");
  const std::vector<std::string> objects = place_.objects();
  const Outcome plan = place_.shop().expect(
      0, {"restore", id, "--into", "source", "--overwrite", "always", "--dry-run"});
  for (const char* step :
       {"1. validate", "4. stop", "6. safety backup", "7. restore", "9. switch", "10. start"}) {
    expect_says(plan, step);
  }
  EXPECT_EQ(turns(), "");
  EXPECT_EQ(place_.orders("shop"), "");
  EXPECT_EQ(place_.objects(), objects);
}

}  // namespace
}  // namespace holdfast
