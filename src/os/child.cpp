#include "os/child.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>

#include "base/error.h"

namespace holdfast {
namespace {

constexpr const char* kPrepare = "cannot prepare a child process";

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

void check_text(const std::string& text, const char* what) {
  if (text.find('\0') != std::string::npos) {
    throw Error(Code::kInvalid, std::string(what) + " of a command contains a NUL byte");
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

// A process group of its own, and signals as a fresh program expects them.
class SpawnAttributes {
 public:
  SpawnAttributes() {
    require(::posix_spawnattr_init(&attributes_), kPrepare);
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

}  // namespace

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

FileActions::FileActions() { require(::posix_spawn_file_actions_init(&actions_), kPrepare); }

FileActions::~FileActions() { ::posix_spawn_file_actions_destroy(&actions_); }

void FileActions::connect(const Fd& fd, int target) {
  require(::posix_spawn_file_actions_adddup2(&actions_, fd.get(), target), kPrepare);
}

void FileActions::no_input() {
  require(::posix_spawn_file_actions_addopen(&actions_, STDIN_FILENO, "/dev/null", O_RDONLY, 0),
          kPrepare);
}

void FileActions::close_others() {
  require(::posix_spawn_file_actions_addclosefrom_np(&actions_, STDERR_FILENO + 1), kPrepare);
}

void FileActions::change_directory(const std::string& path) {
  require(::posix_spawn_file_actions_addchdir_np(&actions_, path.c_str()), kPrepare);
}

Child::Child(const ProcessOptions& options, const FileActions& actions) {
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

Child::~Child() {
  if (reaped_) return;
  signal_group(SIGKILL);
  reap();
}

void Child::signal_group(int signal) const { ::kill(-pid_, signal); }

int Child::end_signal() const {
  siginfo_t info{};
  if (::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT) != 0) return 0;
  const bool by_signal = info.si_code == CLD_KILLED || info.si_code == CLD_DUMPED;
  return info.si_pid != 0 && by_signal ? info.si_status : 0;
}

int Child::reap() {
  int status = 0;
  while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  reaped_ = true;
  return status;
}

SigpipeBlock::SigpipeBlock() {
  sigemptyset(&sigpipe_);
  sigaddset(&sigpipe_, SIGPIPE);
  sigset_t pending;
  ::sigpending(&pending);
  was_pending_ = sigismember(&pending, SIGPIPE) == 1;
  ::pthread_sigmask(SIG_BLOCK, &sigpipe_, &old_mask_);
}

SigpipeBlock::~SigpipeBlock() {
  const timespec now{};
  // Takes back what our own write has raised.
  while (!was_pending_ && ::sigtimedwait(&sigpipe_, nullptr, &now) < 0 && errno == EINTR) {
  }
  ::pthread_sigmask(SIG_SETMASK, &old_mask_, nullptr);
}

void set_status(ProcessResult& result, int status) {
  if (WIFSIGNALED(status)) {
    result.signal = WTERMSIG(status);
    result.exit_code = 128 + result.signal;
  } else {
    result.exit_code = WEXITSTATUS(status);
  }
}

}  // namespace holdfast
