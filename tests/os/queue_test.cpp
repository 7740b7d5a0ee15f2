#include "os/queue.h"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <numeric>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace holdfast {
namespace {

std::exception_ptr failure() { return std::make_exception_ptr(std::runtime_error("broken")); }

TEST(BoundedQueue, KeepsTheOrder) {
  BoundedQueue<int> queue(10);
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(queue.push(i));
  for (int i = 0; i < 10; ++i) EXPECT_EQ(queue.pop(), i);
}

TEST(BoundedQueue, DrainsAfterClose) {
  BoundedQueue<std::unique_ptr<int>> queue(10);
  EXPECT_TRUE(queue.push(std::make_unique<int>(7)));
  queue.close();
  EXPECT_FALSE(queue.push(std::make_unique<int>(8)));
  const auto item = queue.pop();
  ASSERT_TRUE(item.has_value());
  EXPECT_EQ(**item, 7);
  EXPECT_FALSE(queue.pop().has_value());
  EXPECT_FALSE(queue.pop().has_value());
}

TEST(BoundedQueue, NeverHoldsMoreThanTheBudget) {
  constexpr std::size_t kBudget = 100;
  BoundedQueue<std::string> queue(kBudget, [](const std::string& text) { return text.size(); });
  std::atomic<std::size_t> pushed{0};
  std::jthread producer([&] {
    for (std::size_t i = 0; i < 500; ++i) {
      const std::size_t size = 1 + i * 7 % 60;
      ASSERT_TRUE(queue.push(std::string(size, 'x')));
      pushed += size;
    }
    queue.close();
  });
  std::size_t popped = 0;
  while (const auto item = queue.pop()) {
    // One item more may have left the queue without being counted here yet.
    EXPECT_LE(pushed.load(), popped + kBudget + item->size());
    popped += item->size();
  }
  producer.join();
  EXPECT_EQ(popped, pushed.load());
}

TEST(BoundedQueue, ItemLargerThanTheBudgetPassesAlone) {
  BoundedQueue<std::size_t> queue(10, [](const std::size_t& cost) { return cost; });
  EXPECT_TRUE(queue.push(1000));
  std::stop_source stop;
  stop.request_stop();
  EXPECT_FALSE(queue.push(1, stop.get_token()));
  EXPECT_EQ(queue.pop(), 1000u);
  EXPECT_TRUE(queue.push(1, stop.get_token()));
  EXPECT_FALSE(queue.push(1000, stop.get_token()));
}

TEST(BoundedQueue, StopEndsAWaitingPop) {
  BoundedQueue<int> queue(1);
  std::jthread consumer(
      [&](const std::stop_token& stop) { EXPECT_FALSE(queue.pop(stop).has_value()); });
  consumer.request_stop();
  consumer.join();
  EXPECT_TRUE(queue.push(1));  // the queue itself goes on
}

TEST(BoundedQueue, StopEndsAWaitingPush) {
  BoundedQueue<int> queue(1);
  EXPECT_TRUE(queue.push(1));
  std::jthread producer([&](const std::stop_token& stop) { EXPECT_FALSE(queue.push(2, stop)); });
  producer.request_stop();
  producer.join();
  EXPECT_EQ(queue.pop(), 1);
}

TEST(BoundedQueue, CloseEndsWaiters) {
  BoundedQueue<int> empty(1);
  BoundedQueue<int> full(1);
  EXPECT_TRUE(full.push(1));
  std::jthread consumer([&] { EXPECT_FALSE(empty.pop().has_value()); });
  std::jthread producer([&] { EXPECT_FALSE(full.push(2)); });
  empty.close();
  full.close();
}

TEST(BoundedQueue, FailureReachesBothEnds) {
  BoundedQueue<int> empty(1);
  BoundedQueue<int> full(1);
  EXPECT_TRUE(full.push(1));
  std::jthread consumer([&] { EXPECT_THROW(empty.pop(), std::runtime_error); });
  std::jthread producer([&] { EXPECT_THROW(full.push(2), std::runtime_error); });
  empty.fail(failure());
  full.fail(failure());
  consumer.join();
  producer.join();
  EXPECT_THROW(full.pop(), std::runtime_error);  // what was queued is gone
  EXPECT_THROW(empty.push(1), std::runtime_error);
}

TEST(BoundedQueue, FirstFailureStays) {
  BoundedQueue<int> queue(1);
  queue.fail(failure());
  queue.fail(std::make_exception_ptr(std::logic_error("second")));
  queue.close();
  EXPECT_THROW(queue.pop(), std::runtime_error);
}

TEST(BoundedQueue, ManyThreadsLoseNothing) {
  constexpr int kThreads = 4;
  constexpr int kItems = 5000;
  BoundedQueue<int> queue(16);
  std::atomic<std::int64_t> sum{0};
  std::atomic<int> count{0};
  std::vector<std::jthread> consumers;
  for (int i = 0; i < kThreads; ++i) {
    consumers.emplace_back([&] {
      while (const auto item = queue.pop()) {
        sum += *item;
        ++count;
      }
    });
  }
  {
    std::vector<std::jthread> producers;
    for (int i = 0; i < kThreads; ++i) {
      producers.emplace_back([&] {
        for (int item = 0; item < kItems; ++item) queue.push(item);
      });
    }
  }
  queue.close();
  consumers.clear();
  EXPECT_EQ(count, kThreads * kItems);
  EXPECT_EQ(sum, std::int64_t{kThreads} * kItems * (kItems - 1) / 2);
}

}  // namespace
}  // namespace holdfast
