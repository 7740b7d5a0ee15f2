#include "net/rate_limit.h"

#include <algorithm>

#include "base/error.h"

namespace holdfast {
namespace {

constexpr Duration kBurst = std::chrono::milliseconds{250};

Duration time_for(std::uint64_t bytes, std::uint64_t rate) {
  const double seconds = static_cast<double>(bytes) / static_cast<double>(rate);
  return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(seconds));
}

}  // namespace

RateLimit::RateLimit(Clock& clock, std::uint64_t bytes_per_second)
    : clock_(clock), rate_(bytes_per_second) {
  if (bytes_per_second == 0) throw Error(Code::kInvalid, "a rate limit must be more than zero");
}

bool RateLimit::pass(std::uint64_t bytes, std::stop_token stop) {
  if (stop.stop_requested()) return false;
  const Duration cost = time_for(bytes, rate_);
  Duration wait{};
  {
    MutexLock lock(mutex_);
    const Duration now = clock_.monotonic();
    next_ = std::max(next_, now - kBurst) + cost;
    wait = next_ - now;
  }
  if (wait <= Duration::zero() || clock_.sleep_for(wait, stop)) return true;
  // These bytes never pass: others need not wait for them.
  MutexLock lock(mutex_);
  next_ -= cost;
  return false;
}

}  // namespace holdfast
