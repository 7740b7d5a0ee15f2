// When a source is due, as written in the configuration.
#pragma once

#include <bitset>
#include <string>
#include <string_view>

#include "base/time.h"

namespace holdfast {

// A parsed schedule. All times are UTC. Either `every` is set, or the sets of a cron line are.
struct Schedule {
  Duration every{};  // more than zero: at the multiples of it since 1970-01-01T00:00Z
  std::bitset<60> minutes;
  std::bitset<24> hours;
  std::bitset<32> days;     // of the month, from 1
  std::bitset<13> months;   // from 1
  std::bitset<7> weekdays;  // from Sunday
  // As cron has it: when the day of the month and the weekday are both restricted (do not start
  // with '*'), a day needs to match one of them; otherwise both.
  bool either_day = false;
  bool operator==(const Schedule&) const = default;
};

// Five fields as in crontab(5): minute, hour, day of month, month, weekday, each with lists,
// ranges, steps and names ("*/15 8-18 * * mon-fri"); @hourly, @daily, @midnight, @weekly, @monthly,
// @yearly,
// @annually; or "every 4h" (whole minutes). Throws Error(kInvalid) that says which field is wrong
// and why, also for a date that never comes ("0 0 31 2 *").
Schedule parse_schedule(std::string_view text);

}  // namespace holdfast
