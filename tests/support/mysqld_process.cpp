#include "support/mysqld_process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/inotify.h>
#include <sys/wait.h>
#include <unistd.h>

#include <utility>

#include "base/error.h"
#include "os/clock.h"
#include "os/file.h"
#include "source/mariadb/connection.h"

extern char** environ;  // NOLINT

namespace holdfast {

MysqldProcess::~MysqldProcess() {
  if (running()) end(SIGKILL);
}

void MysqldProcess::start(std::string program, const std::string& directory,
                          const MariadbSettings& settings,
                          const std::function<std::string()>& log) {
  if (running()) throw Error(Code::kInternal, "the server runs already");
  std::string defaults = "--defaults-file=" + directory + "/server.cnf";
  char* arguments[] = {program.data(), defaults.data(), nullptr};
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  const std::string output = directory + "/output";
  for (const int fd : {1, 2}) {
    ::posix_spawn_file_actions_addopen(&actions, fd, output.c_str(), O_WRONLY | O_CREAT | O_APPEND,
                                       0644);
  }
  const int error = ::posix_spawn(&pid_, program.c_str(), &actions, nullptr, arguments, environ);
  ::posix_spawn_file_actions_destroy(&actions);
  if (error != 0) {
    pid_ = -1;
    throw system_error(error, "cannot start " + program);
  }
  try {
    wait_until_ready(directory, settings, log);
  } catch (...) {
    if (running()) end(SIGKILL);
    throw;
  }
}

// The server makes its socket when it is ready; the directory says when that may have happened.
void MysqldProcess::wait_until_ready(const std::string& directory, const MariadbSettings& settings,
                                     const std::function<std::string()>& log) {
  const Fd changes(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
  ::inotify_add_watch(changes.get(), directory.c_str(), IN_CREATE | IN_MODIFY);
  const Duration end = system_clock().monotonic() + patience_;
  while (system_clock().monotonic() < end) {
    try {
      const MariadbConnection connection(settings, {});
      return;
    } catch (const Error& error) {
      if (error.code() != Code::kUnavailable) throw;
    }
    int status = 0;
    if (::waitpid(pid_, &status, WNOHANG) == pid_) {
      pid_ = -1;
      throw Error(Code::kUnavailable, "the server ended: " + log());
    }
    pollfd waiting{changes.get(), POLLIN, 0};
    ::poll(&waiting, 1, 100);
    char ignored[4096];
    while (::read(changes.get(), ignored, sizeof ignored) > 0) {
    }
  }
  throw Error(Code::kUnavailable, "the server does not answer: " + log());
}

void MysqldProcess::end(int signal) {
  ::kill(pid_, signal);
  int status = 0;
  while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  pid_ = -1;
}

}  // namespace holdfast
