#include "cli/terminal.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <termios.h>
#include <unistd.h>

#include <cerrno>
#include <functional>

#include "base/error.h"
#include "os/file.h"

namespace holdfast {
namespace {

// Turns the echo of the terminal off while it lives.
class NoEcho {
 public:
  NoEcho() {
    if (::tcgetattr(STDIN_FILENO, &old_) != 0) return;
    termios quiet = old_;
    quiet.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    changed_ = ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet) == 0;
  }
  NoEcho(const NoEcho&) = delete;
  NoEcho& operator=(const NoEcho&) = delete;
  ~NoEcho() {
    if (changed_) ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &old_);
  }

 private:
  termios old_{};
  bool changed_ = false;
};

[[noreturn]] void give_up() { throw Error(Code::kCancelled, "interrupted"); }

void say(const std::string& text) { write_full(STDERR_FILENO, as_bytes(text), "the terminal"); }

std::string read_line(std::stop_token stop) {
  const Fd wake(::eventfd(0, EFD_CLOEXEC));
  const std::stop_callback on_stop(stop, [&wake] {
    const std::uint64_t one = 1;
    static_cast<void>(::write(wake.get(), &one, sizeof one) < 0);
  });
  std::string line;
  for (;;) {
    pollfd events[] = {{STDIN_FILENO, POLLIN, 0}, {wake.get(), POLLIN, 0}};
    if (::poll(events, 2, -1) < 0 && errno != EINTR) {
      throw system_error(errno, "cannot wait for the terminal");
    }
    if (stop.stop_requested()) give_up();
    if (events[0].revents == 0) continue;
    char c = 0;
    const ssize_t got = ::read(STDIN_FILENO, &c, 1);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw system_error(errno, "cannot read from the terminal");
    if (got == 0) give_up();
    if (c == '\n') return line;
    line += c;
  }
}

}  // namespace

bool can_prompt() { return ::isatty(STDIN_FILENO) == 1 && ::isatty(STDERR_FILENO) == 1; }

std::string prompt_secret(const std::string& question, std::stop_token stop) {
  const NoEcho no_echo;
  say(question);
  try {
    std::string line = read_line(stop);
    say("\n");
    return line;
  } catch (...) {
    say("\n");
    throw;
  }
}

bool prompt_yes(const std::string& question, std::stop_token stop) {
  say(question + " [y/N] ");
  const std::string answer = read_line(stop);
  return answer == "y" || answer == "Y" || answer == "yes";
}

}  // namespace holdfast
