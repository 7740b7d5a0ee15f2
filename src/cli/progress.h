// Showing how far long work is: a bar on a terminal, lines elsewhere, JSON when asked for.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <thread>

#include "cli/context.h"

namespace holdfast {

struct ProgressSample {
  std::uint64_t bytes = 0;
  std::uint64_t total_bytes = 0;
  std::uint64_t items = 0;
  std::uint64_t total_items = 0;
  bool total_known = false;  // the totals are final
};

// The state of the work at a moment, as text. All pure.
std::string progress_line(const std::string& label, const std::string& noun,
                          const ProgressSample& sample, double bytes_per_second);
std::string progress_bar(const std::string& label, const std::string& noun,
                         const ProgressSample& sample, double bytes_per_second,
                         std::size_t columns);

// Samples the work from a thread of its own until it is destroyed; then nothing of it is left on
// the terminal. `sample` is called from that thread and must stay callable.
class ProgressDisplay {
 public:
  // `noun` is what the items are: "file".
  ProgressDisplay(Context& context, std::string label, std::string noun,
                  std::function<ProgressSample()> sample);
  ProgressDisplay(const ProgressDisplay&) = delete;
  ProgressDisplay& operator=(const ProgressDisplay&) = delete;
  ~ProgressDisplay() { stop(); }

  // Ends the display, once; to be called before results are printed.
  void stop();

 private:
  enum class Mode { kNone, kBar, kPlain, kJson };
  void watch(std::stop_token stop);
  void show();

  Output& output_;
  Clock& clock_;
  const std::string label_;
  const std::string noun_;
  const std::function<ProgressSample()> sample_;
  Mode mode_ = Mode::kNone;
  Duration last_time_{};
  std::uint64_t last_bytes_ = 0;
  double rate_ = 0;
  std::jthread thread_;
};

}  // namespace holdfast
