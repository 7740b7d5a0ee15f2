#include "store/s3/circuit_breaker.h"

#include <fmt/format.h>

#include "base/error.h"
#include "base/human.h"
#include "base/time.h"

namespace holdfast {

CircuitBreaker::CircuitBreaker(Clock& clock) : CircuitBreaker(clock, Limits{}) {}

CircuitBreaker::CircuitBreaker(Clock& clock, Limits limits) : clock_(clock), limits_(limits) {}

void CircuitBreaker::check() {
  const MutexLock lock(mutex_);
  if (!open_) return;
  const Duration now = clock_.monotonic();
  const Duration wait = opened_ + limits_.cool_down - now;
  if (wait > Duration{}) {
    throw Error(Code::kUnavailable,
                fmt::format("the store has failed since {}, {} in a row; it is tried again in {}; "
                            "the last failure: {}",
                            format_rfc3339(clock_.now() - (now - first_)),
                            plural(failures_, "time"), format_duration(wait), last_),
                "look at the network and at the store itself, then run the command again");
  }
  // The next one waits in its turn, also when this one never says how it went.
  opened_ = now;
  probing_ = true;
}

void CircuitBreaker::succeeded() {
  const MutexLock lock(mutex_);
  failures_ = 0;
  open_ = false;
  probing_ = false;
}

void CircuitBreaker::failed(const std::string& why) {
  const MutexLock lock(mutex_);
  const Duration now = clock_.monotonic();
  if (failures_++ == 0) first_ = now;
  last_ = why;
  if (!open_) {
    open_ = failures_ >= limits_.threshold && now - first_ >= limits_.span;
    if (open_) opened_ = now;
  } else if (probing_) {
    // Failures of requests that were under way when it opened do not put off the next try.
    probing_ = false;
    opened_ = now;
  }
}

}  // namespace holdfast
