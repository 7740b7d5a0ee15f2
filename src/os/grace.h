// The last requests of a process that was asked to stop.
#pragma once

#include "os/clock.h"

namespace holdfast {

// As long as it lives, requests of this thread go out although a stop was asked for, each for
// kLength at most: to take back what would be in the way of others, such as a lease. A thread that
// works for another one inherits its grace by an object of its own.
class Grace {
 public:
  static constexpr Duration kLength = std::chrono::seconds{5};

  Grace() : Grace(true) {}
  // With `inherited` false it gives none.
  explicit Grace(bool inherited) : by_(inherited ? 1 : 0) { depth() += by_; }
  ~Grace() { depth() -= by_; }
  Grace(const Grace&) = delete;
  Grace& operator=(const Grace&) = delete;

  static bool is_given() { return depth() > 0; }

 private:
  static int& depth() {
    thread_local int depth = 0;
    return depth;
  }

  const int by_;
};

}  // namespace holdfast
