#include "source/postgres/timeline_history.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "base/error.h"

namespace holdfast {

namespace {

constexpr std::string_view kBlank = " \t\r\f\v";
constexpr std::string_view kSuffix = ".history";

std::string_view trim(std::string_view text) {
  const std::size_t first = text.find_first_not_of(kBlank);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlank) - first + 1);
}

// Cuts the first word off `text`.
std::string_view take_word(std::string_view& text) {
  const std::string_view word = text.substr(0, text.find_first_of(kBlank));
  text = trim(text.substr(word.size()));
  return word;
}

std::uint32_t parse_timeline(std::string_view text) {
  std::uint32_t timeline = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), timeline);
  if (error != std::errc{} || end != text.data() + text.size() || timeline == 0) {
    throw Error(Code::kCorrupt, "it does not begin with the number of a timeline");
  }
  return timeline;
}

// `before` is the ancestor of the line above, if there is one.
TimelineSpan parse_line(std::string_view line, const TimelineSpan* before,
                        std::uint32_t descendant) {
  TimelineSpan span;
  span.timeline = parse_timeline(take_word(line));
  span.end = parse_lsn(take_word(line));
  span.reason = line;
  if (span.timeline >= descendant || (before != nullptr && span.timeline <= before->timeline)) {
    throw Error(Code::kCorrupt, fmt::format("timeline {} is out of order", span.timeline));
  }
  if (before != nullptr) span.begin = before->end;
  if (span.end < span.begin) throw Error(Code::kCorrupt, "the log goes back");
  return span;
}

}  // namespace

TimelineHistory::TimelineHistory(std::uint32_t timeline) : spans_{TimelineSpan{timeline}} {
  if (timeline == 0) throw Error(Code::kInvalid, "there is no timeline 0");
}

TimelineHistory TimelineHistory::parse(std::string_view text, std::uint32_t timeline) {
  TimelineHistory history(timeline);
  std::vector<TimelineSpan> spans;
  for (unsigned number = 1; !text.empty(); ++number) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    const std::string_view content = trim(line);
    if (content.empty() || content.front() == '#') continue;
    try {
      spans.push_back(parse_line(content, spans.empty() ? nullptr : &spans.back(), timeline));
    } catch (const Error& error) {
      throw Error(Code::kCorrupt, fmt::format("{}, line {}: {}", history_file_name(timeline),
                                              number, error.message()));
    }
  }
  if (!spans.empty()) history.spans_.front().begin = spans.back().end;
  history.spans_.insert(history.spans_.begin(), std::make_move_iterator(spans.begin()),
                        std::make_move_iterator(spans.end()));
  return history;
}

std::uint32_t TimelineHistory::timeline_at(Lsn lsn) const {
  const auto found = std::find_if(spans_.begin(), spans_.end() - 1,
                                  [&](const TimelineSpan& span) { return lsn < span.end; });
  return found->timeline;
}

std::optional<Lsn> TimelineHistory::left_at(std::uint32_t timeline) const {
  const auto found = std::find_if(spans_.begin(), spans_.end() - 1, [&](const TimelineSpan& span) {
    return span.timeline == timeline;
  });
  if (found == spans_.end() - 1) return std::nullopt;
  return found->end;
}

bool TimelineHistory::leads_here(std::uint32_t timeline, Lsn lsn) const {
  if (timeline == this->timeline()) return true;
  const auto left = left_at(timeline);
  return left && lsn <= *left;
}

std::string history_file_name(std::uint32_t timeline) {
  return fmt::format("{:08X}{}", timeline, kSuffix);
}

std::optional<std::uint32_t> parse_history_file_name(std::string_view name) {
  if (name.size() != 8 + kSuffix.size() || !name.ends_with(kSuffix)) return std::nullopt;
  if (name.find_first_not_of("0123456789ABCDEF") != 8) return std::nullopt;
  std::uint32_t timeline = 0;
  std::from_chars(name.data(), name.data() + 8, timeline, 16);
  if (timeline == 0) return std::nullopt;
  return timeline;
}

}  // namespace holdfast
