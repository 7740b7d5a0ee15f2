#include "protect/log_patience.h"

#include <algorithm>
#include <exception>
#include <new>
#include <optional>

namespace holdfast {
namespace {

constexpr Duration kFirstPause = std::chrono::milliseconds{200};
// What is committed while a server is back and nobody listens is what a disaster takes; a
// synchronous server even waits.
constexpr Duration kLongestPause = std::chrono::seconds{1};
constexpr Duration kQuiet = std::chrono::seconds{15};  // between two words about one outage

}  // namespace

void keep_connected(Clock& clock, const std::stop_token& stop, const std::function<void()>& attempt,
                    const std::function<bool()>& was_connected,
                    const std::function<void(const std::string&)>& notify) {
  Duration pause = kFirstPause;
  std::optional<Duration> said;
  while (!stop.stop_requested()) {
    try {
      attempt();
      return;
    } catch (const Error& error) {
      if (was_connected()) {
        pause = kFirstPause;
        said.reset();
      }
      if (error.code() == Code::kCancelled) return;
      if (error.code() != Code::kUnavailable) throw;
      if (!said || clock.monotonic() - *said >= kQuiet) {
        notify(error.message() + "; trying again until it answers");
        said = clock.monotonic();
      }
    }
    clock.sleep_for(pause, stop);
    pause = std::min(2 * pause, kLongestPause);
  }
}

Error current_error() {
  try {
    throw;
  } catch (const Error& error) {
    return error;
  } catch (const std::bad_alloc&) {
    return {Code::kExhausted, "out of memory"};
  } catch (const std::exception& error) {
    return {Code::kInternal, error.what()};
  } catch (...) {
    return {Code::kInternal, "something was thrown that nobody knows"};
  }
}

}  // namespace holdfast
