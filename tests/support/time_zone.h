// A time zone for one test.
#pragma once

#include <cstdlib>
#include <ctime>
#include <optional>
#include <string>

namespace holdfast {

// As TZ means it: of the C library, and of programs that are started while this lives. One at a
// time.
class TimeZone {
 public:
  explicit TimeZone(const std::string& zone) {
    if (const char* const old = std::getenv("TZ")) old_ = old;
    set(zone);
  }
  TimeZone(const TimeZone&) = delete;
  TimeZone& operator=(const TimeZone&) = delete;
  ~TimeZone() { set(old_); }

 private:
  static void set(const std::optional<std::string>& zone) {
    if (zone) {
      ::setenv("TZ", zone->c_str(), 1);
    } else {
      ::unsetenv("TZ");
    }
    ::tzset();
  }

  std::optional<std::string> old_;
};

// New York's rules, which need no files of a host.
inline constexpr const char* kNewYork = "EST5EDT,M3.2.0,M11.1.0";

}  // namespace holdfast
