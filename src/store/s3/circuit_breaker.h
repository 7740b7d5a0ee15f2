// When a store has failed often enough, asking it more makes things worse.
#pragma once

#include <string>

#include "os/clock.h"
#include "os/mutex.h"

namespace holdfast {

// Closed: requests pass. After `threshold` failures in a row that span at least `span` it opens:
// requests are refused at once. After `cool_down` one request may try; its success closes the
// circuit, its failure opens it again. Thread-safe.
class CircuitBreaker {
 public:
  struct Limits {
    unsigned threshold = 20;
    Duration span = std::chrono::seconds{30};
    Duration cool_down = std::chrono::seconds{10};
  };
  explicit CircuitBreaker(Clock& clock);
  CircuitBreaker(Clock& clock, Limits limits);

  // Throws Error(kUnavailable) while the circuit is open: since when, after how many failures, what
  // the last one was, and when it is tried again.
  void check();
  void succeeded();
  void failed(const std::string& why);

 private:
  Clock& clock_;
  const Limits limits_;
  Mutex mutex_;
  unsigned failures_ GUARDED_BY(mutex_) = 0;  // in a row
  Duration first_ GUARDED_BY(mutex_){};
  Duration opened_ GUARDED_BY(mutex_){};
  bool open_ GUARDED_BY(mutex_) = false;
  bool probing_ GUARDED_BY(mutex_) = false;
  std::string last_ GUARDED_BY(mutex_);
};

}  // namespace holdfast
