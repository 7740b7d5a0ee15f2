// A child process whose output is read while it runs, or which is fed while it runs.
#pragma once

#include <memory>
#include <stop_token>
#include <string>

#include "base/bytes.h"
#include "os/process.h"

namespace holdfast {

// One thread at a time. The child and its process group do not outlive this object.
class ProcessStream {
 public:
  // kOutput: the child's standard output is read, its input is empty.
  // kInput: the child's standard input is written, its output is kept with its error output.
  enum class Direction { kOutput, kInput };

  // Starts the child; `options.input` and `options.timeout` must be unset. Errors as run_process.
  // A stop request ends the child's group, and reads and writes with Error(kCancelled).
  ProcessStream(const ProcessOptions& options, Direction direction, std::stop_token stop);
  ~ProcessStream();

  // The next bytes of the output; 0 only at its end, which says nothing about how the child ended.
  std::size_t read(MutableBytes out);
  // Feeds all of `data`. False when the child has closed its input: finish() tells why.
  bool write(ByteView data);

  // Closes the pipe and waits for the child. `error_output` has the end of what it said.
  ProcessResult finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace holdfast
