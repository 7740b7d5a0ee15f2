#include "os/detached.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <unistd.h>

#include <cerrno>

#include "base/error.h"

namespace holdfast {
namespace {

class Actions {
 public:
  Actions() { check(::posix_spawn_file_actions_init(&actions_)); }
  Actions(const Actions&) = delete;
  Actions& operator=(const Actions&) = delete;
  ~Actions() { ::posix_spawn_file_actions_destroy(&actions_); }

  void nowhere(int target, int flags) {
    check(::posix_spawn_file_actions_addopen(&actions_, target, "/dev/null", flags, 0));
  }
  void connect(int from, int target) {
    check(::posix_spawn_file_actions_adddup2(&actions_, from, target));
  }
  const posix_spawn_file_actions_t* get() const { return &actions_; }
  static void check(int error) {
    if (error != 0) throw system_error(error, "cannot prepare a process");
  }

 private:
  posix_spawn_file_actions_t actions_{};
};

// Signals as a fresh program expects them.
class Attributes {
 public:
  Attributes() {
    Actions::check(::posix_spawnattr_init(&attributes_));
    sigset_t none;
    sigemptyset(&none);
    ::posix_spawnattr_setsigmask(&attributes_, &none);
    ::posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK);
  }
  Attributes(const Attributes&) = delete;
  Attributes& operator=(const Attributes&) = delete;
  ~Attributes() { ::posix_spawnattr_destroy(&attributes_); }
  const posix_spawnattr_t* get() const { return &attributes_; }

 private:
  posix_spawnattr_t attributes_{};
};

}  // namespace

void start_detached(std::vector<std::string> argv, const Fd& kept) {
  // A descriptor that is at its place already would be closed with the program's start.
  const Fd lifted(::fcntl(kept.get(), F_DUPFD_CLOEXEC, kKeptDescriptor + 1));
  if (!lifted.valid()) throw system_error(errno, "cannot prepare a process");
  Actions actions;
  actions.nowhere(STDIN_FILENO, O_RDONLY);
  actions.nowhere(STDOUT_FILENO, O_WRONLY);
  actions.nowhere(STDERR_FILENO, O_WRONLY);
  actions.connect(lifted.get(), kKeptDescriptor);
  const Attributes attributes;
  std::vector<char*> words;
  for (std::string& word : argv) words.push_back(word.data());
  words.push_back(nullptr);
  pid_t pid = -1;
  const int error =
      ::posix_spawn(&pid, words.front(), actions.get(), attributes.get(), words.data(), environ);
  if (error != 0) throw system_error(error, "cannot run " + argv.front());
}

}  // namespace holdfast
