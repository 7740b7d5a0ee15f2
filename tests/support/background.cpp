#include "support/background.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <stdexcept>

#include "os/clock.h"
#include "os/file.h"
#include "support/text_file.h"

namespace holdfast {
namespace {

constexpr Duration kChildPatience = std::chrono::minutes{1};
constexpr Duration kChildPoll = std::chrono::milliseconds{10};

}  // namespace

Background::Background(const std::vector<std::string>& argv, const std::string& directory,
                       const std::string& output)
    : output_(output) {
  std::vector<std::string> copy = argv;
  std::vector<char*> pointers;
  for (std::string& one : copy) pointers.push_back(one.data());
  pointers.push_back(nullptr);
  const int file = ::open(output.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  pid_ = ::fork();
  if (pid_ == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::dup2(file, STDOUT_FILENO);
    ::dup2(file, STDERR_FILENO);
    if (::chdir(directory.c_str()) == 0) ::execv(pointers[0], pointers.data());
    ::_exit(127);
  }
  ::close(file);
  if (pid_ < 0) throw std::runtime_error("cannot fork");
}

Background::~Background() {
  if (pid_ > 0) end(SIGKILL);
}

void Background::send(int signal) const {
  if (pid_ > 0) ::kill(pid_, signal);
}

bool Background::running() {
  int status = 0;
  if (pid_ > 0 && ::waitpid(pid_, &status, WNOHANG) == pid_) {
    code_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    pid_ = -1;
  }
  return pid_ > 0;
}

int Background::wait() {
  const Duration end = system_clock().monotonic() + kChildPatience;
  while (running()) {
    if (system_clock().monotonic() > end) throw std::runtime_error("does not end:\n" + said());
    system_clock().sleep_for(kChildPoll, {});
  }
  return code_;
}

int Background::end(int signal) {
  if (pid_ > 0) ::kill(pid_, signal);
  return wait();
}

std::string Background::said() const { return text_of_file(output_); }

void Background::wait_for(const std::string& text) {
  const Duration end = system_clock().monotonic() + kChildPatience;
  while (said().find(text) == std::string::npos) {
    if (!running() || system_clock().monotonic() > end) {
      throw std::runtime_error("never said '" + text + "':\n" + said());
    }
    system_clock().sleep_for(kChildPoll, {});
  }
}

void Background::wait_for_file(const std::string& path) {
  const Duration end = system_clock().monotonic() + kChildPatience;
  while (!path_exists(path)) {
    if (!running() || system_clock().monotonic() > end) {
      throw std::runtime_error("never made " + path + ":\n" + said());
    }
    system_clock().sleep_for(std::chrono::milliseconds{1}, {});
  }
}

}  // namespace holdfast
