#include "base/time.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cmath>

#include "base/error.h"

namespace holdfast {
namespace {

using std::chrono::days;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

struct Civil {
  int year;
  unsigned month, day;
  int hour, minute, second;
  int nanosecond;
};

Civil to_civil(Timestamp time) {
  const auto day = std::chrono::floor<days>(time);
  const std::chrono::year_month_day date{day};
  const std::chrono::hh_mm_ss clock{time - day};
  return {static_cast<int>(date.year()),
          static_cast<unsigned>(date.month()),
          static_cast<unsigned>(date.day()),
          static_cast<int>(clock.hours().count()),
          static_cast<int>(clock.minutes().count()),
          static_cast<int>(clock.seconds().count()),
          static_cast<int>(clock.subseconds().count())};
}

std::optional<Timestamp> from_civil(const Civil& c) {
  const std::chrono::year_month_day date{std::chrono::year{c.year}, std::chrono::month{c.month},
                                         std::chrono::day{c.day}};
  if (!date.ok() || c.hour > 23 || c.minute > 59 || c.second > 60) return std::nullopt;
  // The range of a 64-bit count of nanoseconds; outside of it the sum would overflow.
  if (c.year < 1678 || c.year > 2261) return std::nullopt;
  return Timestamp{std::chrono::sys_days{date}} + hours{c.hour} + minutes{c.minute} +
         seconds{c.second} + Duration{c.nanosecond};
}

// Reads exactly `digits` digits at `at`; nothing when there are fewer.
std::optional<int> digits_at(std::string_view text, std::size_t at, std::size_t digits) {
  if (at + digits > text.size()) return std::nullopt;
  int value = 0;
  for (std::size_t i = at; i < at + digits; ++i) {
    if (text[i] < '0' || text[i] > '9') return std::nullopt;
    value = value * 10 + (text[i] - '0');
  }
  return value;
}

[[noreturn]] void bad_time(std::string_view text) {
  throw Error(Code::kInvalid, fmt::format("'{}' is not an RFC 3339 time", text),
              "write it with an offset, for example 2025-11-10T12:00:00Z or "
              "2025-11-10T07:00:00-05:00");
}

int required(std::string_view text, std::size_t at, std::size_t digits) {
  const auto value = digits_at(text, at, digits);
  if (!value) bad_time(text);
  return *value;
}

// Parses ".123" at `at`, moves `at` behind it, returns nanoseconds.
int parse_fraction(std::string_view text, std::size_t& at) {
  if (at >= text.size() || text[at] != '.') return 0;
  int value = 0;
  int digits = 0;
  for (++at; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at) {
    if (digits < 9) {
      value = value * 10 + (text[at] - '0');
      ++digits;
    }
  }
  if (digits == 0) bad_time(text);
  for (; digits < 9; ++digits) value *= 10;
  return value;
}

Duration parse_offset(std::string_view text, std::size_t at) {
  if (at + 1 == text.size() && (text[at] == 'Z' || text[at] == 'z')) return {};
  if (at + 6 != text.size() || (text[at] != '+' && text[at] != '-') || text[at + 3] != ':') {
    bad_time(text);
  }
  const int offset_hours = required(text, at + 1, 2);
  const int offset_minutes = required(text, at + 4, 2);
  if (offset_hours > 23 || offset_minutes > 59) bad_time(text);
  const Duration offset = hours{offset_hours} + minutes{offset_minutes};
  return text[at] == '-' ? -offset : offset;
}

std::optional<Duration> unit_of(std::string_view unit) {
  if (unit == "ms") return std::chrono::milliseconds{1};
  if (unit == "s") return seconds{1};
  if (unit == "m") return minutes{1};
  if (unit == "h") return hours{1};
  if (unit == "d") return days{1};
  if (unit == "w") return days{7};
  if (unit == "y") return days{365};
  return std::nullopt;
}

[[noreturn]] void bad_duration(std::string_view text) {
  throw Error(Code::kInvalid, fmt::format("'{}' is not a duration", text),
              "write numbers with units, for example 90d, 4h, 1h30m or 45s");
}

}  // namespace

std::string format_rfc3339(Timestamp time, bool fraction) {
  const Civil c = to_civil(time);
  std::string text = fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}", c.year, c.month, c.day,
                                 c.hour, c.minute, c.second);
  if (fraction) text += fmt::format(".{:09}", c.nanosecond);
  return text + "Z";
}

Timestamp parse_rfc3339(std::string_view text) {
  if (text.size() < 20 || text[4] != '-' || text[7] != '-' || text[13] != ':' || text[16] != ':' ||
      (text[10] != 'T' && text[10] != 't' && text[10] != ' ')) {
    bad_time(text);
  }
  Civil c{required(text, 0, 4),
          static_cast<unsigned>(required(text, 5, 2)),
          static_cast<unsigned>(required(text, 8, 2)),
          required(text, 11, 2),
          required(text, 14, 2),
          required(text, 17, 2),
          0};
  std::size_t at = 19;
  c.nanosecond = parse_fraction(text, at);
  if (at >= text.size()) bad_time(text);
  const auto local = from_civil(c);
  if (!local) bad_time(text);
  return *local - parse_offset(text, at);
}

std::string format_date(Timestamp time) { return format_rfc3339(time).substr(0, 10); }

std::string format_compact(Timestamp time) {
  const Civil c = to_civil(time);
  return fmt::format("{:04}{:02}{:02}-{:02}{:02}{:02}", c.year, c.month, c.day, c.hour, c.minute,
                     c.second);
}

std::string format_compact_date(Timestamp time) { return format_compact(time).substr(0, 8); }

std::optional<Timestamp> parse_compact(std::string_view text) {
  if (text.size() != 15 || text[8] != '-') return std::nullopt;
  const std::array<std::optional<int>, 6> parts = {digits_at(text, 0, 4),  digits_at(text, 4, 2),
                                                   digits_at(text, 6, 2),  digits_at(text, 9, 2),
                                                   digits_at(text, 11, 2), digits_at(text, 13, 2)};
  for (const auto& part : parts) {
    if (!part) return std::nullopt;
  }
  return from_civil({*parts[0], static_cast<unsigned>(*parts[1]), static_cast<unsigned>(*parts[2]),
                     *parts[3], *parts[4], *parts[5], 0});
}

Duration parse_duration(std::string_view text) {
  Duration total{};
  std::size_t at = 0;
  if (text.empty()) bad_duration(text);
  while (at < text.size()) {
    std::int64_t number = 0;
    const char* begin = text.data() + at;
    const auto [end, failed] = std::from_chars(begin, text.data() + text.size(), number);
    if (failed != std::errc{} || end == begin || number < 0) bad_duration(text);
    at += static_cast<std::size_t>(end - begin);
    const std::size_t unit_begin = at;
    while (at < text.size() && text[at] >= 'a' && text[at] <= 'z') ++at;
    const auto unit = unit_of(text.substr(unit_begin, at - unit_begin));
    if (!unit || number > (Duration::max() - total) / *unit) bad_duration(text);
    total += number * *unit;
  }
  return total;
}

std::string format_duration(Duration duration) {
  if (duration < Duration{}) return "-" + format_duration(-duration);
  const double whole = std::chrono::duration<double>(duration).count();
  if (whole < 1) return fmt::format("{:.0f}ms", whole * 1000);
  if (whole < 60) return fmt::format("{:.1f}s", whole);
  const auto s = static_cast<std::int64_t>(std::llround(whole));
  if (s < 3600) return fmt::format("{}m{:02}s", s / 60, s % 60);
  if (s < 86400) return fmt::format("{}h{:02}m", s / 3600, s / 60 % 60);
  return fmt::format("{}d{:02}h", s / 86400, s / 3600 % 24);
}

Timestamp parse_moment(std::string_view text, Timestamp now) {
  if (text.size() == 10 && text[4] == '-') return parse_rfc3339(std::string(text) + "T00:00:00Z");
  if (text.size() >= 20) return parse_rfc3339(text);
  try {
    return now - parse_duration(text);
  } catch (const Error&) {
    throw Error(Code::kInvalid, fmt::format("'{}' is not a moment", text),
                "write 2025-11-10T12:00:00Z, 2025-11-10, or an age such as 7d or 12h");
  }
}

}  // namespace holdfast
