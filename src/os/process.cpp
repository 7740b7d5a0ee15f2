#include "os/process.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <optional>

#include "base/error.h"
#include "os/clock.h"
#include "os/file.h"

namespace holdfast {
namespace {

constexpr Duration kGrace = std::chrono::seconds{5};

struct Pipe {
  Fd read_end;
  Fd write_end;
};

Fd checked(int fd, const char* action) {
  if (fd < 0) throw system_error(errno, action);
  return Fd(fd);
}

// Moves a descriptor above the standard ones, which the child's set-up overwrites.
Fd lifted(Fd fd) {
  if (fd.get() > STDERR_FILENO) return fd;
  return checked(::fcntl(fd.get(), F_DUPFD_CLOEXEC, STDERR_FILENO + 1),
                 "cannot duplicate a descriptor");
}

Pipe make_pipe() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) throw system_error(errno, "cannot create a pipe");
  Fd read_end(ends[0]);
  Fd write_end(ends[1]);
  return {lifted(std::move(read_end)), lifted(std::move(write_end))};
}

void set_nonblocking(const Fd& fd) {
  if (::fcntl(fd.get(), F_SETFL, O_NONBLOCK) != 0) {
    throw system_error(errno, "cannot prepare a pipe");
  }
}

void check_text(const std::string& text, const char* what) {
  if (text.find('\0') != std::string::npos) {
    throw Error(Code::kInvalid, std::string(what) + " of a command contains a NUL byte");
  }
}

void check_options(const ProcessOptions& options) {
  if (options.argv.empty() || options.argv.front().empty()) {
    throw Error(Code::kInvalid, "there is no command to run");
  }
  for (const std::string& argument : options.argv) check_text(argument, "an argument");
  check_text(options.working_directory, "the working directory");
  for (const auto& [name, value] : options.environment) {
    check_text(name, "the environment");
    check_text(value, "the environment");
    if (name.empty() || name.find('=') != std::string::npos) {
      throw Error(Code::kInvalid, "'" + name + "' cannot name an environment variable");
    }
  }
}

// Our environment with the additions in place of variables of the same name.
std::vector<std::string> merged_environment(const ProcessOptions& options) {
  std::vector<std::string> merged;
  const auto is_overridden = [&](std::string_view variable) {
    const std::string_view name = variable.substr(0, variable.find('='));
    return std::any_of(options.environment.begin(), options.environment.end(),
                       [&](const auto& added) { return added.first == name; });
  };
  for (char** variable = environ; *variable != nullptr; ++variable) {
    if (!is_overridden(*variable)) merged.emplace_back(*variable);
  }
  for (const auto& [name, value] : options.environment) merged.push_back(name + "=" + value);
  return merged;
}

// The form that exec wants; valid as long as `strings` is.
std::vector<char*> pointers(std::vector<std::string>& strings) {
  std::vector<char*> result;
  for (std::string& text : strings) result.push_back(text.data());
  result.push_back(nullptr);
  return result;
}

void require(int error, const char* action) {
  if (error != 0) throw system_error(error, action);
}

class FileActions {
 public:
  FileActions() { require(::posix_spawn_file_actions_init(&actions_), kPrepare); }
  FileActions(const FileActions&) = delete;
  FileActions& operator=(const FileActions&) = delete;
  ~FileActions() { ::posix_spawn_file_actions_destroy(&actions_); }

  void connect(const Fd& fd, int target) {
    require(::posix_spawn_file_actions_adddup2(&actions_, fd.get(), target), kPrepare);
  }
  void no_input() {
    require(::posix_spawn_file_actions_addopen(&actions_, STDIN_FILENO, "/dev/null", O_RDONLY, 0),
            kPrepare);
  }
  void close_others() {
    require(::posix_spawn_file_actions_addclosefrom_np(&actions_, STDERR_FILENO + 1), kPrepare);
  }
  void change_directory(const std::string& path) {
    require(::posix_spawn_file_actions_addchdir_np(&actions_, path.c_str()), kPrepare);
  }
  const posix_spawn_file_actions_t* get() const { return &actions_; }

 private:
  static constexpr const char* kPrepare = "cannot prepare a child process";
  posix_spawn_file_actions_t actions_{};
};

// A process group of its own, and signals as a fresh program expects them.
class SpawnAttributes {
 public:
  SpawnAttributes() {
    require(::posix_spawnattr_init(&attributes_), "cannot prepare a child process");
    sigset_t none;
    sigemptyset(&none);
    sigset_t defaults;
    sigemptyset(&defaults);
    sigaddset(&defaults, SIGPIPE);
    ::posix_spawnattr_setsigmask(&attributes_, &none);
    ::posix_spawnattr_setsigdefault(&attributes_, &defaults);
    ::posix_spawnattr_setpgroup(&attributes_, 0);
    ::posix_spawnattr_setflags(
        &attributes_, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  }
  SpawnAttributes(const SpawnAttributes&) = delete;
  SpawnAttributes& operator=(const SpawnAttributes&) = delete;
  ~SpawnAttributes() { ::posix_spawnattr_destroy(&attributes_); }
  const posix_spawnattr_t* get() const { return &attributes_; }

 private:
  posix_spawnattr_t attributes_{};
};

Error spawn_error(int error, const ProcessOptions& options) {
  const std::string& command = options.argv.front();
  const std::string& directory = options.working_directory;
  if (!directory.empty() && !std::filesystem::is_directory(directory)) {
    return {Code::kNotFound, "cannot run " + command + " in " + directory + ": no such directory"};
  }
  if (error == ENOENT || error == ENOTDIR) {
    return {Code::kNotFound, "the command " + command + " was not found",
            "install it, or check PATH"};
  }
  if (error == ENOEXEC) return {Code::kInvalid, command + " is not a program"};
  if (error == E2BIG) return {Code::kInvalid, "the arguments of " + command + " are too long"};
  return system_error(error, "cannot run " + command);
}

// A started child. It and its group do not outlive this object.
class Child {
 public:
  Child(const ProcessOptions& options, const FileActions& actions) {
    std::vector<std::string> arguments = options.argv;
    std::vector<std::string> environment = merged_environment(options);
    const SpawnAttributes attributes;
    const int error =
        ::posix_spawnp(&pid_, arguments.front().c_str(), actions.get(), attributes.get(),
                       pointers(arguments).data(), pointers(environment).data());
    if (error != 0) throw spawn_error(error, options);
    // Not pidfd_open(): its header in glibc 2.36 does not work from C++.
    exit_fd_ = Fd(static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0)));
    if (exit_fd_.valid()) return;
    const int pidfd_error = errno;
    signal_group(SIGKILL);
    reap();
    throw system_error(pidfd_error, "cannot watch " + arguments.front());
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child() {
    if (reaped_) return;
    signal_group(SIGKILL);
    reap();
  }

  // Readable once the child has exited.
  const Fd& exit_fd() const { return exit_fd_; }

  // Only before reap(): until then the number of the group cannot become another's.
  void signal_group(int signal) const { ::kill(-pid_, signal); }

  // Waits for the exit; the status is waitpid's.
  int reap() {
    int status = 0;
    while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    reaped_ = true;
    return status;
  }

 private:
  pid_t pid_ = -1;
  Fd exit_fd_;
  bool reaped_ = false;
};

// While it lives, a closed pipe gives this thread EPIPE and no signal.
class SigpipeBlock {
 public:
  SigpipeBlock() {
    sigemptyset(&sigpipe_);
    sigaddset(&sigpipe_, SIGPIPE);
    sigset_t pending;
    ::sigpending(&pending);
    was_pending_ = sigismember(&pending, SIGPIPE) == 1;
    ::pthread_sigmask(SIG_BLOCK, &sigpipe_, &old_mask_);
  }
  SigpipeBlock(const SigpipeBlock&) = delete;
  SigpipeBlock& operator=(const SigpipeBlock&) = delete;
  ~SigpipeBlock() {
    const timespec now{};
    // Takes back what our own write has raised.
    while (!was_pending_ && ::sigtimedwait(&sigpipe_, nullptr, &now) < 0 && errno == EINTR) {
    }
    ::pthread_sigmask(SIG_SETMASK, &old_mask_, nullptr);
  }

 private:
  sigset_t sigpipe_{};
  sigset_t old_mask_{};
  bool was_pending_ = false;
};

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
    stop_fd_ = checked(::eventfd(0, EFD_CLOEXEC), "cannot watch for a stop");
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
    set_status(child_->reap());
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

  void set_status(int status) {
    if (WIFSIGNALED(status)) {
      result_.signal = WTERMSIG(status);
      result_.exit_code = 128 + result_.signal;
    } else {
      result_.exit_code = WEXITSTATUS(status);
    }
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

}  // namespace holdfast
