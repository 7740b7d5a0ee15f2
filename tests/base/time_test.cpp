#include "base/time.h"

#include <gtest/gtest.h>

#include <string>

#include "base/throws.h"

namespace holdfast {
namespace {

using std::chrono::days;
using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::nanoseconds;
using std::chrono::seconds;

Timestamp at_seconds(std::int64_t count) { return Timestamp{seconds{count}}; }

TEST(Rfc3339, KnownAnswers) {
  EXPECT_EQ(parse_rfc3339("1970-01-01T00:00:00Z"), Timestamp{});
  EXPECT_EQ(parse_rfc3339("2025-11-10T12:00:00Z"), at_seconds(1762776000));
  EXPECT_EQ(parse_rfc3339("2000-02-29T23:59:59Z"), at_seconds(951868799));
  EXPECT_EQ(parse_rfc3339("1969-12-31T23:59:59Z"), at_seconds(-1));
  EXPECT_EQ(format_rfc3339(at_seconds(1762776000)), "2025-11-10T12:00:00Z");
  EXPECT_EQ(format_rfc3339(at_seconds(-1)), "1969-12-31T23:59:59Z");
}

TEST(Rfc3339, AppliesOffsets) {
  const Timestamp noon = at_seconds(1762776000);
  for (const char* text :
       {"2025-11-10T07:00:00-05:00", "2025-11-10T17:30:00+05:30", "2025-11-11T00:00:00+12:00",
        "2025-11-10T12:00:00+00:00", "2025-11-10t12:00:00z", "2025-11-10 12:00:00Z"}) {
    EXPECT_EQ(parse_rfc3339(text), noon) << text;
  }
}

TEST(Rfc3339, ReadsFractions) {
  EXPECT_EQ(parse_rfc3339("1970-01-01T00:00:00.5Z"), Timestamp{milliseconds{500}});
  EXPECT_EQ(parse_rfc3339("1970-01-01T00:00:00.000000001Z"), Timestamp{nanoseconds{1}});
  EXPECT_EQ(parse_rfc3339("1970-01-01T00:00:00.0000000019+00:00"), Timestamp{nanoseconds{1}});
  EXPECT_EQ(format_rfc3339(Timestamp{milliseconds{-500}}, true), "1969-12-31T23:59:59.500000000Z");
}

TEST(Rfc3339, RoundTrips) {
  for (const std::int64_t count :
       {std::int64_t{0}, std::int64_t{951782399}, std::int64_t{951868800}, std::int64_t{1709251199},
        std::int64_t{4102444800}, std::int64_t{-1234567890}}) {
    const Timestamp time = at_seconds(count) + nanoseconds{123456789};
    EXPECT_EQ(parse_rfc3339(format_rfc3339(time, true)), time);
  }
}

TEST(Rfc3339, RefusesOtherText) {
  for (const char* text : {"",
                           "now",
                           "2025-11-10",
                           "2025-11-10T12:00:00",
                           "2025-11-10T12:00Z",
                           "2025-13-10T12:00:00Z",
                           "2025-02-29T12:00:00Z",
                           "2025-11-10T24:00:00Z",
                           "2025-11-10T12:60:00Z",
                           "2025-11-10T12:00:61Z",
                           "2025-11-10T12:00:00.Z",
                           "2025-11-10T12:00:00+0500",
                           "2025-11-10T12:00:00+05",
                           "2025-11-10T12:00:00Zx",
                           "2025-11-10T12:00:00 Z",
                           "2025/11/10T12:00:00Z",
                           "2O25-11-10T12:00:00Z",
                           "0001-01-01T00:00:00Z",
                           "9999-12-31T23:59:59Z",
                           "2025-11-10T12:00:00+0a:00",
                           "+025-11-10T12:00:00Z"}) {
    EXPECT_EQ(thrown_by([&] { parse_rfc3339(text); }), Code::kInvalid) << text;
  }
}

TEST(Rfc3339, RefusesEveryTruncation) {
  const std::string whole = "2025-11-10T12:00:00.25+05:30";
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const std::string part = whole.substr(0, size);
    EXPECT_EQ(thrown_by([&] { parse_rfc3339(part); }), Code::kInvalid) << part;
  }
}

TEST(Rfc3339, RefusesOffsetsThatDoNotExist) {
  EXPECT_EQ(thrown_by([] { parse_rfc3339("2025-11-10T12:00:00+24:00"); }), Code::kInvalid);
  EXPECT_EQ(thrown_by([] { parse_rfc3339("2025-11-10T12:00:00+05:60"); }), Code::kInvalid);
}

TEST(CompactTime, RoundTrips) {
  const Timestamp noon = at_seconds(1762776000);
  EXPECT_EQ(format_compact(noon), "20251110-120000");
  EXPECT_EQ(format_compact_date(noon), "20251110");
  EXPECT_EQ(format_date(noon), "2025-11-10");
  EXPECT_EQ(parse_compact("20251110-120000"), noon);
  for (const char* text : {"", "20251110", "20251110T120000", "20251310-120000", "20251110-12000x",
                           "20251110-1200000", "20251110-250000"}) {
    EXPECT_FALSE(parse_compact(text).has_value()) << text;
  }
}

TEST(Durations, Parse) {
  EXPECT_EQ(parse_duration("90d"), days{90});
  EXPECT_EQ(parse_duration("4h"), hours{4});
  EXPECT_EQ(parse_duration("1h30m"), minutes{90});
  EXPECT_EQ(parse_duration("2w"), days{14});
  EXPECT_EQ(parse_duration("1y"), days{365});
  EXPECT_EQ(parse_duration("250ms"), milliseconds{250});
  EXPECT_EQ(parse_duration("0s"), Duration{});
}

TEST(Durations, RefuseOtherText) {
  for (const char* text : {"", "5", "h", "-5m", "5 m", "5x", "5m5", "1.5h", "+5m", "999999y",
                           "99999999999999999999s", "292y292y"}) {
    EXPECT_EQ(thrown_by([&] { parse_duration(text); }), Code::kInvalid) << text;
  }
}

TEST(Durations, Format) {
  EXPECT_EQ(format_duration(milliseconds{450}), "450ms");
  EXPECT_EQ(format_duration(milliseconds{12300}), "12.3s");
  EXPECT_EQ(format_duration(minutes{2} + seconds{5}), "2m05s");
  EXPECT_EQ(format_duration(hours{2} + minutes{5}), "2h05m");
  EXPECT_EQ(format_duration(days{3} + hours{4}), "3d04h");
  EXPECT_EQ(format_duration(-seconds{90}), "-1m30s");
}

TEST(Moments, Parse) {
  const Timestamp now = at_seconds(1762776000);
  EXPECT_EQ(parse_moment("7d", now), now - days{7});
  EXPECT_EQ(parse_moment("2025-11-10", now), now - hours{12});
  EXPECT_EQ(parse_moment("2025-11-10T07:00:00-05:00", now), now);
  for (const char* text : {"", "yesterday", "2025-11-1", "2025-11-31", "2025-11-10T12:00:00"}) {
    EXPECT_EQ(thrown_by([&] { parse_moment(text, now); }), Code::kInvalid) << text;
  }
}

}  // namespace
}  // namespace holdfast
