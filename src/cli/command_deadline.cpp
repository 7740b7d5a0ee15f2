#include "cli/command_deadline.h"

#include "base/time.h"

namespace holdfast {
namespace {

Duration limit_of(const std::string& text) {
  Duration limit{};
  try {
    limit = parse_duration(text);
  } catch (const Error& error) {
    throw Error(Code::kUsage, "--deadline: " + error.message(), "write 30s, 10m or 2h");
  }
  if (limit > Duration{}) return limit;
  throw Error(Code::kUsage, "--deadline " + text + " leaves no time", "write 30s, 10m or 2h");
}

}  // namespace

CommandDeadline::CommandDeadline(const std::string& text, Clock& clock,
                                 const std::function<void()>& stop)
    : text_(text) {
  if (text.empty()) return;
  timer_ = std::jthread([this, &clock, stop, limit = limit_of(text)](const std::stop_token& end) {
    if (!clock.sleep_for(limit, end)) return;
    passed_ = true;
    stop();
  });
}

CommandTimedOut CommandDeadline::error(const std::string& trouble, const std::string& hint) const {
  return {Code::kCancelled,
          "the command did not end within " + text_ + " (--deadline) and was stopped" +
              (trouble.empty() ? "" : "; it was waiting for the store: " + trouble),
          hint.empty() ? "what was done so far stays: run it again, with more time if it takes more"
                       : hint};
}

}  // namespace holdfast
