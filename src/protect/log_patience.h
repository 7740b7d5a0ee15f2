// How a receiver of a log stays connected.
#pragma once

#include <functional>
#include <stop_token>
#include <string>

#include "base/error.h"
#include "os/clock.h"

namespace holdfast {

// Calls `attempt` until it returns, it throws kCancelled, or `stop`. When it threw kUnavailable it
// is called again, after a pause that grows to a second while `was_connected` (which ends a
// connection for the status) says no, and `notify` hears why, the same outage every 15 s. Throws
// every other error.
void keep_connected(Clock& clock, const std::stop_token& stop, const std::function<void()>& attempt,
                    const std::function<bool()>& was_connected,
                    const std::function<void(const std::string&)>& notify);

// The exception that is being handled, for a thread that it must not end: what is no Error is
// kExhausted when memory ran out, else kInternal. To be called in a catch block.
Error current_error();

}  // namespace holdfast
