// A MySQL server that is protected, dump and binary log, and the program under test.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "mariadb_proof/shop.h"
#include "support/mysql_server.h"

namespace holdfast {

// Source "shop": the tables shop.orders and o_ther.t, both empty.
class MysqlLog : public ::testing::TestWithParam<MysqlKind> {
 protected:
  void SetUp() override;

  // Writes the configuration anew: `more` of the connection, `yaml` of the source.
  void configure(const MariadbSettings& settings, const std::string& more = "",
                 const std::string& yaml = "") const;
  // Programs of the server's with `script` in place of the client that loads dumps; $real is that
  // client.
  MariadbSettings with_client(const std::string& script) const;

  // Commits one row, in that second when there is one.
  void commit(int id, int second = 0) const;
  std::string executed() const { return server_->sql("SELECT @@GLOBAL.gtid_executed"); }

  // holdfast stream, once it receives.
  Background stream(const std::vector<std::string>& words = {});
  // Until the vault has everything that the server has committed.
  void wait_until_durable(Background& stream) const;

  // The directory `name` with a server as of a moment.
  std::string restore(const std::string& name, std::vector<std::string> words) const;
  static std::string contents(const TestMysql& server);
  bool old() const { return GetParam() == MysqlKind::k56; }

  std::unique_ptr<TestMysql> server_;
  std::unique_ptr<MariadbShop> shop_;
  mutable std::string restored_gtid_;
  int streams_ = 0;
};

}  // namespace holdfast
