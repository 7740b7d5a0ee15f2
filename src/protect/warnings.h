// What went wrong without failing the run: counted, and the first ones kept for the end.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "os/mutex.h"

namespace holdfast {

// Thread-safe.
class Warnings {
 public:
  // `hear` is told of every warning as it comes, for logs; may be empty.
  explicit Warnings(std::function<void(const std::string&)> hear = {}) : hear_(std::move(hear)) {}

  void add(const std::string& text) EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    ++count_;
    if (first_.size() < kKept) first_.push_back(text);
    if (hear_) hear_(text);
  }
  std::uint64_t count() const EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    return count_;
  }
  std::vector<std::string> first() const EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    return first_;
  }

 private:
  static constexpr std::size_t kKept = 100;
  mutable Mutex mutex_;
  std::function<void(const std::string&)> hear_;
  std::uint64_t count_ GUARDED_BY(mutex_) = 0;
  std::vector<std::string> first_ GUARDED_BY(mutex_);
};

}  // namespace holdfast
