#include "source/postgres/pg_time.h"

#include <algorithm>

namespace holdfast {

namespace {

using Micros = std::chrono::microseconds;

constexpr std::int64_t kEpoch = 946'684'800'000'000;  // 2000-01-01, in microseconds since 1970
constexpr std::int64_t kFirst =
    std::chrono::ceil<Micros>(Timestamp::min().time_since_epoch()).count() - kEpoch;
constexpr std::int64_t kLast =
    std::chrono::floor<Micros>(Timestamp::max().time_since_epoch()).count() - kEpoch;

}  // namespace

Timestamp from_pg_time(std::int64_t microseconds) {
  return Timestamp(Micros(std::clamp(microseconds, kFirst, kLast) + kEpoch));
}

std::int64_t to_pg_time(Timestamp time) {
  return std::chrono::floor<Micros>(time.time_since_epoch()).count() - kEpoch;
}

}  // namespace holdfast
