#include "cli/progress.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/human.h"

namespace holdfast {
namespace {

constexpr Duration kBarStep = std::chrono::milliseconds{200};
constexpr Duration kJsonStep = std::chrono::milliseconds{500};
constexpr Duration kPlainStep = std::chrono::seconds{5};
constexpr std::size_t kBarWidth = 20;

std::size_t terminal_columns() {
  winsize size{};
  if (::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return 80;
  return size.ws_col;
}

std::string items_text(const std::string& noun, const ProgressSample& s) {
  if (s.total_known && s.total_items > 0) {
    return fmt::format("{}/{}", format_count(s.items), plural(s.total_items, noun));
  }
  return plural(s.items, noun);
}

// Nothing while the end is not in sight.
std::string time_left(const ProgressSample& s, double rate) {
  if (!s.total_known || rate < 1 || s.bytes >= s.total_bytes) return {};
  const double seconds = static_cast<double>(s.total_bytes - s.bytes) / rate;
  if (seconds > 1e8) return {};
  const auto whole = std::chrono::seconds{static_cast<std::int64_t>(seconds) + 1};
  return whole < std::chrono::minutes{1} ? fmt::format("{}s left", whole.count())
                                         : format_duration(whole) + " left";
}

unsigned percent(const ProgressSample& s) {
  const std::uint64_t total = s.total_bytes > 0 ? s.total_bytes : s.total_items;
  const std::uint64_t done = s.total_bytes > 0 ? s.bytes : s.items;
  if (total == 0) return 0;
  return static_cast<unsigned>(
      std::min(100.0, 100.0 * static_cast<double>(done) / static_cast<double>(total)));
}

std::string rate_text(double rate) { return format_size(static_cast<std::uint64_t>(rate)) + "/s"; }

}  // namespace

std::string progress_line(const std::string& label, const std::string& noun,
                          const ProgressSample& s, double rate) {
  std::string text = label + ": ";
  if (s.total_known) text += fmt::format("{}%, ", percent(s));
  text += fmt::format("{}, {}, {}", items_text(noun, s), format_size(s.bytes), rate_text(rate));
  if (const std::string left = time_left(s, rate); !left.empty()) text += ", " + left;
  return text;
}

std::string progress_bar(const std::string& label, const std::string& noun, const ProgressSample& s,
                         double rate, std::size_t columns) {
  std::string text = label + " ";
  if (s.total_known) {
    const std::size_t filled = percent(s) * kBarWidth / 100;
    text += fmt::format("[{}{}] {:3}%  ", std::string(filled, '#'),
                        std::string(kBarWidth - filled, '.'), percent(s));
  }
  text += fmt::format("{}  {}  {}", items_text(noun, s), format_size(s.bytes), rate_text(rate));
  if (const std::string left = time_left(s, rate); !left.empty()) text += "  " + left;
  // A line that wraps could not be taken away again.
  return text.substr(0, columns > 0 ? columns - 1 : 0);
}

ProgressDisplay::ProgressDisplay(Context& context, std::string label, std::string noun,
                                 std::function<ProgressSample()> sample)
    : output_(context.output),
      clock_(context.clock),
      label_(std::move(label)),
      noun_(std::move(noun)),
      sample_(std::move(sample)) {
  const std::string& wanted = context.options.progress;
  if (wanted == "json") {
    mode_ = Mode::kJson;
  } else if (wanted == "plain") {
    mode_ = Mode::kPlain;
  } else if (wanted == "auto" && !context.options.quiet) {
    mode_ = ::isatty(STDERR_FILENO) == 1 ? Mode::kBar : Mode::kPlain;
  }
  if (mode_ == Mode::kNone) return;
  last_time_ = clock_.monotonic();
  thread_ = std::jthread([this](std::stop_token stop) { watch(stop); });
}

void ProgressDisplay::watch(std::stop_token stop) {
  const Duration step = mode_ == Mode::kBar    ? kBarStep
                        : mode_ == Mode::kJson ? kJsonStep
                                               : kPlainStep;
  while (clock_.sleep_for(step, stop)) show();
}

void ProgressDisplay::show() {
  const ProgressSample sample = sample_();
  const Duration now = clock_.monotonic();
  const double seconds = std::chrono::duration<double>(now - last_time_).count();
  if (seconds > 0 && sample.bytes >= last_bytes_) {
    const double current = static_cast<double>(sample.bytes - last_bytes_) / seconds;
    // Smoothed over a few seconds, so that the time left does not jump.
    const double weight = rate_ == 0 ? 1 : std::min(1.0, seconds / 4);
    rate_ += weight * (current - rate_);
  }
  last_time_ = now;
  last_bytes_ = sample.bytes;
  switch (mode_) {
    case Mode::kBar:
      output_.bar(progress_bar(label_, noun_, sample, rate_, terminal_columns()));
      break;
    case Mode::kPlain:
      output_.message(progress_line(label_, noun_, sample, rate_));
      break;
    case Mode::kJson: {
      Json line{{"progress", label_},
                {"bytes", sample.bytes},
                {"items", sample.items},
                {"bytes_per_second", static_cast<std::uint64_t>(rate_)}};
      if (sample.total_known) {
        line["total_bytes"] = sample.total_bytes;
        line["total_items"] = sample.total_items;
        line["percent"] = percent(sample);
      }
      output_.message(json_text(line, -1));
      break;
    }
    case Mode::kNone:
      break;
  }
}

void ProgressDisplay::stop() {
  if (!thread_.joinable()) return;
  thread_.request_stop();
  thread_.join();
  // So that whoever reads the lines gets at least one, and the last one is the end.
  if (mode_ == Mode::kJson) show();
  if (mode_ == Mode::kBar) output_.bar({});
}

}  // namespace holdfast
