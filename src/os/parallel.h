// The same work for each of many things, on several threads.
#pragma once

#include <cstddef>
#include <functional>
#include <stop_token>

namespace holdfast {

// Calls work(0) to work(count - 1), each once, in no order, on up to `threads` threads with the
// caller's among them. The first error ends it: what has begun is finished, and the error thrown.
// Throws Error(kCancelled) when a stop is requested meanwhile. `work` is called from all of them.
void in_parallel(unsigned threads, std::size_t count, const std::stop_token& stop,
                 const std::function<void(std::size_t)>& work);

}  // namespace holdfast
