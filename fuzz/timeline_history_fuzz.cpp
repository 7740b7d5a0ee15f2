// History files of timelines, and their names.
#include "fuzz.h"
#include "source/postgres/timeline_history.h"

using namespace holdfast;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = as_text({data, size});
  if (const auto timeline = parse_history_file_name(text)) {
    require(history_file_name(*timeline) == text, "a name survives");
  }
  refuse_or_accept(
      [&] { require(parse_lsn(format_lsn(parse_lsn(text))) == parse_lsn(text), "LSN"); });
  refuse_or_accept([&] {
    const TimelineHistory history = TimelineHistory::parse(text, 0x7fffffff);
    for (const TimelineSpan& span : history.spans()) {
      require(span.begin <= span.end, "the log goes forward");
      if (span.begin == span.end) continue;
      require(history.timeline_at(span.begin) == span.timeline, "a span has its beginning");
      require(history.timeline_at(span.end - 1) == span.timeline, "a span has its end");
    }
  });
  return 0;
}
