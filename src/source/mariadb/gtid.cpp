#include "source/mariadb/gtid.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/error.h"
#include "base/human.h"

namespace holdfast {
namespace {

template <typename Integer>
bool take_number(std::string_view& text, Integer& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{}) return false;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return true;
}

bool take_dash(std::string_view& text) {
  if (!text.starts_with('-')) return false;
  text.remove_prefix(1);
  return true;
}

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kSpaces = " \t\r\n";
  const std::size_t begin = text.find_first_not_of(kSpaces);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kSpaces) - begin + 1);
}

// "UUID:42" or "UUID:tag:42".
bool take_mysql(std::string_view text, Gtid& gtid) {
  const std::size_t colon = text.rfind(':');
  if (!begins_with_uuid(text) || colon == std::string_view::npos) return false;
  std::string_view number = text.substr(colon + 1);
  if (!take_number(number, gtid.sequence) || !number.empty()) return false;
  const std::string set = MysqlGtidSet(text).text();  // checks it, and knows how it is written
  gtid.source = set.substr(0, set.rfind(':'));
  return set == to_text(gtid);
}

}  // namespace

Gtid parse_gtid(std::string_view text) {
  Gtid gtid;
  if (take_mysql(text, gtid)) return gtid;
  std::string_view left = text;
  if (take_number(left, gtid.domain) && take_dash(left) && take_number(left, gtid.server) &&
      take_dash(left) && take_number(left, gtid.sequence) && left.empty()) {
    return gtid;
  }
  throw Error(Code::kInvalid, fmt::format("'{}' is no GTID", printable(text.substr(0, 60))),
              "write it as DOMAIN-SERVER-SEQUENCE, several with commas: 0-1-42,5-2-7");
}

std::string to_text(const Gtid& gtid) {
  if (!gtid.source.empty()) return fmt::format("{}:{}", gtid.source, gtid.sequence);
  return fmt::format("{}-{}-{}", gtid.domain, gtid.server, gtid.sequence);
}

GtidPosition::GtidPosition(std::string_view text) {
  if (trimmed(text).empty()) return;
  if (begins_with_uuid(trimmed(text))) {
    set_ = MysqlGtidSet(text);
    return;
  }
  for (bool more = true; more;) {
    const std::size_t comma = text.find(',');
    more = comma != std::string_view::npos;
    const Gtid gtid = parse_gtid(trimmed(text.substr(0, comma)));
    if (more) text.remove_prefix(comma + 1);
    if (last_.emplace(gtid.domain, gtid).second) continue;
    throw Error(Code::kInvalid, fmt::format("a GTID position names domain {} twice", gtid.domain));
  }
}

std::string GtidPosition::text() const {
  std::string text = set_.text();
  for (const auto& [domain, gtid] : last_) {
    if (!text.empty()) text += ',';
    text += to_text(gtid);
  }
  return text;
}

void GtidPosition::advance(const Gtid& gtid) {
  if (gtid.source.empty()) {
    last_[gtid.domain] = gtid;
  } else {
    set_.add(gtid.source, {gtid.sequence, gtid.sequence});
  }
}

void GtidPosition::advance(const GtidPosition& later) {
  for (const auto& [domain, gtid] : later.last_) last_[domain] = gtid;
  set_.add(later.set_);
}

bool GtidPosition::contains(const Gtid& gtid) const {
  if (!gtid.source.empty()) return set_.contains(gtid.source, gtid.sequence);
  const auto found = last_.find(gtid.domain);
  return found != last_.end() && gtid.sequence <= found->second.sequence;
}

bool GtidPosition::contains(const GtidPosition& other) const {
  return std::all_of(other.last_.begin(), other.last_.end(),
                     [this](const auto& domain) { return contains(domain.second); }) &&
         set_.contains(other.set_);
}

template <typename IsIt>
bool GtidPosition::all_shared(const GtidPosition& other, const IsIt& is_it) const {
  return std::all_of(last_.begin(), last_.end(), [&](const auto& domain) {
    const auto found = other.last_.find(domain.first);
    return found == other.last_.end() || is_it(domain.second, found->second);
  });
}

bool GtidPosition::agrees_with(const GtidPosition& other) const {
  return all_shared(other, [](const Gtid& own, const Gtid& its) { return own == its; }) &&
         set_.agrees_with(other.set_);
}

bool GtidPosition::is_within(const GtidPosition& later) const {
  return all_shared(later, [](const Gtid& own,
                              const Gtid& its) { return own.sequence <= its.sequence; }) &&
         set_.is_within(later.set_);
}

bool GtidPosition::is_short_of(const GtidPosition& later) const {
  return !all_shared(later, [](const Gtid& own, const Gtid& its) {
    return own == its || own.sequence > its.sequence;
  }) || set_.is_short_of(later.set_);
}

bool GtidPosition::stands_at(const GtidPosition& wanted) const {
  return std::all_of(wanted.last_.begin(), wanted.last_.end(),
                     [this](const auto& domain) {
                       const auto found = last_.find(domain.first);
                       return found != last_.end() && found->second == domain.second;
                     }) &&
         set_.ends_as(wanted.set_);
}

}  // namespace holdfast
