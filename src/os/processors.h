// How much can run at once.
#pragma once

#include <algorithm>
#include <thread>

namespace holdfast {

// Of this machine; at least 1.
inline unsigned processors() { return std::max(1u, std::thread::hardware_concurrency()); }

}  // namespace holdfast
