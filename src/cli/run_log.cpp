#include "cli/run_log.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "base/error.h"
#include "base/human.h"

namespace holdfast {
namespace {

std::string log_directory(Context& context) {
  if (!context.options.log_directory.empty()) return context.options.log_directory;
  const Settings& settings = context.settings();
  return settings.log_directory.empty() ? settings.state_directory : settings.log_directory;
}

std::string one_line(std::string_view text) {
  std::string line(text);
  std::replace(line.begin(), line.end(), '\n', ' ');
  return line;
}

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](unsigned char x, unsigned char y) {
    return std::tolower(x) == std::tolower(y);
  });
}

}  // namespace

RunLog::RunLog(Context& context, const std::string& group, const std::string& name)
    : context_(context) {
  try {
    const std::string directory = log_directory(context) + "/" + group + "/logs";
    make_directories(directory, 0750);
    file_ = fmt::format("{}/{}-{}.log", directory, name, format_compact_date(context.clock.now()));
    fd_ = open_file(file_, O_WRONLY | O_CREAT | O_APPEND, 0640);
  } catch (const Error& error) {
    give_up(error);
  }
}

void RunLog::give_up(const Error& error) {
  if (warned_.exchange(true)) return;
  context_.output.warning("there will be no log: " + error.message());
}

// The words that the runbook's grep looks for may be in the name of a file or source that is only
// mentioned: one letter is then written as printable() writes what it cannot print.
std::string RunLog::harmless(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const bool telling = equal_ignoring_case(text.substr(at, 5), "error") ||
                         equal_ignoring_case(text.substr(at, 6), "failed");
    if (telling) {
      out += fmt::format("\\x{:02x}", static_cast<unsigned char>(text[at]));
    } else {
      out += text[at];
    }
  }
  return out;
}

void RunLog::failure(std::string_view what, std::string_view text) {
  write("ERROR", fmt::format("{} failed: {}", what, text));
}

void RunLog::duration(Duration duration) {
  write("INFO", "Duration: " + format_duration(duration));
}

void RunLog::write(std::string_view level, std::string_view text) {
  if (!fd_.valid()) return;
  const std::string line =
      fmt::format("{} {} {}\n", format_rfc3339(context_.clock.now()), level, one_line(text));
  try {
    // One call, so that lines of several runs do not mix.
    write_full(fd_.get(), as_bytes(line), file_);
  } catch (const Error& error) {
    give_up(error);
  }
}

}  // namespace holdfast
