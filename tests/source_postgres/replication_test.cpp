// What a server says in answer to a stream, without a server.
#include "source/postgres/replication.h"

#include <gtest/gtest.h>

namespace holdfast {
namespace {

struct Said {
  const char* name;
  const char* state;
  const char* message;
  bool lost;  // else it may pass, and is tried again
};

class PgStreamErrors : public ::testing::TestWithParam<Said> {};

TEST_P(PgStreamErrors, AreForEverOrForAWhile) {
  const auto error = pg_lost_log(GetParam().state, GetParam().message);
  ASSERT_EQ(error.has_value(), GetParam().lost);
  if (!error) return;
  EXPECT_EQ(error->code(), Code::kNotFound);
  EXPECT_EQ(exit_code(error->code()), 4);
  EXPECT_NE(error->message().find(GetParam().message), std::string::npos);
  EXPECT_NE(error->hint().find("--skip-gap"), std::string::npos);
}

// As the versions write them; other languages have the same states.
INSTANTIATE_TEST_SUITE_P(
    OfServers, PgStreamErrors,
    ::testing::Values(
        Said{"Removed13", "58P01",
             "requested WAL segment 000000010000000000000003 has already been removed", true},
        Said{
            "Invalidated18", "55000",
            "can no longer access replication slot \"holdfast_shop\" DETAIL: This replication slot "
            "has been invalidated due to \"wal_removed\".",
            true},
        Said{
            "Idle18", "55000",
            "can no longer access replication slot \"holdfast_shop\" DETAIL: This replication slot "
            "has been invalidated due to \"idle_timeout\".",
            true},
        Said{"Invalidated14", "55000",
             "can no longer get changes from replication slot \"holdfast_shop\" DETAIL: This slot "
             "has been invalidated because it exceeded the maximum reserved size.",
             true},
        Said{"OtherLanguage", "55000",
             "auf Replikations-Slot \u00bbholdfast_shop\u00ab kann nicht mehr zugegriffen werden",
             true},
        Said{"Logical", "55000", "cannot use a logical replication slot for physical replication",
             true},
        Said{"InUse", "55006", "replication slot \"holdfast_shop\" is active for PID 4711", false},
        Said{"DroppedMeanwhile", "42704", "replication slot \"holdfast_shop\" does not exist",
             false},
        Said{"Shutdown", "57P01", "terminating connection due to administrator command", false},
        Said{"Ahead", "XX000",
             "requested starting point 0/5000000 is ahead of the WAL flush "
             "position of this server 0/4000000",
             false},
        Said{"NoState", "", "server closed the connection unexpectedly", false}),
    [](const auto& said) { return std::string(said.param.name); });

}  // namespace
}  // namespace holdfast
