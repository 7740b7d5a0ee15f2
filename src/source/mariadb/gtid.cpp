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

}  // namespace

Gtid parse_gtid(std::string_view text) {
  Gtid gtid;
  std::string_view left = text;
  if (take_number(left, gtid.domain) && take_dash(left) && take_number(left, gtid.server) &&
      take_dash(left) && take_number(left, gtid.sequence) && left.empty()) {
    return gtid;
  }
  throw Error(Code::kInvalid, fmt::format("'{}' is no GTID", printable(text.substr(0, 60))),
              "write it as DOMAIN-SERVER-SEQUENCE, several with commas: 0-1-42,5-2-7");
}

std::string to_text(const Gtid& gtid) {
  return fmt::format("{}-{}-{}", gtid.domain, gtid.server, gtid.sequence);
}

GtidPosition::GtidPosition(std::string_view text) {
  if (trimmed(text).empty()) return;
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
  std::string text;
  for (const auto& [domain, gtid] : last_) {
    if (!text.empty()) text += ',';
    text += to_text(gtid);
  }
  return text;
}

bool GtidPosition::contains(const Gtid& gtid) const {
  const auto found = last_.find(gtid.domain);
  return found != last_.end() && gtid.sequence <= found->second.sequence;
}

bool GtidPosition::contains(const GtidPosition& other) const {
  return std::all_of(other.last_.begin(), other.last_.end(),
                     [this](const auto& domain) { return contains(domain.second); });
}

}  // namespace holdfast
