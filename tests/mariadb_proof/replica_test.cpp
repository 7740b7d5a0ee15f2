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
