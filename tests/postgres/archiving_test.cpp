// What a restored server does with its log: one beside its source must leave the source's alone.
#include <gtest/gtest.h>

#include <algorithm>

#include "postgres/shop.h"

namespace holdfast {
namespace {

// A server that archives, and a backup of it.
class Archiving : public ::testing::Test {
 protected:
  Archiving() {
    server_.configure(
        {"archive_mode = on",
         "archive_command = '" + shop_.line({"wal-push", "--source", "shop", "%p"}) + "'"});
    server_.start();
    server_.query("CREATE TABLE t (id int)");
    shop_.back_up();
    give_to_postgres(shop_ / "");
    archive_all(server_);
  }

  // Ends the segment; waits until the server's archiver has stored it.
  static void archive_all(const PostgresServer& server) {
    const std::string last = server.query("SELECT pg_walfile_name(pg_switch_wal())");
    server.wait_for("SELECT last_archived_wal >= '" + last + "' FROM pg_stat_archiver", "t");
  }
  // Once it has recovered; its configuration is that of the source.
  static std::string mode_of(PostgresServer& server) {
    server.start();
    server.wait_for("SELECT pg_is_in_recovery()", "f");
    return server.query("SHOW archive_mode");
  }
  json restored(const PostgresServer& server, std::vector<std::string> words = {}) const {
    std::vector<std::string> all = {"restore", "latest:shop", "--target", server.data()};
    all.insert(all.end(), words.begin(), words.end());
    return shop_.expect_json(0, all);
  }
  bool has_timeline(const std::string& timeline) const {
    const std::vector<std::string> names = shop_.log_segments();
    return std::any_of(names.begin(), names.end(),
                       [&](const std::string& name) { return name.starts_with(timeline); });
  }

  PostgresServer server_{PostgresOptions{{"--wal-segsize=1"}, {}}};
  Shop shop_{server_};
};

TEST_F(Archiving, ACopyLeavesTheLogOfItsSourceAloneUnlessToldOtherwise) {
  PostgresServer copy("copy");
  EXPECT_EQ(restored(copy).at("archiving"), "off");
  EXPECT_EQ(mode_of(copy), "off");
  copy.query("INSERT INTO t VALUES (1)");
  copy.query("SELECT pg_switch_wal()");
  copy.stop();  // an archiver would send what waits
  EXPECT_FALSE(has_timeline("00000002"));

  PostgresServer successor("successor");
  EXPECT_EQ(restored(successor, {"--archiving", "keep"}).at("archiving"), "kept");
  EXPECT_EQ(mode_of(successor), "on");
  archive_all(successor);
  EXPECT_TRUE(has_timeline("00000002"));
}

TEST_F(Archiving, WhatTakesThePlaceOfItsSourceGoesOnArchiving) {
  server_.stop();
  const std::vector<std::string> over = {"--overwrite", "if-changed", "--delete",
                                         "--no-safety-backup"};
  EXPECT_EQ(restored(server_, over).at("archiving"), "kept");
  EXPECT_EQ(mode_of(server_), "on");
  server_.stop();
  std::vector<std::string> words = over;
  words.insert(words.end(), {"--archiving", "off"});
  EXPECT_EQ(restored(server_, words).at("archiving"), "off");
  EXPECT_EQ(mode_of(server_), "off");
}

TEST_F(Archiving, WhatIsRecoveredElsewhereIsACopy) {
  PostgresServer copy("copy/database/shop");
  const json document = shop_.expect_json(
      0, {"recover", "--from", shop_ / "vault", "--target", copy.path() + "/copy"});
  EXPECT_EQ(document.at("recovered")[0].at("archiving"), "off");
  EXPECT_EQ(mode_of(copy), "off");
}

}  // namespace
}  // namespace holdfast
