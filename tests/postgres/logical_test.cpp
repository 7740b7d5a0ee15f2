// Logical backups: every database whatever its name, its roles, and clear words for what is wrong.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "postgres/shop.h"

namespace holdfast {
namespace {

namespace fs = std::filesystem;

const std::vector<std::string> kOddNames = {"two words", "it's \"it\"", "a/b",  "größe",
                                            "-dash",     "x=y 100%\\",  ".dot", "~UPPER",
                                            "größ?",     "älter"};

std::string quoted_name(std::string name) {
  for (auto at = name.find('"'); at != std::string::npos; at = name.find('"', at + 2)) {
    name.insert(at, 1, '"');
  }
  return "\"" + name + "\"";
}

// As a double-quoted scalar of YAML.
std::string yaml_text(const std::string& text) { return json(text).dump(); }

class Logical : public ::testing::Test {
 protected:
  Logical() { server_.start(); }

  std::string logical(const std::string& more = "", const std::string& connection = "") const {
    return Shop::connection(server_, connection) + "      method: logical\n" + more;
  }
  // In another database.
  std::string query_in(const std::string& database, const std::string& sql) const {
    const ProcessResult result = server_.run(
        "psql", {"-XAtqc", sql, "-v", "ON_ERROR_STOP=1", "-h", server_.socket_directory(),
                 // A name with '=' would be a connection string.
                 "dbname='" + escaped(database) + "'"});
    if (result.exit_code != 0) throw std::runtime_error(sql + ": " + result.error_output);
    return result.output;
  }
  static std::string escaped(const std::string& text) {
    std::string out;
    for (const char c : text) {
      if (c == '\'' || c == '\\') out += '\\';
      out += c;
    }
    return out;
  }

  PostgresServer server_;
};

class LogicalFormat : public Logical, public ::testing::WithParamInterface<const char*> {};

TEST_P(LogicalFormat, BringsBackEveryDatabaseAndRole) {
  server_.query("CREATE ROLE \"o'hara\" LOGIN PASSWORD 'secret'");
  std::string assertions =
      "    assertions:\n"
      "      - {query: \"select rolpassword is not null from pg_authid where rolname = 'o''hara'\","
      " expect: t}\n"
      "      - {query: \"select count(*) from pg_database where not datistemplate\", expect: \"" +
      std::to_string(kOddNames.size() + 1) + "\"}\n";
  for (const std::string& name : kOddNames) {
    server_.query("CREATE DATABASE " + quoted_name(name) + " OWNER \"o'hara\"");
    query_in(name, "CREATE TABLE t AS SELECT current_database()::text AS name, 'ä\\b' AS v");
    assertions += "      - {database: " + yaml_text(name) +
                  ", query: \"select name || v from t\", expect: " + yaml_text(name + "ä\\b") +
                  "}\n";
  }
  query_in("postgres", "CREATE TABLE u AS SELECT 7 AS id");
  assertions += "      - {query: \"select id from u\", expect: \"7\"}\n";
  const Shop shop(server_);
  std::string format = std::string("      format: ") + GetParam() + "\n";
  if (GetParam() == std::string("directory")) format += "      scratch: " + (shop / "dumps") + "\n";
  fs::create_directory(shop / "dumps");
  shop.configure(logical(format), assertions);
  const std::string id = shop.back_up().at("id");
  const std::vector<std::string> files = shop.files(id);
  EXPECT_EQ(
      std::count_if(files.begin(), files.end(),
                    [](const std::string& path) { return path.find('/') == std::string::npos; }),
      static_cast<int>(kOddNames.size()) + 2);
  const json result =
      shop.expect_json(0, {"validate", "restore", id, "--scratch", shop / "scratch"});
  EXPECT_TRUE(result.at("passed").get<bool>()) << result.dump(1);
  EXPECT_EQ(result.at("files"), kOddNames.size() + 2);
}

INSTANTIATE_TEST_SUITE_P(Formats, LogicalFormat, ::testing::Values("plain", "custom", "directory"),
                         [](const auto& format) { return std::string(format.param); });

TEST_F(Logical, OnlyTheDatabasesThatAreNamed) {
  server_.query("CREATE DATABASE one");
  server_.query("CREATE DATABASE two");
  const Shop shop(server_);
  shop.configure(logical("      databases: [two]\n"));
  std::vector<std::string> files = shop.files(shop.back_up().at("id"));
  EXPECT_EQ(files, (std::vector<std::string>{"two.sql", "~globals.sql"}));
  shop.configure(logical("      databases: [three, two]\n"));
  const Outcome missing = shop.expect(4, {"backup", "database", "shop"});
  EXPECT_NE(missing.err.find("no database 'three'"), std::string::npos) << missing.err;
  EXPECT_EQ(shop.backups().size(), 1u);
}

TEST_F(Logical, ADumpThatDiesLeavesNoBackup) {
  server_.query("CREATE TABLE t AS SELECT g, md5(g::text) FROM generate_series(1, 20000) g");
  const Shop shop(server_);
  // pg_dump that is killed when half of its output is out.
  fs::create_directory(shop / "bin");
  fs::create_symlink(std::string(kPostgresPrograms) + "/pg_dumpall", shop / "bin/pg_dumpall");
  std::ofstream(shop / "bin/pg_dump")
      << "#!/bin/sh\n"
      << kPostgresPrograms << "/pg_dump \"$@\" | head -c 300000\nkill -9 $$\n";
  fs::permissions(shop / "bin/pg_dump", fs::perms(0755));
  give_to_postgres(shop / "bin");
  shop.configure(logical("      bin_directory: " + (shop / "bin") + "\n"));
  const Outcome failed = shop.expect(10, {"backup", "database", "shop"});
  EXPECT_NE(failed.err.find("the dump failed"), std::string::npos) << failed.err;
  EXPECT_EQ(shop.backups().size(), 0u);
  shop.configure(logical());
  shop.back_up();
  EXPECT_EQ(shop.backups().size(), 1u);
}

TEST_F(Logical, WhatIsWrongIsSaidWithItsExitCode) {
  server_.query("CREATE ROLE guarded LOGIN PASSWORD 'right'");
  {
    std::ofstream hba(server_.data() + "/pg_hba.conf");
    hba << "local all guarded scram-sha-256\nlocal all all trust\n";
  }
  server_.query("SELECT pg_reload_conf()");
  const Shop shop(server_);
  const auto backup_as = [&](const std::string& connection, int code) {
    shop.configure("      connection: \"host=" + server_.socket_directory() + " " + connection +
                   "\"\n      method: logical\n");
    return shop.expect(code, {"backup", "database", "shop"}).err;
  };
  const std::string wrong = backup_as("user=guarded password=wrongword", 7);
  EXPECT_NE(wrong.find("authentication failed"), std::string::npos) << wrong;
  EXPECT_EQ(wrong.find("wrongword"), std::string::npos) << wrong;
  const std::string none = backup_as("user=guarded", 7);
  EXPECT_NE(none.find("password"), std::string::npos) << none;
  const std::string role = backup_as("user=nobody_here", 7);
  EXPECT_NE(role.find("nobody_here"), std::string::npos) << role;
  const std::string database = backup_as("user=postgres dbname=nothing", 4);
  EXPECT_NE(database.find("nothing"), std::string::npos) << database;
  // May connect, and not read.
  query_in("postgres", "CREATE TABLE hidden AS SELECT 1");
  const std::string rights = backup_as("user=guarded password=right", 10);
  EXPECT_NE(rights.find("permission denied"), std::string::npos) << rights;
  server_.stop();
  const std::string down = backup_as("user=postgres", 8);
  EXPECT_NE(down.find("check that the server runs"), std::string::npos) << down;
  EXPECT_EQ(shop.backups().size(), 0u);
}

}  // namespace
}  // namespace holdfast
