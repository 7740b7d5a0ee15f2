#include "settings/schedule.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "test_support.h"

namespace holdfast {
namespace {

TEST(Schedule, SameMeaning) {
  const std::pair<const char*, const char*> pairs[] = {
      {"0 3 * * *", "  00 03\t* * * "},
      {"0 0 * * mon-fri", "0 0 * * 1-5"},
      {"0 0 * * SUN", "0 0 * * 7"},
      {"0 0 * * 0", "0 0 * * 7"},
      {"0 0 * * 6-7", "0 0 * * sat,sun"},
      {"0 0 * * fri-sun", "0 0 * * 5,6,0"},
      {"0 0 1 jan,Jul *", "0 0 1 1,7 *"},
      {"*/20 * * * *", "0,20,40 * * * *"},
      {"10-50/20 * * * *", "10,30,50 * * * *"},
      {"@daily", "0 0 * * *"},
      {"@midnight", "@daily"},
      {"@yearly", "@annually"},
      {"every 4h", "EVERY 240m"},
  };
  for (const auto& [a, b] : pairs) EXPECT_EQ(parse_schedule(a), parse_schedule(b)) << a;
}

TEST(Schedule, DifferentMeaning) {
  EXPECT_NE(parse_schedule("0 0 1 * *"), parse_schedule("0 0 * * *"));
  EXPECT_NE(parse_schedule("0 0 1 * 1"), parse_schedule("0 0 1 * *"));
  EXPECT_NE(parse_schedule("every 4h"), parse_schedule("0 */4 * * *"));
}

TEST(Schedule, SaysWhatIsWrong) {
  const std::pair<const char*, const char*> cases[] = {
      {"", "found 0 instead of five fields"},
      {"* * * *", "found 4 instead of five fields"},
      {"* * * * * *", "found 6 instead of five fields"},
      {"daily", "found 1 instead"},
      {"@reboot", "found 1 instead"},
      {"every", "found 1 instead"},
      {"60 * * * *", "minute '60' is not in 0-59"},
      {"* 24 * * *", "hour '24' is not in 0-23"},
      {"* * 0 * *", "day of the month '0' is not in 1-31"},
      {"* * * 13 *", "month '13' is not in 1-12"},
      {"* * * * 8", "weekday '8' is not in 0-7"},
      {"* * * foo *", "month 'foo' is not in 1-12"},
      {"mon * * * *", "minute 'mon' is not in 0-59"},
      {"-1 * * * *", "minute '' is not in 0-59"},
      {"1, * * * *", "minute '' is not in 0-59"},
      {"30-10 * * * *", "minute '30-10' runs backwards"},
      {"1-2-3 * * * *", "minute '1-2-3' is not a range"},
      {"*/0 * * * *", "minute has a bad step '/0'"},
      {"*/x * * * *", "minute has a bad step '/x'"},
      {"*/60 * * * *", "minute has a bad step '/60'"},
      {"5/15 * * * *", "minute '5/15' has a step without a range"},
      {"*/5/5 * * * *", "minute '*/5/5' has two steps"},
      {"99999999999999999999 * * * *", "is not in 0-59"},
      {"0 0 31 2 *", "this date never comes"},
      {"0 0 31 4,6,9,11 *", "this date never comes"},
      {"every 0h", "not a number of whole minutes"},
      {"every 90s", "not a number of whole minutes"},
      {"every soon", "'soon' is not a duration"},
  };
  for (const auto& [text, message] : cases) {
    const auto error = error_of([&given = text] { parse_schedule(given); });
    ASSERT_TRUE(error) << text;
    EXPECT_EQ(error->code(), Code::kInvalid);
    EXPECT_THAT(error->message(), testing::HasSubstr(message)) << text;
    EXPECT_THAT(error->message(), testing::HasSubstr("is not a schedule: ")) << text;
    EXPECT_FALSE(error->hint().empty()) << text;
  }
}

TEST(Schedule, AnImpossibleDateIsFineBesideAWeekday) {
  EXPECT_TRUE(parse_schedule("0 0 31 2 fri").either_day);
}

}  // namespace
}  // namespace holdfast
