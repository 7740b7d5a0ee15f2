#include "store/s3/outage_notice.h"

#include <fmt/format.h>

namespace holdfast {
namespace {

// A hiccup is nobody's matter.
constexpr Duration kQuiet = std::chrono::seconds{3};
constexpr Duration kInterval = std::chrono::seconds{30};
constexpr std::size_t kClock = 11;  // where the time begins in 2025-11-10T12:00:00Z

}  // namespace

void OutageNotice::waits(Duration since, Duration delay, const std::string& why, Timestamp until) {
  const MutexLock lock(mutex_);
  told_ = tell_ != nullptr;
  if (tell_) tell_(why);
  const Duration now = clock_.monotonic();
  if (!say_ || now + delay - since < kQuiet) return;
  if (last_ && now - *last_ < kInterval) return;
  last_ = now;
  waiting_ = true;
  say_(fmt::format("{}; trying until {} UTC; Ctrl-C ends", why,
                   format_rfc3339(until).substr(kClock, std::size("12:00:00") - 1)));
}

void OutageNotice::answered(const std::string& store) {
  const MutexLock lock(mutex_);
  if (std::exchange(told_, false)) tell_("");
  if (std::exchange(waiting_, false)) say_(store + " answers again");
}

}  // namespace holdfast
