#include "os/parallel.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <thread>
#include <vector>

#include "base/error.h"
#include "store/expect_error.h"

namespace holdfast {
namespace {

TEST(InParallel, DoesEachOnceAlsoWithMoreThreadsThanWork) {
  for (const unsigned threads : {0U, 1U, 3U, 200U}) {
    std::vector<std::atomic<int>> done(100);
    in_parallel(threads, done.size(), {}, [&](std::size_t i) { ++done[i]; });
    EXPECT_TRUE(std::all_of(done.begin(), done.end(), [](int times) { return times == 1; }));
  }
  in_parallel(3, 0, {}, [](std::size_t) { FAIL(); });
}

// Neither of the first two ends before the other one has begun.
TEST(InParallel, RunsOnSeveralThreads) {
  std::atomic<unsigned> begun{0};
  in_parallel(2, 2, {}, [&](std::size_t) {
    ++begun;
    while (begun < 2) std::this_thread::yield();
  });
  EXPECT_EQ(begun, 2U);
}

TEST(InParallel, ThrowsTheFirstErrorAndBeginsNothingAfterIt) {
  for (const unsigned threads : {1U, 2U}) {
    std::atomic<unsigned> begun{0};
    const auto error = error_of([&] {
      in_parallel(threads, 1'000'000, {}, [&](std::size_t i) {
        ++begun;
        if (i == 3) throw Error(Code::kExhausted, "full");
      });
    });
    ASSERT_TRUE(error.has_value());
    EXPECT_EQ(error->code(), Code::kExhausted);
    if (threads == 1) {
      EXPECT_EQ(begun, 4U);
    }
  }
}

TEST(InParallel, EndsWithAStop) {
  for (const unsigned threads : {1U, 2U}) {
    std::stop_source stop;
    std::atomic<unsigned> begun{0};
    const auto error = error_of([&] {
      in_parallel(threads, 1'000'000, stop.get_token(), [&](std::size_t i) {
        ++begun;
        if (i == 3) stop.request_stop();
      });
    });
    ASSERT_TRUE(error.has_value());
    EXPECT_EQ(error->code(), Code::kCancelled);
    if (threads == 1) {
      EXPECT_EQ(begun, 4U);
    }
  }
}

}  // namespace
}  // namespace holdfast
