// A clock that only moves when told to.
#pragma once

#include <atomic>

#include "os/clock.h"

namespace holdfast {

class ManualClock final : public Clock {
 public:
  explicit ManualClock(Timestamp start) : now_(start.time_since_epoch().count()) {}
  Timestamp now() const override { return Timestamp{Duration{now_.load()}}; }
  Duration monotonic() const override { return Duration{now_.load()}; }
  bool sleep_for(Duration duration, std::stop_token stop) override {
    now_ += duration.count();
    return !stop.stop_requested();
  }

 private:
  std::atomic<Duration::rep> now_;
};

}  // namespace holdfast
