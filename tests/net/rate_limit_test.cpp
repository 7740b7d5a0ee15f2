#include "net/rate_limit.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "store/expect_error.h"
#include "store/manual_clock.h"

namespace holdfast {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class RateLimitTest : public ::testing::Test {
 protected:
  Duration spent() const { return clock_.monotonic() - start_; }

  ManualClock clock_{Timestamp{seconds{1000}}};
  const Duration start_ = clock_.monotonic();
  RateLimit limit_{clock_, 1000};
};

TEST_F(RateLimitTest, LetsAQuarterOfASecondThroughAtOnce) {
  EXPECT_TRUE(limit_.pass(250, {}));
  EXPECT_EQ(spent(), Duration::zero());
  EXPECT_TRUE(limit_.pass(1, {}));
  EXPECT_EQ(spent(), milliseconds{1});
}

TEST_F(RateLimitTest, KeepsTheRateWhateverThePieces) {
  for (const std::uint64_t piece : {1u, 99u, 900u, 1000u, 8000u})
    EXPECT_TRUE(limit_.pass(piece, {}));
  EXPECT_EQ(spent(), milliseconds{10000 - 250});
}

TEST_F(RateLimitTest, IdleTimeIsNotSavedUp) {
  clock_.sleep_for(seconds{100}, {});
  EXPECT_TRUE(limit_.pass(1250, {}));
  EXPECT_EQ(spent(), seconds{101});
}

TEST_F(RateLimitTest, AStopEndsTheWait) {
  std::stop_source source;
  source.request_stop();
  EXPECT_FALSE(limit_.pass(100, source.get_token()));
  EXPECT_EQ(spent(), Duration::zero());
}

// Requests the stop while it sleeps, as a signal would.
class StoppedClock final : public Clock {
 public:
  Timestamp now() const override { return Timestamp{seconds{1000}}; }
  Duration monotonic() const override { return seconds{1000}; }
  bool sleep_for(Duration duration, std::stop_token) override {
    slept += duration;
    return false;
  }
  Duration slept{};
};

TEST(RateLimitStop, GivesBackWhatDidNotPass) {
  StoppedClock clock;
  RateLimit limit(clock, 1000);
  EXPECT_FALSE(limit.pass(5250, {}));
  EXPECT_EQ(clock.slept, seconds{5});
  EXPECT_TRUE(limit.pass(250, {}));
  EXPECT_EQ(clock.slept, seconds{5});
}

TEST(RateLimitThreads, ShareOneRate) {
  ManualClock clock{Timestamp{seconds{1000}}};
  const Duration start = clock.monotonic();
  RateLimit limit(clock, 1000);
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 8; ++i) {
      threads.emplace_back([&] {
        for (int pass = 0; pass < 100; ++pass) EXPECT_TRUE(limit.pass(10, {}));
      });
    }
  }
  // Threads that wait at once each move the clock: more time may pass than needed, never less.
  EXPECT_GE(clock.monotonic() - start, milliseconds{8000 - 250});
}

TEST(RateLimitZero, IsRefused) {
  ManualClock clock{Timestamp{}};
  expect_error(Code::kInvalid, [&] { RateLimit(clock, 0); });
}

}  // namespace
}  // namespace holdfast
