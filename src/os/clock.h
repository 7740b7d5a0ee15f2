// Time as the program sees it. Nobody else calls the real clock.
#pragma once

#include <chrono>
#include <stop_token>

#include "base/time.h"

namespace holdfast {

// Thread-safe. `now` is the wall clock (may jump), `monotonic` only goes forward.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual Timestamp now() const = 0;
  virtual Duration monotonic() const = 0;
  // Blocks until `duration` has passed or a stop is requested; true when it passed.
  virtual bool sleep_for(Duration duration, std::stop_token stop) = 0;
};

// The machine's clock; one instance for the whole program.
Clock& system_clock();

}  // namespace holdfast
