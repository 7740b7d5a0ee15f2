// Points in time and their text forms. All text is UTC unless a function says otherwise.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace holdfast {

using Duration = std::chrono::nanoseconds;
// Nanoseconds since 1970-01-01T00:00:00Z, leap seconds not counted.
using Timestamp = std::chrono::time_point<std::chrono::system_clock, Duration>;

// "2025-11-10T12:00:00Z"; with `fraction`, nine more digits.
std::string format_rfc3339(Timestamp time, bool fraction = false);
// RFC 3339 with an offset or Z. Throws Error(kInvalid) on anything else, a naive time included.
Timestamp parse_rfc3339(std::string_view text);

std::string format_date(Timestamp time);          // "2025-11-10"
std::string format_compact(Timestamp time);       // "20251110-120000"
std::string format_compact_date(Timestamp time);  // "20251110"
// The inverse of format_compact; nothing when the text has another shape.
std::optional<Timestamp> parse_compact(std::string_view text);

// "90d", "4h", "30m", "45s", "2w", "1y" (365 d), and sums such as "1h30m". Throws Error(kInvalid).
Duration parse_duration(std::string_view text);
// The largest two units: "2h05m", "3d04h", "12.3s", "450ms".
std::string format_duration(Duration duration);

// A moment given by a person: RFC 3339, "2025-11-10" (midnight UTC) or a duration ago ("7d").
Timestamp parse_moment(std::string_view text, Timestamp now);

}  // namespace holdfast
