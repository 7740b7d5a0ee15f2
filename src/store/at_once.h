// The same request for many objects, several at a time.
#pragma once

#include <cstddef>
#include <functional>
#include <stop_token>

#include "store/object_store.h"

namespace holdfast {

// Calls work(0) to work(count - 1), in as many threads as pay where a request costs a round trip,
// else one after the other in the caller's. The first error ends it and is thrown; a stop is
// Error(kCancelled).
void at_once(const ObjectStore& store, std::size_t count,
             const std::function<void(std::size_t)>& work, std::stop_token stop);

}  // namespace holdfast
