// Log files as the runbook reads them: DIRECTORY/backup/logs/backup-CLASS-YYYYMMDD.log, and below
// restore/logs.
#pragma once

#include <atomic>
#include <string>
#include <string_view>

#include "cli/context.h"
#include "os/file.h"

namespace holdfast {

// Appends one line an event: RFC 3339 time, level, text. A search for "error" or "failed" finds
// what error() wrote and nothing else. A log that cannot be written is a warning, once, and no
// failure. Thread-safe.
class RunLog {
 public:
  // `group` is "backup" or "restore"; `name` the file's name without date. Dates are UTC.
  RunLog(Context& context, const std::string& group, const std::string& name);

  void info(std::string_view text) { write("INFO", harmless(text)); }
  void warning(std::string_view text) { write("WARNING", harmless(text)); }
  // "ERROR WHAT failed: TEXT".
  void failure(std::string_view what, std::string_view text);
  // The last line of every run: "Duration: 12.3s".
  void duration(Duration duration);

  // Empty when there is no log.
  const std::string& file() const { return file_; }

 private:
  static std::string harmless(std::string_view text);
  void write(std::string_view level, std::string_view text);
  void give_up(const Error& error);

  Context& context_;
  std::string file_;
  Fd fd_;
  std::atomic<bool> warned_{false};
};

}  // namespace holdfast
