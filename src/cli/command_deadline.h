// --deadline: a time after which a command has to end, whatever it waits for.
#pragma once

#include <atomic>
#include <functional>
#include <string>
#include <thread>

#include "base/error.h"
#include "os/clock.h"

namespace holdfast {

inline constexpr int kExitTimedOut = 12;
inline constexpr const char* kTimedOutName = "timed-out";

// The end of a command that its deadline has interrupted.
class CommandTimedOut : public Error {
 public:
  using Error::Error;
};

class CommandDeadline {
 public:
  // `text` as --deadline has it; empty: none. Calls `stop` when the time is up, from a thread of
  // its own. Throws Error(kUsage) for what is no duration.
  CommandDeadline(const std::string& text, Clock& clock, const std::function<void()>& stop);

  bool passed() const { return passed_; }
  // For a command that was interrupted by it; `trouble`: what it waited for, if anything; `hint` is
  // that of the interruption.
  CommandTimedOut error(const std::string& trouble, const std::string& hint = {}) const;

 private:
  const std::string text_;
  std::atomic<bool> passed_{false};
  std::jthread timer_;  // last: it uses the rest
};

}  // namespace holdfast
