#include "objective/assertion.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <cstdlib>

#include "base/error.h"
#include "base/human.h"

namespace holdfast {
namespace {

constexpr std::string_view kWithin = "within ";
constexpr std::string_view kNull = "null";
constexpr std::string_view kNoRow = "no row";
constexpr std::array<std::string_view, 6> kOperators = {">=", "<=", "!=", ">", "<", "="};

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

std::optional<double> number(std::string_view text) {
  const std::string copy(trimmed(text));
  char* end = nullptr;
  const double value = std::strtod(copy.c_str(), &end);
  if (copy.empty() || *end != '\0' || !std::isfinite(value)) return std::nullopt;
  return value;
}

struct Expectation {
  std::string_view op;  // one of kOperators
  std::string_view value;
};

Expectation parse(std::string_view expect) {
  for (const std::string_view op : kOperators) {
    if (expect.starts_with(op)) return {op, trimmed(expect.substr(op.size()))};
  }
  return {"=", expect};
}

// What `answer` has instead of a value; nothing: it has one.
std::optional<std::string_view> missing_value(const AnswerRows& answer) {
  if (answer.empty()) return kNoRow;
  if (answer.front().empty() || !answer.front().front()) return kNull;
  return std::nullopt;
}

bool is_word(std::string_view text, std::string_view word) {
  return std::equal(text.begin(), text.end(), word.begin(), word.end(), [](char a, char b) {
    return std::tolower(static_cast<unsigned char>(a)) == b;
  });
}

// What `expect` says of answers without a value; nothing: it asks for a value.
std::optional<bool> without_value(const Expectation& expect,
                                  std::optional<std::string_view> missing) {
  if (expect.op != "=" && expect.op != "!=") return std::nullopt;
  const bool equal = expect.op == "=";
  if (is_word(expect.value, kNoRow)) return (missing == kNoRow) == equal;
  if (!is_word(expect.value, kNull)) return std::nullopt;
  // A row that is not there has no value that could be something else.
  return equal ? missing == kNull : !missing;
}

bool is_bound(std::string_view op) { return op == ">" || op == ">=" || op == "<" || op == "<="; }

bool holds(double answer, std::string_view op, double bound) {
  if (op == ">") return answer > bound;
  if (op == ">=") return answer >= bound;
  if (op == "<") return answer < bound;
  return answer <= bound;
}

// No clock is that wrong; but a local time east of Greenwich that is taken for UTC is so far ahead,
// and would seem to be new for hours.
constexpr Duration kSkew = std::chrono::minutes{30};

// "2025-11-10 12:00:00.123+00" as PostgreSQL and MariaDB print times; without an offset: UTC.
std::optional<Timestamp> database_time(std::string_view text) {
  std::string rfc(trimmed(text));
  if (rfc.size() > 10 && rfc[10] == ' ') rfc[10] = 'T';
  const auto sign = rfc.find_last_of("+-");
  if (sign == std::string::npos || sign < 11) {
    if (!rfc.ends_with("Z")) rfc += "Z";
  } else if (rfc.size() - sign == 3) {
    rfc += ":00";
  }
  try {
    return parse_rfc3339(rfc);
  } catch (const Error&) {
    return std::nullopt;
  }
}

std::optional<std::string> too_old(Duration limit, std::string_view answer, Timestamp now) {
  const auto time = database_time(answer);
  if (!time) return fmt::format("'{}' is no time", printable(answer));
  const Duration age = now - *time;
  if (age <= -kSkew) {
    return fmt::format("{} lies {} in the future: ask for a time with an offset, or in UTC",
                       printable(answer), format_duration(-age));
  }
  if (age <= limit) return std::nullopt;
  return fmt::format("{} is {} old, more than {}", printable(answer), format_duration(age),
                     format_duration(limit));
}

bool is_as_wanted(const Expectation& expect, std::string_view answer) {
  const auto [op, value] = expect;
  const auto left = number(answer);
  const auto right = number(value);
  if (is_bound(op)) return left && right && holds(*left, op, *right);
  const bool equal = left && right ? *left == *right : trimmed(answer) == value;
  return equal == (op == "=");
}

}  // namespace

std::string answer_text(const AnswerRows& answer) {
  const auto missing = missing_value(answer);
  if (!missing) return printable(*answer.front().front());
  return missing == kNull ? "NULL" : std::string(*missing);
}

std::optional<std::string> assertion_failure(std::string_view expect, const AnswerRows& answer,
                                             Timestamp now) {
  expect = trimmed(expect);
  const auto missing = missing_value(answer);
  const bool within = expect.starts_with(kWithin);
  if (within && !missing) {
    return too_old(parse_duration(trimmed(expect.substr(kWithin.size()))), *answer.front().front(),
                   now);
  }
  if (!within) {
    const Expectation parsed = parse(expect);
    const auto special = without_value(parsed, missing);
    if (special ? *special : !missing && is_as_wanted(parsed, *answer.front().front())) {
      return std::nullopt;
    }
  }
  if (!missing) {
    return fmt::format("the answer is '{}', expected {}", answer_text(answer), printable(expect));
  }
  return fmt::format("the answer is {}, which is no value, expected {}", answer_text(answer),
                     printable(expect));
}

void check_expectation(std::string_view expect) {
  expect = trimmed(expect);
  if (expect.starts_with(kWithin)) {
    parse_duration(trimmed(expect.substr(kWithin.size())));
    return;
  }
  const auto [op, value] = parse(expect);
  if (is_bound(op) && !number(value)) {
    throw Error(
        Code::kInvalid, fmt::format("'{}' is no number", printable(value)),
        "write '> 0', '>= 1000', '!= 0', 'within 1h', 'null', 'no row', or the value itself");
  }
}

}  // namespace holdfast
