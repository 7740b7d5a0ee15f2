#include "source/mariadb/mysql_gtid_set.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <optional>

#include "base/error.h"
#include "base/human.h"

namespace holdfast {
namespace {

constexpr std::size_t kUuidText = 36;
constexpr std::size_t kLongestTag = 32;
constexpr std::uint64_t kGreatest = INT64_MAX;

bool is_hex(char c) { return std::isxdigit(static_cast<unsigned char>(c)) != 0; }

bool is_dash_of_uuid(std::size_t at) { return at == 8 || at == 13 || at == 18 || at == 23; }

bool is_tag(std::string_view text) {
  const auto is_letter = [](char c) { return c == '_' || (c >= 'a' && c <= 'z'); };
  return !text.empty() && text.size() <= kLongestTag && is_letter(text.front()) &&
         std::all_of(text.begin(), text.end(),
                     [&](char c) { return is_letter(c) || (c >= '0' && c <= '9'); });
}

std::string lower(std::string_view text) {
  std::string result(text);
  std::transform(result.begin(), result.end(), result.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return result;
}

[[noreturn]] void fail(std::string_view text) {
  throw Error(Code::kInvalid, fmt::format("'{}' is no set of GTIDs", printable(text.substr(0, 60))),
              "write it as UUID:1-42, several servers with commas");
}

std::optional<std::uint64_t> take_number(std::string_view& text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{}) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return value;
}

// "7" or "1-42".
std::optional<MysqlGtidInterval> parse_interval(std::string_view text) {
  const auto first = take_number(text);
  if (!first) return std::nullopt;
  if (text.empty()) return MysqlGtidInterval{*first, *first};
  if (!text.starts_with('-')) return std::nullopt;
  text.remove_prefix(1);
  const auto last = take_number(text);
  if (!last || !text.empty()) return std::nullopt;
  return MysqlGtidInterval{*first, *last};
}

// The part before the next `separator`, which is taken away with it.
std::string_view take_part(std::string_view& text, char separator) {
  const std::size_t end = std::min(text.find(separator), text.size());
  const std::string_view part = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return part;
}

}  // namespace

bool begins_with_uuid(std::string_view text) {
  if (text.size() < kUuidText) return false;
  for (std::size_t i = 0; i < kUuidText; ++i) {
    if (is_dash_of_uuid(i) ? text[i] != '-' : !is_hex(text[i])) return false;
  }
  return true;
}

MysqlGtidSet::MysqlGtidSet(std::string_view text) {
  std::string plain(text);
  std::erase_if(plain, [](unsigned char c) { return std::isspace(c) != 0; });
  std::string_view left = plain;
  while (!left.empty()) {
    std::string_view group = take_part(left, ',');
    if (group.empty()) continue;  // servers take ",," too
    const std::string_view whole = group;
    const std::string_view uuid = take_part(group, ':');
    if (uuid.size() != kUuidText || !begins_with_uuid(uuid) || group.empty()) fail(whole);
    std::string source = lower(uuid);
    while (!group.empty()) {
      const std::string_view part = take_part(group, ':');
      if (const auto interval = parse_interval(part)) {
        add(source, *interval);
      } else if (const std::string tag = lower(part); is_tag(tag) && !group.empty()) {
        source = lower(uuid) + ":" + tag;
      } else {
        fail(whole);
      }
    }
  }
}

std::string MysqlGtidSet::text() const {
  std::string text;
  for (const auto& [source, intervals] : sources_) {
    text += (text.empty() ? "" : ",") + source;
    for (const MysqlGtidInterval& interval : intervals) {
      text += fmt::format(":{}", interval.first);
      if (interval.last != interval.first) text += fmt::format("-{}", interval.last);
    }
  }
  return text;
}

void MysqlGtidSet::add(const std::string& source, MysqlGtidInterval added) {
  if (added.first == 0 || added.last < added.first || added.last > kGreatest) {
    throw Error(Code::kInvalid,
                fmt::format("{}-{} are no numbers of transactions", added.first, added.last));
  }
  Intervals& intervals = sources_[source];
  // Nearly always it goes on behind the last one.
  auto at = intervals.end();
  while (at != intervals.begin() && std::prev(at)->last + 1 >= added.first) --at;
  auto end = at;
  while (end != intervals.end() && end->first <= added.last + 1) {
    added.first = std::min(added.first, end->first);
    added.last = std::max(added.last, end->last);
    ++end;
  }
  intervals.insert(intervals.erase(at, end), added);
}

void MysqlGtidSet::add(const MysqlGtidSet& other) {
  for (const auto& [source, intervals] : other.sources_) {
    for (const MysqlGtidInterval& interval : intervals) add(source, interval);
  }
}

bool MysqlGtidSet::contains(const std::string& source, std::uint64_t number) const {
  const auto found = sources_.find(source);
  return found != sources_.end() && covers(found->second, {{number, number}});
}

bool MysqlGtidSet::contains(const MysqlGtidSet& other) const {
  return std::all_of(other.sources_.begin(), other.sources_.end(), [this](const auto& one) {
    const auto found = sources_.find(one.first);
    return found != sources_.end() && covers(found->second, one.second);
  });
}

bool MysqlGtidSet::covers(const Intervals& intervals, const Intervals& others) {
  return std::all_of(others.begin(), others.end(), [&](const MysqlGtidInterval& wanted) {
    const auto behind = std::upper_bound(
        intervals.begin(), intervals.end(), wanted.first,
        [](std::uint64_t number, const MysqlGtidInterval& one) { return number < one.first; });
    return behind != intervals.begin() && std::prev(behind)->last >= wanted.last;
  });
}

template <typename IsIt>
bool MysqlGtidSet::all_shared(const MysqlGtidSet& other, const IsIt& is_it) const {
  return std::all_of(sources_.begin(), sources_.end(), [&](const auto& one) {
    const auto found = other.sources_.find(one.first);
    return found == other.sources_.end() || is_it(one.second, found->second);
  });
}

bool MysqlGtidSet::agrees_with(const MysqlGtidSet& other) const {
  return all_shared(other, [](const Intervals& own, const Intervals& its) { return own == its; });
}

bool MysqlGtidSet::is_within(const MysqlGtidSet& other) const {
  return all_shared(other,
                    [](const Intervals& own, const Intervals& its) { return covers(its, own); });
}

bool MysqlGtidSet::is_short_of(const MysqlGtidSet& other) const {
  return !all_shared(other, [](const Intervals& own, const Intervals& its) {
    return own == its || !covers(its, own);
  });
}

bool MysqlGtidSet::ends_as(const MysqlGtidSet& wanted) const {
  return std::all_of(wanted.sources_.begin(), wanted.sources_.end(), [this](const auto& one) {
    const auto found = sources_.find(one.first);
    return found != sources_.end() && found->second.back().last == one.second.back().last;
  });
}

}  // namespace holdfast
