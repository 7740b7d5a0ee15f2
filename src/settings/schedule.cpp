#include "settings/schedule.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <span>
#include <vector>

#include "base/error.h"
#include "base/human.h"

namespace holdfast {
namespace {

using Names = std::span<const std::string_view>;

constexpr std::array<std::string_view, 12> kMonths = {"jan", "feb", "mar", "apr", "may", "jun",
                                                      "jul", "aug", "sep", "oct", "nov", "dec"};
constexpr std::array<std::string_view, 7> kWeekdays = {"sun", "mon", "tue", "wed",
                                                       "thu", "fri", "sat"};
constexpr const char* kHint =
    "write five fields (minute hour day month weekday), for example '0 3 * * *', or 'every 4h', "
    "@hourly, @daily, @weekly, @monthly";

struct FieldRule {
  std::string_view name;
  unsigned least;
  unsigned most;
  Names names;  // of least, least + 1, ...
};

constexpr std::array<FieldRule, 5> kRules = {{{"minute", 0, 59, {}},
                                              {"hour", 0, 23, {}},
                                              {"day of the month", 1, 31, {}},
                                              {"month", 1, 12, kMonths},
                                              {"weekday", 0, 7, kWeekdays}}};

[[noreturn]] void bad(const std::string& message) { throw Error(Code::kInvalid, message, kHint); }

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

std::vector<std::string> split(std::string_view text, std::string_view separators) {
  std::vector<std::string> parts(1);
  for (const char c : text) {
    if (separators.find(c) == std::string_view::npos) {
      parts.back() += c;
    } else {
      parts.emplace_back();
    }
  }
  return parts;
}

std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> words = split(text, " \t");
  std::erase(words, "");
  for (std::string& word : words) std::transform(word.begin(), word.end(), word.begin(), lower);
  return words;
}

std::optional<unsigned> parse_number(std::string_view text) {
  unsigned value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, failed] = std::from_chars(text.data(), end, value);
  if (failed != std::errc{} || stop != end) return std::nullopt;
  return value;
}

unsigned parse_value(std::string_view text, const FieldRule& rule) {
  const auto name = std::find(rule.names.begin(), rule.names.end(), text);
  if (name != rule.names.end()) {
    return rule.least + static_cast<unsigned>(name - rule.names.begin());
  }
  const auto value = parse_number(text);
  if (!value || *value < rule.least || *value > rule.most) {
    bad(fmt::format("{} '{}' is not in {}-{}", rule.name, printable(text), rule.least, rule.most));
  }
  return *value;
}

unsigned parse_step(std::string_view text, const FieldRule& rule) {
  const auto step = parse_number(text);
  if (!step || *step == 0 || *step > rule.most) {
    bad(fmt::format("{} has a bad step '/{}'", rule.name, printable(text)));
  }
  return *step;
}

// One element of a list: "*", "5", "1-5", "*/15", "10-50/20".
void add_range(const std::string& text, const FieldRule& rule, std::bitset<64>& set) {
  const std::vector<std::string> parts = split(text, "/");
  if (parts.size() > 2) bad(fmt::format("{} '{}' has two steps", rule.name, printable(text)));
  unsigned first = rule.least;
  unsigned last = rule.most;
  const std::vector<std::string> ends = split(parts[0], "-");
  if (parts[0] != "*") {
    if (ends.size() > 2) bad(fmt::format("{} '{}' is not a range", rule.name, printable(text)));
    if (ends.size() == 1 && parts.size() == 2) {
      bad(fmt::format("{} '{}' has a step without a range", rule.name, printable(text)));
    }
    first = parse_value(ends.front(), rule);
    last = parse_value(ends.back(), rule);
  }
  // In "fri-sun" the end is the Sunday after.
  if (last < first && last == 0 && rule.most == 7) last = 7;
  if (last < first) bad(fmt::format("{} '{}' runs backwards", rule.name, printable(text)));
  const unsigned step = parts.size() == 2 ? parse_step(parts[1], rule) : 1;
  for (unsigned value = first; value <= last; value += step) set.set(value);
}

std::bitset<64> parse_field(const std::string& text, const FieldRule& rule) {
  std::bitset<64> set;
  for (const std::string& part : split(text, ",")) add_range(part, rule, set);
  return set;
}

// Whether a day of the month occurs in one of the months, in leap years at least.
bool date_exists(const Schedule& schedule) {
  static constexpr std::array<unsigned, 13> kLongest = {0,  31, 29, 31, 30, 31, 30,
                                                        31, 31, 30, 31, 30, 31};
  for (unsigned month = 1; month <= 12; ++month) {
    for (unsigned day = 1; schedule.months[month] && day <= kLongest[month]; ++day) {
      if (schedule.days[day]) return true;
    }
  }
  return false;
}

Schedule parse_cron(const std::vector<std::string>& words) {
  std::array<std::bitset<64>, 5> sets;
  for (std::size_t i = 0; i < sets.size(); ++i) sets[i] = parse_field(words[i], kRules[i]);
  if (sets[4][7]) sets[4].set(0);
  Schedule schedule;
  const auto copy = [](const std::bitset<64>& from, auto& to) {
    for (std::size_t i = 0; i < to.size(); ++i) to[i] = from[i];
  };
  copy(sets[0], schedule.minutes);
  copy(sets[1], schedule.hours);
  copy(sets[2], schedule.days);
  copy(sets[3], schedule.months);
  copy(sets[4], schedule.weekdays);
  schedule.either_day = words[2][0] != '*' && words[4][0] != '*';
  if (!schedule.either_day && !date_exists(schedule)) bad("this date never comes");
  return schedule;
}

Schedule parse_every(std::string_view text) {
  Schedule schedule;
  try {
    schedule.every = parse_duration(text);
  } catch (Error& error) {
    throw error.suggest(kHint);
  }
  if (schedule.every < std::chrono::minutes{1} ||
      schedule.every % std::chrono::minutes{1} != Duration{}) {
    bad(fmt::format("'every {}' is not a number of whole minutes", text));
  }
  return schedule;
}

std::optional<std::string_view> expand_nickname(std::string_view word) {
  if (word == "@hourly") return "0 * * * *";
  if (word == "@daily" || word == "@midnight") return "0 0 * * *";
  if (word == "@weekly") return "0 0 * * 0";
  if (word == "@monthly") return "0 0 1 * *";
  if (word == "@yearly" || word == "@annually") return "0 0 1 1 *";
  return std::nullopt;
}

}  // namespace

Schedule parse_schedule(std::string_view text) {
  const std::vector<std::string> words = words_of(text);
  try {
    if (words.size() == 5) return parse_cron(words);
    if (words.size() == 2 && words[0] == "every") return parse_every(words[1]);
    if (words.size() == 1) {
      if (const auto cron = expand_nickname(words[0])) return parse_cron(words_of(*cron));
    }
    bad(fmt::format("found {} instead of five fields", words.size()));
  } catch (Error& error) {
    throw error.add_context(fmt::format("'{}' is not a schedule", printable(text)));
  }
}

}  // namespace holdfast
