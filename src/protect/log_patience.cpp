#include "protect/log_patience.h"

#include <algorithm>

#include "base/error.h"

namespace holdfast {
namespace {

constexpr Duration kFirstPause = std::chrono::milliseconds{200};
constexpr Duration kLongestPause = std::chrono::seconds{15};

}  // namespace

void keep_connected(Clock& clock, const std::stop_token& stop, const std::function<void()>& attempt,
                    const std::function<bool()>& was_connected,
                    const std::function<void(const std::string&)>& notify) {
  Duration pause = kFirstPause;
  while (!stop.stop_requested()) {
    try {
      attempt();
      return;
    } catch (const Error& error) {
      if (was_connected()) pause = kFirstPause;
      if (error.code() == Code::kCancelled) return;
      if (error.code() != Code::kUnavailable) throw;
      notify(error.message() + "; trying again in " + format_duration(pause));
    }
    clock.sleep_for(pause, stop);
    pause = std::min(2 * pause, kLongestPause);
  }
}

}  // namespace holdfast
