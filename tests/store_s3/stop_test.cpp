// What is still sent when the program was asked to stop.
#include <gtest/gtest.h>

#include <stop_token>

#include "base/error.h"
#include "os/grace.h"
#include "store/expect_error.h"
#include "store/manual_clock.h"
#include "store/s3/s3_store.h"
#include "store_s3/environment.h"
#include "support/mini_s3.h"
#include "vault/lease.h"

namespace holdfast {
namespace {

class StoppedStore : public ::testing::Test {
 protected:
  static S3Options options_for(const std::string& endpoint) {
    S3Options options;
    options.endpoint = endpoint;
    options.region = "lab";
    options.upload_part = 100;
    return options;
  }

  MiniS3 server_;
  ManualClock clock_{parse_rfc3339("2025-11-10T12:00:00Z")};
  std::stop_source stop_;
  S3Store store_{"s3://bucket", options_for(server_.url()), clock_, stop_.get_token()};
  S3Store other_{"s3://bucket", options_for(server_.url()), clock_};
};

TEST_F(StoppedStore, ALeaseDoesNotStayInTheWayOfTheNextRun) {
  {
    const Lease lease(store_, clock_, "prune", true);
    ASSERT_EQ(list_objects(other_, "lease/").size(), 1u);
    stop_.request_stop();
    expect_error(Code::kCancelled, [&] { store_.stat("holdfast.json"); });
  }
  EXPECT_TRUE(list_objects(other_, "lease/").empty());
}

TEST_F(StoppedStore, AnUploadInPartsIsEnded) {
  const auto object = store_.stage();
  object->append(Bytes(350));
  server_.set_plan([&](const MiniS3::Received& received, unsigned) -> std::optional<MiniS3::Fault> {
    if (received.target.find("partNumber=2") != std::string::npos) stop_.request_stop();
    return std::nullopt;
  });
  expect_error(Code::kCancelled, [&] { object->commit("data/1"); });
  EXPECT_EQ(server_.pending_uploads(), 0u);
  EXPECT_FALSE(other_.stat("data/1"));
}

TEST_F(StoppedStore, NobodyWaitsLongForAStoreThatIsAway) {
  server_.set_plan([](const MiniS3::Received&, unsigned) {
    return MiniS3::Fault{{.close_before_answer = true}};
  });
  stop_.request_stop();
  const Duration before = clock_.monotonic();
  {
    const Grace grace;
    expect_error(Code::kUnavailable, [&] { store_.remove("lease/1.json"); });
  }
  EXPECT_LE(clock_.monotonic() - before, Grace::kLength);
}

}  // namespace
}  // namespace holdfast
