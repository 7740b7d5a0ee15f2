// The one error type of the program and its catalogue of codes.
#pragma once

#include <exception>
#include <string>
#include <string_view>

namespace holdfast {

// What the caller can do about an error. Each code has one exit code (see exit_code).
enum class Code {
  kInternal,     // a defect in the program
  kUsage,        // the command line is wrong
  kNotFound,     // no such backup, object, path or vault
  kCorrupt,      // stored bytes are not what was written
  kConflict,     // exists already, or somebody else is at work
  kDenied,       // wrong key, missing right, read-only store
  kUnavailable,  // the store or host does not answer; trying again later may help
  kExhausted,    // no space, quota or memory
  kInvalid,      // bad configuration or input data
  kUnsupported,  // a newer format or a feature that this system lacks
  kCancelled,    // interrupted by a signal or a caller
};

// An error with what happened (`what`), and what to do next (`hint`, may be empty). Layers that it
// passes through add context, outermost first: "while restoring /srv/x: cannot open ...".
class Error : public std::exception {
 public:
  Error(Code code, std::string message, std::string hint = {});

  Code code() const noexcept { return code_; }
  const std::string& message() const noexcept { return message_; }
  const std::string& hint() const noexcept { return hint_; }
  const char* what() const noexcept override { return message_.c_str(); }

  // Puts `context` and ": " before the message. Returns itself so that `throw` can follow.
  Error& add_context(std::string_view context);
  // Sets the hint if there is none yet.
  Error& suggest(std::string_view hint);

 private:
  Code code_;
  std::string message_;
  std::string hint_;
};

// An Error for a failed system call: the code is derived from `error_number` (ENOSPC: kExhausted,
// EACCES: kDenied, ENOENT: kNotFound, ...) and the message is "ACTION: strerror".
Error system_error(int error_number, std::string_view action);

// The process exit code for `code`; documented in holdfast(1) and docs/EXIT_CODES.md.
int exit_code(Code code);

// A short stable name, for JSON output: "not-found".
std::string_view code_name(Code code);

inline constexpr int kExitSuccess = 0;
inline constexpr int kExitWarnings = 3;

}  // namespace holdfast
