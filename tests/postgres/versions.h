// PostgreSQL in each version: Debian's 15, and those that scripts/test-servers.sh fetches.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "postgres/shop.h"

namespace holdfast {

// Tests for the parameter: 13 to 18. Skipped, with the reason, where that version is not here.
class Version : public ::testing::TestWithParam<int> {
 protected:
  void SetUp() override;

  // A fresh cluster with page checksums, small segments and compressed pages in its log.
  PostgresOptions options(const std::vector<std::string>& settings = {}) const;
  // One that a restore fills.
  std::string programs() const { return programs_; }
  // Reads every page of tables, and compares each index with its table.
  void expect_whole(const PostgresServer& server) const;

 private:
  std::string programs_;
};

std::string version_name(const ::testing::TestParamInfo<int>& version);

// The time of the server, between two commits.
std::string now(const PostgresServer& server);
// Until the vault has all that `server` has written.
void wait_until_streamed(const PostgresServer& server);

#define HOLDFAST_EACH_VERSION(suite) \
  INSTANTIATE_TEST_SUITE_P(Postgres, suite, ::testing::Values(13, 14, 15, 16, 17, 18), version_name)

}  // namespace holdfast
