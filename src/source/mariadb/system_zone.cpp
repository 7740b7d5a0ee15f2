#include "source/mariadb/system_zone.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <span>

#include "base/error.h"
#include "source/mariadb/connection.h"

namespace holdfast {
namespace {

constexpr std::int64_t kWeek = 7 * 86'400;
constexpr std::int64_t kEndOfTime = 0x7fffffff;      // of TIMESTAMP in most versions
constexpr std::int64_t kUnixEpoch = 62'167'219'200;  // TO_SECONDS('1970-01-01')
constexpr std::size_t kMomentsAtOnce = 512;
constexpr std::int64_t kProbes = 8;  // what a search divides its span by
constexpr std::int32_t kLargestOffset = 26 * 3600;
constexpr std::size_t kMostChanges = 2000;
constexpr std::size_t kMostOffsets = 256;  // the file counts them in a byte

template <typename Integer>
Integer parse_integer(std::string_view text) {
  Integer value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc{} && end == text.data() + text.size()) return value;
  throw Error(Code::kCorrupt, "the backup's time zone of its server is damaged");
}

// Appends the offsets at `moments`, of a session that is in the host's time zone.
void ask(MariadbConnection& connection, std::span<const std::int64_t> moments,
         std::vector<std::int32_t>& offsets) {
  std::string question;
  for (const std::int64_t moment : moments) {
    question += question.empty() ? "SELECT " : ", ";
    question += "TO_SECONDS(FROM_UNIXTIME(" + std::to_string(moment) + ")) - " +
                std::to_string(kUnixEpoch + moment);
  }
  const MariadbRow answer = connection.query(question).at(0);
  for (const std::optional<std::string>& value : answer) {
    if (!value) {
      throw Error(Code::kInvalid, "the server does not tell the local time of its host");
    }
    offsets.push_back(static_cast<std::int32_t>(std::stol(*value)));
  }
}

std::vector<std::int32_t> offsets_at(MariadbConnection& connection,
                                     std::span<const std::int64_t> moments) {
  std::vector<std::int32_t> offsets;
  while (!moments.empty()) {
    const std::size_t count = std::min(moments.size(), kMomentsAtOnce);
    ask(connection, moments.first(count), offsets);
    moments = moments.subspan(count);
  }
  return offsets;
}

// A change lies in (begin, end]: at `end` the offset is another one than at `begin`.
struct Span {
  std::int64_t begin;
  std::int64_t end;
  std::int32_t before;
};

std::vector<std::int64_t> probes_of(const Span& span) {
  const std::int64_t step = std::max<std::int64_t>(1, (span.end - span.begin) / kProbes);
  std::vector<std::int64_t> moments;
  for (std::int64_t at = span.begin + step; at < span.end; at += step) moments.push_back(at);
  return moments;
}

// All of them at once: a question takes as long as the way to the server.
void narrow(MariadbConnection& connection, std::vector<Span>& spans) {
  std::vector<std::int64_t> all;
  for (const Span& span : spans) {
    const std::vector<std::int64_t> moments = probes_of(span);
    all.insert(all.end(), moments.begin(), moments.end());
  }
  const std::vector<std::int32_t> offsets = offsets_at(connection, all);
  std::size_t at = 0;
  for (Span& span : spans) {
    const std::vector<std::int64_t> moments = probes_of(span);
    const std::size_t next = at + moments.size();
    for (std::size_t i = 0; i < moments.size(); ++i) {
      if (offsets.at(at + i) != span.before) {
        span.end = moments[i];
        break;
      }
      span.begin = moments[i];
    }
    at = next;
  }
}

bool is_found(const Span& span) { return span.end - span.begin <= 1; }

// Numbers of this format are big-endian.
template <typename Integer>
void put(Bytes& out, Integer value) {
  for (int shift = 8 * (static_cast<int>(sizeof value) - 1); shift >= 0; shift -= 8) {
    out.push_back(static_cast<std::uint8_t>(value >> shift));
  }
}

void put_header(Bytes& out, std::uint32_t changes, std::uint32_t types) {
  append(out, as_bytes("TZif2"));
  out.resize(out.size() + 15);
  constexpr std::uint32_t kName = 4;  // "LOC" and its end
  for (const std::uint32_t count : {0u, 0u, 0u, changes, types, kName}) put(out, count);
}

void put_types(Bytes& out, std::span<const std::int32_t> offsets) {
  for (const std::int32_t offset : offsets) {
    put(out, static_cast<std::uint32_t>(offset));
    out.resize(out.size() + 2);  // no summer time, the first name
  }
  append(out, as_bytes(std::string_view("LOC\0", 4)));
}

// In the order in which they come, each once.
std::vector<std::int32_t> distinct_offsets(const SystemZone& zone) {
  std::vector<std::int32_t> offsets;
  for (const ZoneChange& change : zone) {
    if (std::find(offsets.begin(), offsets.end(), change.offset) == offsets.end()) {
      offsets.push_back(change.offset);
    }
  }
  return offsets;
}

}  // namespace

SystemZone read_system_zone(MariadbConnection& connection) {
  std::vector<std::int64_t> weeks;
  for (std::int64_t at = 0; at < kEndOfTime; at += kWeek) weeks.push_back(at);
  connection.query("SET SESSION time_zone = 'SYSTEM'");
  const std::vector<std::int32_t> offsets = offsets_at(connection, weeks);
  SystemZone zone{{0, offsets.at(0)}};
  std::vector<Span> spans;
  for (std::size_t i = 1; i < weeks.size(); ++i) {
    if (offsets.at(i) == offsets[i - 1]) continue;
    spans.push_back({weeks[i - 1], weeks[i], offsets[i - 1]});
    zone.push_back({0, offsets[i]});
  }
  while (!std::all_of(spans.begin(), spans.end(), is_found)) narrow(connection, spans);
  for (std::size_t i = 0; i < spans.size(); ++i) zone[i + 1].from = spans[i].end;
  connection.query("SET SESSION time_zone = '+00:00'");
  return zone;
}

std::string zone_text(const SystemZone& zone) {
  std::string text;
  for (const ZoneChange& change : zone) {
    if (!text.empty()) text += ' ';
    text += std::to_string(change.from) + ":" + std::to_string(change.offset);
  }
  return text;
}

SystemZone parse_zone(std::string_view text) {
  SystemZone zone;
  for (;;) {
    const std::string_view one = text.substr(0, text.find(' '));
    const std::size_t colon = std::min(one.find(':'), one.size());
    const std::string_view offset = one.substr(std::min(colon + 1, one.size()));
    const ZoneChange change{parse_integer<std::int64_t>(one.substr(0, colon)),
                            parse_integer<std::int32_t>(offset)};
    const bool in_order = zone.empty() || zone.back().from < change.from;
    if (!in_order || change.offset < -kLargestOffset || change.offset > kLargestOffset ||
        zone.size() == kMostChanges) {
      throw Error(Code::kCorrupt, "the backup's time zone of its server is damaged");
    }
    zone.push_back(change);
    if (one.size() == text.size()) break;
    text.remove_prefix(one.size() + 1);
  }
  if (distinct_offsets(zone).size() <= kMostOffsets) return zone;
  throw Error(Code::kCorrupt, "the backup's time zone of its server is damaged");
}

// What is before the first change is as the first type; so that one is no change here.
Bytes zone_file(const SystemZone& zone) {
  const std::vector<std::int32_t> offsets = distinct_offsets(zone);
  const auto changes = std::span(zone).subspan(1);
  Bytes out;
  // For readers of the first version: nothing but the first offset.
  put_header(out, 0, 1);
  put_types(out, std::span(offsets).first(1));
  put_header(out, static_cast<std::uint32_t>(changes.size()),
             static_cast<std::uint32_t>(offsets.size()));
  for (const ZoneChange& change : changes) put(out, static_cast<std::uint64_t>(change.from));
  for (const ZoneChange& change : changes) {
    const auto type = std::find(offsets.begin(), offsets.end(), change.offset) - offsets.begin();
    out.push_back(static_cast<std::uint8_t>(type));
  }
  put_types(out, offsets);
  append(out, as_bytes("\n\n"));  // no rule for later
  return out;
}

}  // namespace holdfast
