// Says what is being waited for, so that nobody looks at a program that seems to hang.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <utility>

#include "os/clock.h"
#include "os/mutex.h"

namespace holdfast {

// On behalf of all requests of a client. Thread-safe.
class OutageNotice {
 public:
  // `say` and `tell` (S3Options: notice, outage) are called by any thread, one at a time; unset:
  // nothing is ever said.
  OutageNotice(Clock& clock, std::function<void(const std::string&)> say,
               std::function<void(const std::string&)> tell)
      : clock_(clock), say_(std::move(say)), tell_(std::move(tell)) {}

  // What began at `since` failed for this reason and is tried again after `delay`, until `until`.
  // Said once that takes more than a few seconds, and not again for a while.
  void waits(Duration since, Duration delay, const std::string& why, Timestamp until);
  // The store is there again.
  void answered(const std::string& store);

 private:
  Clock& clock_;
  const std::function<void(const std::string&)> say_;
  const std::function<void(const std::string&)> tell_;
  Mutex mutex_;
  std::optional<Duration> last_ GUARDED_BY(mutex_);
  // Something was said, or told, that is to be taken back.
  bool waiting_ GUARDED_BY(mutex_) = false;
  bool told_ GUARDED_BY(mutex_) = false;
};

}  // namespace holdfast
