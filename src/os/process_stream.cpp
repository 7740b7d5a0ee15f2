#include "os/process_stream.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <functional>

#include "base/error.h"
#include "os/child.h"
#include "os/file.h"

namespace holdfast {
namespace {

// What a child says on its way is kept from its end: the reason for a failure comes last.
constexpr std::size_t kKeptMessages = std::size_t{64} << 10;

}  // namespace

struct ProcessStream::State {
  State(const ProcessOptions& options, Direction direction, std::stop_token the_stop)
      : stop(std::move(the_stop)), stop_fd(::eventfd(0, EFD_CLOEXEC)) {
    if (!stop_fd.valid()) throw system_error(errno, "cannot watch for a stop");
    Pipe main = make_pipe();
    Pipe said = make_pipe();
    FileActions actions;
    if (direction == Direction::kOutput) {
      pipe = std::move(main.read_end);
      actions.no_input();
      actions.connect(main.write_end, STDOUT_FILENO);
    } else {
      pipe = std::move(main.write_end);
      actions.connect(main.read_end, STDIN_FILENO);
      actions.connect(said.write_end, STDOUT_FILENO);
    }
    actions.connect(said.write_end, STDERR_FILENO);
    actions.close_others();
    if (!options.working_directory.empty()) actions.change_directory(options.working_directory);
    messages = std::move(said.read_end);
    set_nonblocking(messages);
    set_nonblocking(pipe);
    child = std::make_unique<Child>(options, actions);
  }

  // Waits until the pipe is ready for `events`; keeps what the child says meanwhile.
  void wait(short events) {
    for (;;) {
      pollfd waiting[3] = {
          {pipe.get(), events, 0}, {messages.get(), POLLIN, 0}, {stop_fd.get(), POLLIN, 0}};
      if (::poll(waiting, 3, -1) < 0) {
        if (errno == EINTR) continue;
        throw system_error(errno, "cannot wait for a child process");
      }
      if (waiting[2].revents != 0) {
        child->signal_group(SIGTERM);
        throw Error(Code::kCancelled, "interrupted");
      }
      if (waiting[1].revents != 0) take_messages();
      if (waiting[0].revents != 0) return;
    }
  }

  bool take_messages() {
    char buffer[8192];
    const ssize_t n = ::read(messages.get(), buffer, sizeof buffer);
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) return errno == EINTR;
    if (n <= 0) {
      messages.reset();
      return false;
    }
    result.error_output.append(buffer, static_cast<std::size_t>(n));
    if (result.error_output.size() > 2 * kKeptMessages) {
      result.error_output.erase(0, result.error_output.size() - kKeptMessages);
      result.error_output_truncated = true;
    }
    return true;
  }

  void wait_for_exit() {
    bool exited = false;
    while (!exited) {
      pollfd waiting[3] = {{child->exit_fd().get(), POLLIN, 0},
                           {messages.get(), POLLIN, 0},
                           {result.stopped ? -1 : stop_fd.get(), POLLIN, 0}};
      if (::poll(waiting, 3, -1) < 0 && errno != EINTR) {
        throw system_error(errno, "cannot wait for a child process");
      }
      if (waiting[1].revents != 0) take_messages();
      if (waiting[2].revents != 0) {
        result.stopped = true;
        child->signal_group(SIGTERM);
      }
      exited = waiting[0].revents != 0;
    }
    while (messages.valid() && take_messages()) {
    }
  }

  void wake() const {
    const std::uint64_t one = 1;
    while (::write(stop_fd.get(), &one, sizeof one) < 0 && errno == EINTR) {
    }
  }

  std::stop_token stop;
  Fd stop_fd;
  Fd pipe;
  Fd messages;
  std::unique_ptr<Child> child;
  ProcessResult result;
  std::stop_callback<std::function<void()>> on_stop{stop, [this] { wake(); }};
};

ProcessStream::ProcessStream(const ProcessOptions& options, Direction direction,
                             std::stop_token stop) {
  check_options(options);
  state_ = std::make_unique<State>(options, direction, std::move(stop));
}

ProcessStream::~ProcessStream() = default;

std::size_t ProcessStream::read(MutableBytes out) {
  for (;;) {
    const ssize_t n = ::read(state_->pipe.get(), out.data(), out.size());
    if (n >= 0) return static_cast<std::size_t>(n);
    if (errno == EINTR) continue;
    if (errno != EAGAIN) throw system_error(errno, "cannot read from a child process");
    state_->wait(POLLIN);
  }
}

bool ProcessStream::write(ByteView data) {
  // A child that has gone must give EPIPE here, and no signal to the program.
  const SigpipeBlock no_signal;
  while (!data.empty()) {
    const ssize_t n = ::write(state_->pipe.get(), data.data(), data.size());
    if (n >= 0) {
      data = data.subspan(static_cast<std::size_t>(n));
      continue;
    }
    if (errno == EINTR) continue;
    if (errno == EPIPE) return false;
    if (errno != EAGAIN) throw system_error(errno, "cannot write to a child process");
    state_->wait(POLLOUT);
  }
  return true;
}

ProcessResult ProcessStream::finish() {
  state_->pipe.reset();
  state_->wait_for_exit();
  set_status(state_->result, state_->child->reap());
  return std::move(state_->result);
}

}  // namespace holdfast
