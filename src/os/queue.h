// A queue between threads that holds producers back instead of growing.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <exception>
#include <functional>
#include <mutex>
#include <optional>
#include <stop_token>
#include <utility>

namespace holdfast {

// First in, first out; any number of threads at either end. Every item costs something (1 unless a
// cost is given, say its bytes) and producers wait while the sum would exceed the budget. An item
// dearer than the whole budget passes alone, when the queue is empty.
template <typename T>
class BoundedQueue {
 public:
  using Cost = std::function<std::size_t(const T&)>;

  explicit BoundedQueue(
      std::size_t budget, Cost cost = [](const T&) { return std::size_t{1}; })
      : budget_(budget), cost_(std::move(cost)) {}

  // Waits for room. False, and the item is dropped, when the queue is closed or a stop is requested
  // first. Throws what `fail` was given.
  bool push(T item, std::stop_token stop = {}) {
    const std::size_t cost = cost_(item);
    {
      std::unique_lock lock(mutex_);
      const auto ready = [&] { return over() || has_room(cost); };
      if (!room_.wait(lock, stop, ready)) return false;
      rethrow_failure();
      if (closed_) return false;
      items_.push_back({std::move(item), cost});
      used_ += cost;
    }
    filled_.notify_one();
    return true;
  }

  // Waits for an item. Nothing when the queue is closed and drained, or a stop is requested first.
  // Throws what `fail` was given.
  std::optional<T> pop(std::stop_token stop = {}) {
    std::optional<T> item;
    {
      std::unique_lock lock(mutex_);
      const auto ready = [&] { return over() || !items_.empty(); };
      if (!filled_.wait(lock, stop, ready)) return std::nullopt;
      rethrow_failure();
      if (items_.empty()) return std::nullopt;
      item.emplace(std::move(items_.front().item));
      used_ -= items_.front().cost;
      items_.pop_front();
    }
    // All, because the waiting producers need different amounts of room.
    room_.notify_all();
    return item;
  }

  // No more items come; those in the queue are still handed out.
  void close() {
    {
      const std::lock_guard lock(mutex_);
      closed_ = true;
    }
    wake_all();
  }

  // Drops what is in the queue; every push and pop, now waiting or later, throws `failure`. The
  // first failure stays.
  void fail(std::exception_ptr failure) {
    {
      const std::lock_guard lock(mutex_);
      if (failure_ == nullptr) failure_ = std::move(failure);
      items_.clear();
      used_ = 0;
    }
    wake_all();
  }

 private:
  struct Entry {
    T item;
    std::size_t cost;
  };

  bool over() const { return closed_ || failure_ != nullptr; }
  bool has_room(std::size_t cost) const {
    return items_.empty() || (used_ <= budget_ && cost <= budget_ - used_);
  }
  void rethrow_failure() const {
    if (failure_ != nullptr) std::rethrow_exception(failure_);
  }
  void wake_all() {
    room_.notify_all();
    filled_.notify_all();
  }

  const std::size_t budget_;
  const Cost cost_;
  std::mutex mutex_;  // guards all below
  std::condition_variable_any room_;
  std::condition_variable_any filled_;
  std::deque<Entry> items_;
  std::size_t used_ = 0;
  bool closed_ = false;
  std::exception_ptr failure_;
};

}  // namespace holdfast
