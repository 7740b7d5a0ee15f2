// holdfast restore --as replica, with a primary that goes on writing.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "mariadb_proof/shop.h"
#include "os/file.h"
#include "support/loopback.h"

namespace holdfast {
namespace {

using ::testing::HasSubstr;

std::vector<std::string> reachable(unsigned port) {
  return {"skip-networking=0", "bind-address=127.0.0.1", fmt::format("port={}", port),
          "gtid-strict-mode=ON"};
}

class Replica : public ::testing::Test {
 protected:
  Replica() {
    primary_.run({"CREATE DATABASE shop",
                  "CREATE TABLE shop.orders (id INT PRIMARY KEY AUTO_INCREMENT, v VARCHAR(100))",
                  "INSERT INTO shop.orders (v) SELECT MD5(seq) FROM shop.seq_1_to_3000",
                  "CREATE USER repl@'127.0.0.1' IDENTIFIED BY 'it''s-secret #1'"});
    write_file_atomic(password_file_, as_bytes("[client]\npassword = \"it's-secret #1\"\n"), 0600);
  }
  std::vector<std::string> restore(const std::string& primary) const {
    return {"restore", "latest:shop", "--target", target_, "--as", "replica", "--primary", primary};
  }
  std::string connection() const {
    return fmt::format("host=127.0.0.1 port={} user=repl defaults_file={}", port_, password_file_);
  }

  unsigned port_ = listen_on_loopback().port;  // nobody listens there from now on
  TestMariadb primary_{reachable(port_)};
  MariadbShop shop_{primary_.settings()};
  std::string password_file_ = shop_ / "repl.cnf";
  std::string target_ = shop_ / "data";
};

TEST_F(Replica, CatchesUpAndFollows) {
  Background stream = shop_.stream();
  shop_.back_up();
  // Nothing is written before the primary has been asked.
  const Outcome refused = shop_.expect(7, restore(connection()));
  EXPECT_THAT(refused.err, HasSubstr("may not replicate"));
  EXPECT_FALSE(path_exists(target_));
  primary_.run({"GRANT REPLICATION SLAVE ON *.* TO repl@'127.0.0.1'"});
  shop_.expect(2, restore(connection() + " password=x"));
  shop_.expect(2, restore("host=127.0.0.1"));
  EXPECT_FALSE(path_exists(target_));

  // More than the backup has, before the replica is there.
  primary_.run({"INSERT INTO shop.orders (v) SELECT MD5(seq) FROM shop.seq_1_to_500",
                "CREATE TABLE shop.later (i INT PRIMARY KEY)", "INSERT INTO shop.later VALUES (1)",
                "DELETE FROM shop.orders WHERE id % 7 = 0"});
  // Part of it is in the vault; the rest comes from the primary.
  shop_.wait_until_durable(primary_, stream);
  const std::string in_vault = primary_.sql("SELECT @@gtid_binlog_pos");
  EXPECT_EQ(stream.end(SIGTERM), 0) << stream.said();
  primary_.run({"INSERT INTO shop.later VALUES (3)"});
  const Outcome restored = shop_.expect(0, restore(connection()));
  EXPECT_EQ((restored.out + restored.err).find("secret"), std::string::npos);
  EXPECT_THAT(restored.out, HasSubstr("can be recovered: "));
  EXPECT_THAT(restored.out, HasSubstr("recovers to " + in_vault));
  const TestMariadb replica =
      TestMariadb::on(target_, {"server-id=8", "log-slave-updates", "gtid-strict-mode=ON"});
  const auto caught_up = [&] {
    const std::string at = primary_.sql("SELECT @@gtid_binlog_pos");
    EXPECT_EQ(replica.sql("SELECT MASTER_GTID_WAIT('" + at + "', 60)"), "0") << replica.log();
    EXPECT_EQ(replica.contents(), primary_.contents());
  };
  caught_up();
  primary_.run({"UPDATE shop.orders SET v = 'changed' WHERE id < 100",
                "INSERT INTO shop.later VALUES (2)", "CREATE USER clerk@localhost"});
  caught_up();
  EXPECT_EQ(replica.sql("SELECT COUNT(*) FROM shop.orders WHERE v = 'changed'"), "85");
  EXPECT_EQ(replica.sql("SELECT COUNT(*) FROM mysql.global_priv WHERE user LIKE 'holdfast%'"), "0");
  EXPECT_THAT(replica.contents(), HasSubstr("shop.later"));
}

// Its primary would answer with error 1236 when everything has been restored.
TEST_F(Replica, APrimaryThatHasPurgedTheLogIsRefusedBeforeAnythingIsWritten) {
  primary_.run({"GRANT REPLICATION SLAVE ON *.* TO repl@'127.0.0.1'"});
  Background stream = shop_.stream();
  shop_.back_up();
  primary_.run({"INSERT INTO shop.orders (v) VALUES ('in the vault')"});
  shop_.wait_until_durable(primary_, stream);
  EXPECT_EQ(stream.end(SIGTERM), 0) << stream.said();
  primary_.run({"FLUSH BINARY LOGS"});
  primary_.purge_to("binlog.000002");
  // From the backup it is gone; from the end of the vault's log on it is there.
  std::vector<std::string> backup_alone = restore(connection());
  backup_alone.emplace_back("--to-immediate");
  const Outcome purged = shop_.expect(4, backup_alone);
  EXPECT_THAT(purged.err, HasSubstr("cannot go on from GTID"));
  EXPECT_FALSE(path_exists(target_));
  std::vector<std::string> dry = restore(connection());
  dry.emplace_back("--dry-run");
  shop_.expect(0, dry);
  // Neither it nor the vault has what comes next.
  primary_.run({"INSERT INTO shop.orders (v) VALUES ('lost')", "FLUSH BINARY LOGS"});
  primary_.purge_to("binlog.000003");
  shop_.expect(4, restore(connection()));
  EXPECT_FALSE(path_exists(target_));
  // Its transactions are others.
  primary_.run({"RESET MASTER", "INSERT INTO shop.orders (v) VALUES ('anew')"});
  shop_.expect(4, restore(connection()));
  EXPECT_FALSE(path_exists(target_));
  shop_.back_up();
  shop_.expect(0, backup_alone);
}

// It has all transactions, in files of its own. What can be reached is said.
TEST_F(Replica, OnceItIsPromotedItsLogIsAnotherAndWhatCanBeReachedIsSaid) {
  primary_.run({"GRANT REPLICATION SLAVE ON *.* TO repl@'127.0.0.1'"});
  Background stream = shop_.stream();
  shop_.back_up();
  const std::string old_backup = shop_.backups().back().at("id");
  primary_.run({"INSERT INTO shop.orders (v) VALUES ('before')"});
  shop_.wait_until_durable(primary_, stream);
  EXPECT_EQ(stream.end(SIGTERM), 0) << stream.said();
  std::vector<std::string> words = restore(connection());
  words.emplace_back("--to-immediate");
  shop_.expect(0, words);
  const std::string end = primary_.sql("SELECT @@gtid_binlog_pos");
  const TestMariadb promoted =
      TestMariadb::on(target_, {"server-id=8", "log-slave-updates", "gtid-strict-mode=ON"});
  ASSERT_EQ(promoted.sql("SELECT MASTER_GTID_WAIT('" + end + "', 60)"), "0") << promoted.log();
  primary_.stop();
  promoted.run({"STOP SLAVE", "RESET SLAVE ALL", "INSERT INTO shop.orders (v) VALUES ('after')"});
  const std::string between = promoted.sql("SELECT @@gtid_binlog_pos");
  shop_.configure(promoted.settings());
  Background refused = shop_.start("refused.log", {"stream", "shop"});
  EXPECT_EQ(refused.wait(), 6) << refused.said();
  EXPECT_THAT(refused.said(), HasSubstr("this is server 8, which has all of it and goes on from "
                                        "its end, GTID " +
                                        end + ": a promoted replica"));
  const std::vector<std::string> to_between = {"restore",         old_backup,  "--target",
                                               shop_ / "between", "--to-gtid", between};
  EXPECT_EQ(shop_.expect(4, to_between).err.find("Another log"), std::string::npos);
  shop_.back_up();
  const std::string new_backup = shop_.backups().back().at("id");
  Background again = shop_.start("again.log", {"stream", "shop", "--skip-gap"});
  again.wait_for("receiving from");
  promoted.run({"INSERT INTO shop.orders (v) VALUES ('behind the new backup')"});
  shop_.wait_until_durable(promoted, again);
  EXPECT_EQ(again.end(SIGTERM), 0) << again.said();
  EXPECT_THAT(shop_.expect(4, to_between).err,
              HasSubstr("of server 8; no recovery goes on to it, but moments from " + new_backup +
                        " on can be restored"));
  EXPECT_FALSE(path_exists(shop_ / "between"));
  const std::string wanted = promoted.contents();
  shop_.expect(0, {"restore", new_backup, "--target", shop_ / "new"});
  EXPECT_EQ(TestMariadb::on(shop_ / "new").contents(), wanted);
}

TEST_F(Replica, WhatCannotBecomeOneIsRefused) {
  primary_.run({"GRANT REPLICATION SLAVE ON *.* TO repl@'127.0.0.1'"});
  MariadbSettings logical = primary_.settings();
  logical.method = DatabaseMethod::kLogical;
  shop_.configure(logical);
  shop_.back_up();
  EXPECT_THAT(shop_.expect(2, restore(connection())).err, HasSubstr("no physical backup"));
  shop_.configure(primary_.settings());
  shop_.back_up();
  std::vector<std::string> with_target = restore(connection());
  with_target.insert(with_target.end(), {"--to-lsn", "0/1000"});
  shop_.expect(2, with_target);
  primary_.stop();
  shop_.expect(8, restore(connection()));
  EXPECT_FALSE(path_exists(target_));
}

}  // namespace
}  // namespace holdfast
