#include "os/process.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <optional>

#include "base/error.h"
#include "base/one_line.h"
#include "os/child.h"
#include "os/clock.h"
#include "os/file.h"

namespace holdfast {
namespace {

constexpr Duration kGrace = std::chrono::seconds{5};

// What comes out of the child, up to the limit; the rest is read and dropped.
class Capture {
 public:
  Capture(Fd fd, std::string& text, bool& truncated)
      : fd_(std::move(fd)), text_(text), truncated_(truncated) {
    set_nonblocking(fd_);
  }

  const Fd& fd() const { return fd_; }
  bool open() const { return fd_.valid(); }

  // Takes one read's worth; false when there is nothing more for now.
  bool take() {
    char buffer[65536];
    const ssize_t n = ::read(fd_.get(), buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) return true;
    if (n < 0 && errno == EAGAIN) return false;
    if (n <= 0) {
      fd_.reset();
      return false;
    }
    const auto size = static_cast<std::size_t>(n);
    const std::size_t kept = std::min(size, kProcessOutputLimit - text_.size());
    text_.append(buffer, kept);
    truncated_ = truncated_ || kept < size;
    return true;
  }

  // Takes what is in the pipe, but does not run after somebody who writes for ever.
  void take_rest() {
    while (open() && !truncated_ && take()) {
    }
  }

 private:
  Fd fd_;
  std::string& text_;
  bool& truncated_;
};

// One child from start to end.
class Run {
 public:
  Run(const ProcessOptions& options, std::stop_token stop)
      : input_(options.input), stop_(std::move(stop)) {
    Pipe input = make_pipe();
    Pipe output = make_pipe();
    Pipe error_output = make_pipe();
    output_.emplace(std::move(output.read_end), result_.output, result_.output_truncated);
    error_output_.emplace(std::move(error_output.read_end), result_.error_output,
                          result_.error_output_truncated);
    FileActions actions;
    if (input_.empty()) {
      actions.no_input();
    } else {
      input_fd_ = std::move(input.write_end);
      set_nonblocking(input_fd_);
      actions.connect(input.read_end, STDIN_FILENO);
    }
    actions.connect(output.write_end, STDOUT_FILENO);
    actions.connect(error_output.write_end, STDERR_FILENO);
    actions.close_others();
    if (!options.working_directory.empty()) actions.change_directory(options.working_directory);
    stop_fd_ = Fd(::eventfd(0, EFD_CLOEXEC));
    if (!stop_fd_.valid()) throw system_error(errno, "cannot watch for a stop");
    child_.emplace(options, actions);
    if (options.timeout > Duration{}) deadline_ = now() + options.timeout;
  }

  ProcessResult finish() {
    const std::stop_callback wake(stop_, [this] {
      const std::uint64_t one = 1;
      while (::write(stop_fd_.get(), &one, sizeof one) < 0 && errno == EINTR) {
      }
    });
    while (!done()) step();
    // Descendants that have closed their output would go unnoticed otherwise.
    if (ending()) child_->signal_group(SIGKILL);
    output_->take_rest();
    error_output_->take_rest();
    set_status(result_, child_->reap());
    return std::move(result_);
  }

 private:
  static Duration now() { return system_clock().monotonic(); }

  bool ending() const { return result_.timed_out || result_.stopped; }

  bool done() const {
    if (!exited_) return false;
    return !ending() || killed_ || (!output_->open() && !error_output_->open());
  }

  // Waits for whatever comes next and deals with it.
  void step() {
    enum { kInput, kOutput, kErrorOutput, kExit, kStop, kCount };
    pollfd events[kCount];
    events[kInput] = {input_fd_.get(), POLLOUT, 0};
    events[kOutput] = {output_->fd().get(), POLLIN, 0};
    events[kErrorOutput] = {error_output_->fd().get(), POLLIN, 0};
    events[kExit] = {exited_ ? -1 : child_->exit_fd().get(), POLLIN, 0};
    events[kStop] = {ending() ? -1 : stop_fd_.get(), POLLIN, 0};
    if (::poll(events, kCount, poll_timeout()) < 0) {
      if (errno == EINTR) return;
      throw system_error(errno, "cannot wait for a child process");
    }
    if (events[kInput].revents != 0) feed();
    if (events[kOutput].revents != 0) output_->take();
    if (events[kErrorOutput].revents != 0) error_output_->take();
    if (events[kExit].revents != 0) exited_ = true;
    if (!exited_ && !ending()) end_if_due(events[kStop].revents != 0);
    if (ending() && !killed_ && now() >= *deadline_) {
      child_->signal_group(SIGKILL);
      killed_ = true;
    }
  }

  int poll_timeout() const {
    if (!deadline_ || killed_) return -1;
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(*deadline_ - now()).count();
    return static_cast<int>(std::clamp<std::int64_t>(left, 0, 3'600'000));
  }

  void end_if_due(bool stop) {
    result_.stopped = stop;
    result_.timed_out = !stop && deadline_ && now() >= *deadline_;
    if (!ending()) return;
    child_->signal_group(SIGTERM);
    deadline_ = now() + kGrace;
  }

  void feed() {
    const SigpipeBlock no_signal;
    const ssize_t n = ::write(input_fd_.get(), input_.data(), input_.size());
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) return;
    // A child may well close its input early; how it ends tells whether that was wrong.
    if (n < 0) return input_fd_.reset();
    input_.remove_prefix(static_cast<std::size_t>(n));
    if (input_.empty()) input_fd_.reset();
  }

  ProcessResult result_;
  std::string_view input_;
  std::stop_token stop_;
  Fd input_fd_;
  std::optional<Capture> output_;
  std::optional<Capture> error_output_;
  Fd stop_fd_;
  std::optional<Child> child_;
  // Of the child; once it is being ended, of the grace period.
  std::optional<Duration> deadline_;
  bool exited_ = false;
  bool killed_ = false;
};

}  // namespace

ProcessResult run_process(const ProcessOptions& options, std::stop_token stop) {
  check_options(options);
  if (stop.stop_requested()) {
    ProcessResult never_started;
    never_started.signal = SIGTERM;
    never_started.exit_code = 128 + SIGTERM;
    never_started.stopped = true;
    return never_started;
  }
  return Run(options, std::move(stop)).finish();
}

std::string complaint(const ProcessResult& result) {
  const std::string said = one_line(result.error_output);
  if (!said.empty()) return said;
  if (result.timed_out) return "it took too long";
  if (result.signal != 0) return "signal " + std::to_string(result.signal) + " ended it";
  return "it ended with " + std::to_string(result.exit_code) + " and said nothing";
}

}  // namespace holdfast
