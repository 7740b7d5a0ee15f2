#include "store/s3/circuit_breaker.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "store/expect_error.h"
#include "store/manual_clock.h"

namespace holdfast {
namespace {

using std::chrono::seconds;
using testing::HasSubstr;

class CircuitBreakerTest : public testing::Test {
 protected:
  void pass(Duration time) { clock_.sleep_for(time, {}); }

  bool closed() {
    return !error_of([&] { breaker_.check(); });
  }

  // Three failures in ten seconds: as many as it takes, and as long.
  void open() {
    for (int i = 0; i < 3; ++i) {
      if (i > 0) pass(seconds{5});
      breaker_.failed("connection refused");
    }
  }

  ManualClock clock_{parse_rfc3339("2025-11-10T12:00:00Z")};
  CircuitBreaker breaker_{clock_, {3, seconds{10}, seconds{20}}};
};

TEST_F(CircuitBreakerTest, OpensAfterEnoughFailuresThatLastLongEnough) {
  breaker_.failed("a");
  pass(seconds{9});
  breaker_.failed("b");
  breaker_.failed("c");
  breaker_.failed("d");
  EXPECT_TRUE(closed()) << "many failures, but within nine seconds";
  pass(seconds{1});
  EXPECT_TRUE(closed()) << "time alone is no failure";
  breaker_.failed("e");
  EXPECT_FALSE(closed());
}

TEST_F(CircuitBreakerTest, TimeWithoutEnoughFailuresIsNotEnough) {
  breaker_.failed("a");
  pass(seconds{60});
  breaker_.failed("b");
  EXPECT_TRUE(closed());
  breaker_.failed("c");
  EXPECT_FALSE(closed());
}

TEST_F(CircuitBreakerTest, ASuccessBetweenFailuresStartsTheCountAgain) {
  breaker_.failed("a");
  pass(seconds{20});
  breaker_.failed("b");
  breaker_.succeeded();
  for (int i = 0; i < 3; ++i) breaker_.failed("c");
  EXPECT_TRUE(closed()) << "the span begins with the first failure after the success";
  pass(seconds{10});
  breaker_.failed("d");
  EXPECT_FALSE(closed());
}

TEST_F(CircuitBreakerTest, SaysSinceWhenHowOftenWhyAndWhenItTriesAgain) {
  open();
  pass(seconds{5});
  const auto error = error_of([&] { breaker_.check(); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code(), Code::kUnavailable);
  EXPECT_EQ(error->message(),
            "the store has failed since 2025-11-10T12:00:00Z, 3 times in a row; it is tried again "
            "in 15.0s; the last failure: connection refused");
  EXPECT_THAT(error->hint(), HasSubstr("run the command again"));
}

TEST_F(CircuitBreakerTest, OneRequestTriesAfterTheCoolDown) {
  open();
  pass(seconds{19});
  EXPECT_FALSE(closed());
  pass(seconds{1});
  EXPECT_TRUE(closed()) << "the one that tries";
  EXPECT_FALSE(closed()) << "all others wait for it";
}

TEST_F(CircuitBreakerTest, ASuccessfulTryCloses) {
  open();
  pass(seconds{20});
  breaker_.check();
  breaker_.succeeded();
  EXPECT_TRUE(closed());
  EXPECT_TRUE(closed());
  open();
  EXPECT_FALSE(closed()) << "it opens again as it did at first";
}

TEST_F(CircuitBreakerTest, AFailedTryWaitsForAnotherCoolDown) {
  open();
  pass(seconds{20});
  breaker_.check();
  pass(seconds{5});
  breaker_.failed("503");
  pass(seconds{19});
  const auto error = error_of([&] { breaker_.check(); });
  ASSERT_TRUE(error);
  EXPECT_THAT(error->message(), HasSubstr("since 2025-11-10T12:00:00Z, 4 times in a row"));
  EXPECT_THAT(error->message(), HasSubstr("in 1.0s; the last failure: 503"));
  pass(seconds{1});
  EXPECT_TRUE(closed());
}

TEST_F(CircuitBreakerTest, ATryThatNeverReportsDoesNotBlockForEver) {
  open();
  pass(seconds{20});
  breaker_.check();
  pass(seconds{20});
  EXPECT_TRUE(closed());
  EXPECT_FALSE(closed());
}

TEST_F(CircuitBreakerTest, LateFailuresDoNotPutOffTheTry) {
  open();
  pass(seconds{19});
  breaker_.failed("sent before it opened");
  pass(seconds{1});
  EXPECT_TRUE(closed());
}

TEST_F(CircuitBreakerTest, TheDefaultsAreTwentyFailuresInThirtySeconds) {
  CircuitBreaker breaker(clock_);
  for (int i = 0; i < 19; ++i) breaker.failed("x");
  pass(seconds{30});
  EXPECT_NO_THROW(breaker.check());
  breaker.failed("x");
  expect_error(Code::kUnavailable, [&] { breaker.check(); });
  pass(seconds{10});
  EXPECT_NO_THROW(breaker.check());
}

TEST_F(CircuitBreakerTest, OfManyThreadsOneTries) {
  open();
  pass(seconds{20});
  std::atomic<int> tried = 0;
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 8; ++i) {
      threads.emplace_back([&] {
        if (closed()) ++tried;
      });
    }
  }
  EXPECT_EQ(tried, 1);
}

}  // namespace
}  // namespace holdfast
