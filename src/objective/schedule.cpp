#include "objective/schedule.h"

#include <optional>

namespace holdfast {
namespace {

using std::chrono::days;
using std::chrono::hours;
using std::chrono::minutes;
using Day = std::chrono::sys_days;

// 29 February can be eight years away, and its next Sunday forty.
constexpr days kHorizon{41 * 366};

Timestamp next_multiple(Timestamp time, Duration every) {
  Duration into = time.time_since_epoch() % every;
  if (into < Duration{}) into += every;
  return time + (every - into);
}

bool matches_day(const Schedule& schedule, Day day) {
  const std::chrono::year_month_day date{day};
  if (!schedule.months[static_cast<unsigned>(date.month())]) return false;
  const bool by_date = schedule.days[static_cast<unsigned>(date.day())];
  const bool by_weekday = schedule.weekdays[std::chrono::weekday{day}.c_encoding()];
  return schedule.either_day ? by_date || by_weekday : by_date && by_weekday;
}

// The first time of day at or after `from`, counted from midnight.
std::optional<minutes> first_in_day(const Schedule& schedule, minutes from) {
  for (minutes at = from; at < days{1}; ++at) {
    const auto hour = static_cast<std::size_t>(at / hours{1});
    const auto minute = static_cast<std::size_t>(at % hours{1} / minutes{1});
    if (schedule.hours[hour] && schedule.minutes[minute]) return at;
  }
  return std::nullopt;
}

}  // namespace

Timestamp next_after(Timestamp time, const Schedule& schedule) {
  if (schedule.every > Duration{}) {
    if (time > Timestamp::max() - schedule.every) return Timestamp::max();
    return next_multiple(time, schedule.every);
  }
  if (time > Timestamp::max() - kHorizon) return Timestamp::max();
  const auto earliest = std::chrono::floor<minutes>(time) + minutes{1};
  Day day = std::chrono::floor<days>(earliest);
  minutes from = earliest - day;
  for (const Day end = day + kHorizon; day < end; day += days{1}, from = minutes{}) {
    if (!matches_day(schedule, day)) continue;
    if (const auto at = first_in_day(schedule, from)) return Timestamp{day + *at};
  }
  return Timestamp::max();
}

}  // namespace holdfast
