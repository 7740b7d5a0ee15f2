// Child processes.
#pragma once

#include <cstddef>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "base/time.h"

namespace holdfast {

struct ProcessOptions {
  std::vector<std::string> argv;  // the first is looked up in PATH unless it has a '/'
  std::vector<std::pair<std::string, std::string>> environment;  // on top of our own
  std::string working_directory;                                 // empty: ours
  Duration timeout{};                                            // zero: none
  std::string input;                                             // what the child reads
};

struct ProcessResult {
  int exit_code = 0;         // 128 + signal when a signal ended it, as shells count
  int signal = 0;            // which ended it, or 0
  bool timed_out = false;    // it was ended because its time was over
  bool stopped = false;      // it was ended because a stop was requested
  std::string output;        // the first kProcessOutputLimit bytes of standard output ...
  std::string error_output;  // ... and standard error
  bool output_truncated = false;
  bool error_output_truncated = false;
};

inline constexpr std::size_t kProcessOutputLimit = std::size_t{1} << 20;

// Runs a program to its end, in a process group of its own. At the time-out or a stop the whole
// group gets SIGTERM and, if anything of it is left 5 seconds later, SIGKILL. What the program left
// running in the background by itself is not waited for. Descriptors other than the standard ones
// are not inherited. Errors: kNotFound (no such command or working directory), kDenied (not
// executable), kInvalid (empty argv, NUL bytes), kExhausted. An exit code is never an error. Any
// thread.
ProcessResult run_process(const ProcessOptions& options, std::stop_token stop = {});

// Of a program that failed: what it said, in one line; when it said nothing, how it ended.
std::string complaint(const ProcessResult& result);

}  // namespace holdfast
