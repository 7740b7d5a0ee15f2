// PostgreSQL's timestamps: microseconds since 2000-01-01T00:00:00Z.
#pragma once

#include <cstdint>

#include "base/time.h"

namespace holdfast {

// A time outside of what a Timestamp holds (1677 to 2262) becomes the nearest one that it holds.
Timestamp from_pg_time(std::int64_t microseconds);
// Rounded down to a microsecond.
std::int64_t to_pg_time(Timestamp time);

}  // namespace holdfast
