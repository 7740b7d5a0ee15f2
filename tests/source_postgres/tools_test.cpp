// Programs of PostgreSQL that are here or not, and what they say of themselves.
#include "source/postgres/tools.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "base/error.h"
#include "support/temp_dir.h"

namespace holdfast {
namespace {

namespace fs = std::filesystem;

class Tools : public ::testing::Test {
 protected:
  Tools() {
    settings_.bin_directory = bin_.path();
    settings_.system_user = "";
  }
  void add(const std::string& program, const std::string& script) const {
    std::ofstream(bin_ / program) << "#!/bin/sh\n" << script << "\n";
    fs::permissions(bin_ / program, fs::perms{0755});
  }
  void add_version(const std::string& program, const std::string& version) const {
    add(program, "echo '" + program + " (PostgreSQL) " + version + "'");
  }
  std::string version(const std::string& said) const {
    add_version("pg_ctl", said);
    const PgVersion found = pg_tool_version(settings_, "pg_ctl", 150000, {});
    return std::to_string(found.major) + "." + std::to_string(found.minor);
  }
  // What is refused, with the hint; empty: nothing.
  template <typename Require>
  static std::string refusal(Require require) {
    try {
      require();
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Code::kUnsupported) << error.message();
      return error.message() + "; " + error.hint();
    }
    return "";
  }
  std::string dump_refusal(int server, bool roles = true) const {
    return refusal([&] { require_pg_dump(settings_, server, roles, {}); });
  }
  std::string proof_refusal(int server, bool physical) const {
    return refusal([&] { require_pg_proof_tools(settings_, server, physical, {}); });
  }

  TempDir bin_;
  PostgresSettings settings_;
};

TEST_F(Tools, SayTheirVersion) {
  EXPECT_EQ(version("15.14 (Debian 15.14-0+deb12u1)"), "15.14");
  EXPECT_EQ(version("18beta1"), "18.0");
  EXPECT_EQ(version("19devel"), "19.0");
  EXPECT_EQ(version("x"), "0.0");
}

TEST_F(Tools, InPlaceTablespacesCameWithAMinorVersion) {
  EXPECT_FALSE(has_in_place_tablespaces({13, 7}));
  EXPECT_TRUE(has_in_place_tablespaces({13, 8}));
  EXPECT_FALSE(has_in_place_tablespaces({14, 4}));
  EXPECT_TRUE(has_in_place_tablespaces({14, 5}));
  EXPECT_TRUE(has_in_place_tablespaces({15, 0}));
}

TEST_F(Tools, ADumpNeedsOneThatIsNotOlder) {
  EXPECT_NE(dump_refusal(150000).find("there is no " + (bin_ / "pg_dump")), std::string::npos);
  add_version("pg_dump", "15.14");
  EXPECT_EQ(dump_refusal(150000, false), "");
  EXPECT_EQ(dump_refusal(130000, false), "");
  EXPECT_NE(dump_refusal(150000).find("there is no " + (bin_ / "pg_dumpall")), std::string::npos);
  add_version("pg_dumpall", "15.14");
  EXPECT_EQ(dump_refusal(150000), "");
  const std::string older = dump_refusal(160004);
  EXPECT_NE(older.find("is of PostgreSQL 15, the server of 16"), std::string::npos) << older;
  EXPECT_NE(older.find("postgresql-client-16"), std::string::npos) << older;
  // Who does not say it may be new enough.
  for (const char* program : {"pg_dump", "pg_dumpall"}) add(program, "exit 1");
  EXPECT_EQ(dump_refusal(160004), "");
}

TEST_F(Tools, ARestoreTestNeedsTheSameVersion) {
  add_version("pg_ctl", "16.4");
  EXPECT_NE(proof_refusal(150000, true).find("is of PostgreSQL 16, the backup of 15"),
            std::string::npos);
  for (const char* program : {"pg_controldata", "pg_amcheck", "pg_checksums"}) {
    const std::string missing = proof_refusal(160000, true);
    EXPECT_NE(missing.find("there is no " + (bin_ / program)), std::string::npos) << missing;
    add_version(program, "16.4");
  }
  EXPECT_EQ(proof_refusal(160000, true), "");
  for (const char* program : {"initdb", "psql", "pg_restore"}) {
    const std::string missing = proof_refusal(160000, false);
    EXPECT_NE(missing.find("there is no " + (bin_ / program)), std::string::npos) << missing;
    add_version(program, "16.4");
  }
  EXPECT_EQ(proof_refusal(160000, false), "");
  // 13 has none.
  fs::remove(bin_ / "pg_amcheck");
  add_version("pg_ctl", "13.23");
  EXPECT_EQ(proof_refusal(130000, true), "");
}

}  // namespace
}  // namespace holdfast
