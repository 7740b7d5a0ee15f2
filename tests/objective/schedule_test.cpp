#include "objective/schedule.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

namespace holdfast {
namespace {

struct NextCase {
  const char* schedule;
  const char* time;
  const char* next;
};

constexpr NextCase kNextCases[] = {
    {"0 3 * * *", "2025-11-10T02:59:59Z", "2025-11-10T03:00:00Z"},
    {"0 3 * * *", "2025-11-10T03:00:00Z", "2025-11-11T03:00:00Z"},
    {"0 3 * * *", "2025-12-31T12:00:00Z", "2026-01-01T03:00:00Z"},
    {"*/15 * * * *", "2025-11-10T10:07:00Z", "2025-11-10T10:15:00Z"},
    {"*/15 * * * *", "2025-11-10T10:45:00Z", "2025-11-10T11:00:00Z"},
    {"5,35 8-18/2 * * mon-fri", "2025-11-08T09:00:00Z", "2025-11-10T08:05:00Z"},
    {"5,35 8-18/2 * * mon-fri", "2025-11-10T18:35:00Z", "2025-11-11T08:05:00Z"},
    {"0 0 29 2 *", "2025-01-01T00:00:00Z", "2028-02-29T00:00:00Z"},
    {"0 0 29 2 *", "2096-02-29T00:00:00Z", "2104-02-29T00:00:00Z"},
    {"0 0 31 * *", "2025-11-01T00:00:00Z", "2025-12-31T00:00:00Z"},
    {"0 0 1 JAN *", "2025-11-10T00:00:00Z", "2026-01-01T00:00:00Z"},
    // Both days restricted: either will do. The 13th is a Thursday, the 14th a Friday.
    {"0 0 13 * fri", "2025-11-10T00:00:00Z", "2025-11-13T00:00:00Z"},
    {"0 0 13 * fri", "2025-11-13T00:00:00Z", "2025-11-14T00:00:00Z"},
    // A field that begins with '*' does not restrict: both must match.
    {"0 0 */2 * fri", "2025-11-10T00:00:00Z", "2025-11-21T00:00:00Z"},
    {"0 0 * * 0", "2025-11-10T00:00:00Z", "2025-11-16T00:00:00Z"},
    {"0 0 * * 7", "2025-11-10T00:00:00Z", "2025-11-16T00:00:00Z"},
    {"0 0 * * fri-sun", "2025-11-15T00:00:00Z", "2025-11-16T00:00:00Z"},
    {"@hourly", "2025-11-10T10:00:00Z", "2025-11-10T11:00:00Z"},
    {"@daily", "2025-11-10T10:00:00Z", "2025-11-11T00:00:00Z"},
    {"@weekly", "2025-11-10T10:00:00Z", "2025-11-16T00:00:00Z"},
    {"@monthly", "2025-11-10T10:00:00Z", "2025-12-01T00:00:00Z"},
    {"@yearly", "2025-11-10T10:00:00Z", "2026-01-01T00:00:00Z"},
    {"every 4h", "2025-11-10T10:00:00Z", "2025-11-10T12:00:00Z"},
    {"every 4h", "2025-11-10T12:00:00Z", "2025-11-10T16:00:00Z"},
    {"every 1h30m", "1970-01-01T00:00:00Z", "1970-01-01T01:30:00Z"},
    {"every 1d", "1969-12-31T10:00:00Z", "1970-01-01T00:00:00Z"},
    {"0 3 * * *", "1969-12-30T23:30:30Z", "1969-12-31T03:00:00Z"},
    // The clocks of New York go forward and back; UTC does not.
    {"30 2 * * *", "2025-03-09T01:00:00Z", "2025-03-09T02:30:00Z"},
    {"30 1 * * *", "2025-11-02T01:30:00Z", "2025-11-03T01:30:00Z"},
};

void expect_all_cases() {
  for (const NextCase& c : kNextCases) {
    const Timestamp next = next_after(parse_rfc3339(c.time), parse_schedule(c.schedule));
    EXPECT_EQ(format_rfc3339(next), c.next) << c.schedule << " after " << c.time;
  }
}

TEST(NextAfter, Table) { expect_all_cases(); }

TEST(NextAfter, DoesNotDependOnTheTimeZone) {
  for (const char* zone : {"America/New_York", "Asia/Kolkata"}) {
    ::setenv("TZ", zone, 1);
    ::tzset();
    expect_all_cases();
  }
  ::unsetenv("TZ");
  ::tzset();
}

TEST(NextAfter, FractionsOfAMinuteAreAfterIt) {
  const Timestamp time = parse_rfc3339("2025-11-10T03:00:00Z");
  const Schedule schedule = parse_schedule("0 3 * * *");
  EXPECT_EQ(next_after(time - Duration{1}, schedule), time);
  EXPECT_EQ(next_after(time + Duration{1}, schedule), time + std::chrono::days{1});
}

TEST(NextAfter, EndsAtTheEndOfTime) {
  EXPECT_EQ(next_after(Timestamp::max(), parse_schedule("@daily")), Timestamp::max());
  EXPECT_EQ(next_after(Timestamp::max(), parse_schedule("every 4h")), Timestamp::max());
}

TEST(NextAfter, EveryStepOfAYearMatchesTheFields) {
  const Schedule schedule = parse_schedule("17 */5 * * *");
  Timestamp time = parse_rfc3339("2024-01-01T00:00:00Z");
  const Timestamp end = parse_rfc3339("2025-01-01T00:00:00Z");
  int count = 0;
  for (time = next_after(time, schedule); time < end; time = next_after(time, schedule)) {
    const std::string text = format_rfc3339(time);
    ASSERT_EQ(text.substr(14), "17:00Z");
    ASSERT_EQ(std::stoi(text.substr(11, 2)) % 5, 0);
    ++count;
  }
  EXPECT_EQ(count, 366 * 5);
}

}  // namespace
}  // namespace holdfast
