// A clock that stands still until a test moves it; whoever sleeps wakes when their time has come.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <iterator>
#include <mutex>
#include <set>

#include "os/clock.h"

namespace holdfast {

// Unlike ManualClock, sleeping does not move it: the thread that refreshes a lease waits.
class HeldClock final : public Clock {
 public:
  Timestamp now() const override {
    const std::lock_guard lock(mutex_);
    return Timestamp{now_};
  }
  Duration monotonic() const override { return now().time_since_epoch(); }

  bool sleep_for(Duration duration, std::stop_token stop) override {
    std::unique_lock lock(mutex_);
    const Duration until = now_ + duration;
    const auto mine = sleepers_.insert(until);
    ++arrivals_;
    changed_.notify_all();
    const bool passed = changed_.wait(lock, stop, [&] { return now_ >= until; });
    sleepers_.erase(mine);
    return passed && !stop.stop_requested();
  }

  // Moves the clock without waking anybody: a machine that was suspended.
  void jump(Duration duration) {
    const std::lock_guard lock(mutex_);
    now_ += duration;
  }

  // Moves the clock once somebody sleeps; returns when all who woke sleep again.
  void advance(Duration duration) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return !sleepers_.empty(); });
    now_ += duration;
    const auto due = std::distance(sleepers_.begin(), sleepers_.upper_bound(now_));
    const std::uint64_t back = arrivals_ + static_cast<std::uint64_t>(due);
    changed_.notify_all();
    changed_.wait(lock, [&] { return arrivals_ >= back; });
  }

 private:
  mutable std::mutex mutex_;  // guards all below
  std::condition_variable_any changed_;
  Duration now_ = std::chrono::hours(24 * 365 * 50);
  std::multiset<Duration> sleepers_;  // when each wakes
  std::uint64_t arrivals_ = 0;
};

}  // namespace holdfast
