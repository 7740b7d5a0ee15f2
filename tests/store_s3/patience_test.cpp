// How long the S3 store is waited for, and what is said meanwhile.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "net/resolve.h"
#include "os/mutex.h"
#include "store/expect_error.h"
#include "store/manual_clock.h"
#include "store/s3/outage_notice.h"
#include "store/s3/request_deadline.h"
#include "store/s3/s3_store.h"
#include "store_s3/environment.h"
#include "support/mini_s3.h"

namespace holdfast {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Fault = MiniS3::Fault;
using Received = MiniS3::Received;

// Port 1 of this machine: nobody listens there.
constexpr const char* kRefused = "http://127.0.0.1:1";
// No resolver asks anybody for a name like this.
constexpr const char* kNoHost = "http://-no-such-host";

class Patience : public ::testing::Test {
 protected:
  S3Options options_for(const std::string& endpoint) {
    S3Options options;
    options.endpoint = endpoint;
    options.region = "lab";
    options.notice = [this](const std::string& text) { said_.push_back(text); };
    options.outage = [this](const std::string& why) { told_.push_back(why); };
    return options;
  }
  Duration passed() const { return clock_.monotonic() - begin_; }

  ManualClock clock_{parse_rfc3339("2025-11-10T12:00:00Z")};
  const Duration begin_ = clock_.monotonic();
  std::vector<std::string> said_;
  std::vector<std::string> told_;
};

TEST_F(Patience, WhatIsWaitedForIsSaidOnceAndNowAndThen) {
  S3Store store("s3://bucket", options_for(kRefused), clock_);
  expect_error(Code::kUnavailable, [&] { store.stat("object"); });
  EXPECT_GE(passed(), minutes{4});
  ASSERT_GE(said_.size(), 2u);
  EXPECT_LE(said_.size(), 11u) << "no oftener than each half a minute";
  EXPECT_THAT(said_[0], HasSubstr("no answer from 127.0.0.1:1: "));
  EXPECT_THAT(said_[0], HasSubstr("; trying until 12:05:00 UTC; Ctrl-C ends"));
}

TEST_F(Patience, AHiccupIsNobodysMatter) {
  MiniS3 server;
  server.set_plan([](const Received&, unsigned number) -> std::optional<Fault> {
    if (number > 2) return std::nullopt;
    return Fault{{.close_before_answer = true}};
  });
  S3Store store("s3://bucket", options_for(server.url()), clock_);
  store.put("object", as_bytes("content"));
  EXPECT_THAT(said_, ElementsAre());
  // Whoever has to give up at any moment knows why.
  EXPECT_THAT(told_, ElementsAre(HasSubstr("no answer from"), HasSubstr("no answer from"), ""));
}

TEST_F(Patience, AStoreThatComesBackIsSaid) {
  MiniS3 server;
  server.set_plan([](const Received&, unsigned number) -> std::optional<Fault> {
    if (number > 1) return std::nullopt;
    return Fault{{.status = 503, .headers = {{"Retry-After", "9"}}}};
  });
  S3Store store("s3://bucket", options_for(server.url()), clock_);
  store.put("object", as_bytes("content"));
  store.put("object", as_bytes("content"));
  ASSERT_EQ(said_.size(), 2u);
  EXPECT_THAT(said_[0], HasSubstr("the store answered 503"));
  EXPECT_EQ(said_[1], server.url() + " answers again");
  EXPECT_THAT(told_, ElementsAre(HasSubstr("the store answered 503"), ""));
}

TEST_F(Patience, AHostThatNobodyKnowsIsSoonGivenUp) {
  ASSERT_TRUE(is_unknown_host("-no-such-host"));
  S3Store store("s3://bucket", options_for(kNoHost), clock_);
  const auto failure = error_of([&] { store.stat("object"); });
  ASSERT_TRUE(failure.has_value());
  EXPECT_EQ(failure->code(), Code::kUnavailable);
  EXPECT_THAT(failure->message(), HasSubstr("there is no host of this name"));
  EXPECT_THAT(failure->hint(), HasSubstr("how the name is written"));
  EXPECT_LE(passed(), seconds{30});
}

// Then it is the name service that has trouble.
TEST_F(Patience, AHostThatHasAnsweredIsWaitedForAsLongAsAnyOther) {
  MiniS3 proxy;
  S3Options options = options_for(proxy.url());
  S3Store store("s3://bucket", options, clock_);
  store.put("object", as_bytes("content"));
  MiniS3::Reply elsewhere;
  elsewhere.status = 307;
  elsewhere.headers = {{"Location", std::string(kNoHost) + "/bucket/object"}};
  elsewhere.body = "<Error><Code>TemporaryRedirect</Code></Error>";
  proxy.set_plan([elsewhere](const Received&, unsigned) { return Fault{elsewhere}; });
  const auto failure = error_of([&] { store.stat("object"); });
  ASSERT_TRUE(failure.has_value());
  EXPECT_THAT(failure->message(), HasSubstr("there is no host of this name"));
  EXPECT_GE(passed(), minutes{4});
}

TEST(RequestDeadline, LeavesTimeForTheBytesAndBoundsTheRest) {
  S3Options options;
  EXPECT_EQ(request_deadline(options, 0, minutes{5}), seconds{60});
  EXPECT_EQ(request_deadline(options, 16u << 20, minutes{5}), seconds{60 + 256});
  EXPECT_EQ(request_deadline(options, 0, seconds{7}), seconds{7});
  EXPECT_EQ(request_deadline(options, 16u << 20, seconds{7}), seconds{7 + 256});
  EXPECT_EQ(request_deadline(options, 0, seconds{-1}), seconds{1});
  options.upload_limit = 1u << 20;
  EXPECT_GE(request_deadline(options, 16u << 20, minutes{5}), seconds{60 + 16 * 2 * 16 - 1});
}

// The store refuses once, and then takes the request and says nothing.
TEST_F(Patience, TheTimeForAllBoundsTheRequestThatRuns) {
  MiniS3 server;
  server.set_plan([](const Received&, unsigned number) {
    return number == 1 ? Fault{{.status = 503}} : Fault{{.stall = true}};
  });
  S3Options options = options_for(server.url());
  options.retry_for = seconds{2};
  S3Store store("s3://bucket", options, system_clock());
  const Duration begin = system_clock().monotonic();
  expect_error(Code::kUnavailable, [&] { store.stat("object"); });
  EXPECT_LT(system_clock().monotonic() - begin, seconds{9}) << "a first try alone may take 10 s";
}

}  // namespace
}  // namespace holdfast
