// A limit on bytes per second that many threads share.
#pragma once

#include <cstdint>
#include <stop_token>

#include "os/clock.h"
#include "os/mutex.h"

namespace holdfast {

// A token bucket that holds at most a quarter of a second's worth. Thread-safe.
class RateLimit {
 public:
  // `bytes_per_second` is more than zero. The clock must outlive it.
  RateLimit(Clock& clock, std::uint64_t bytes_per_second);

  // Waits until `bytes` may pass; false when a stop was requested first.
  bool pass(std::uint64_t bytes, std::stop_token stop);

 private:
  Clock& clock_;
  const std::uint64_t rate_;
  Mutex mutex_;
  Duration next_ GUARDED_BY(mutex_){};  // when the next byte may pass, by the monotonic clock
};

}  // namespace holdfast
