#include "os/signals.h"

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>

#include "base/error.h"

namespace holdfast {
namespace {

bool is_ignored(int signal) {
  struct sigaction action {};
  return ::sigaction(signal, nullptr, &action) == 0 && action.sa_handler == SIG_IGN;
}

sigset_t signals_to_watch() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGINT, SIGTERM}) {
    if (!is_ignored(signal)) sigaddset(&set, signal);
  }
  return set;
}

Fd checked(int fd) {
  if (fd < 0) throw system_error(errno, "cannot watch for signals");
  return Fd(fd);
}

}  // namespace

SignalStop::SignalStop() {
  const sigset_t watched = signals_to_watch();
  signals_ = checked(::signalfd(-1, &watched, SFD_CLOEXEC | SFD_NONBLOCK));
  finish_ = checked(::eventfd(0, EFD_CLOEXEC));
  const int error = ::pthread_sigmask(SIG_BLOCK, &watched, &old_mask_);
  if (error != 0) throw system_error(error, "cannot block signals");
  try {
    watcher_ = std::jthread([this] { watch(); });
  } catch (...) {
    ::pthread_sigmask(SIG_SETMASK, &old_mask_, nullptr);
    throw;
  }
}

SignalStop::~SignalStop() {
  const std::uint64_t one = 1;
  // An eventfd that nobody has filled takes the number at once.
  while (::write(finish_.get(), &one, sizeof one) < 0 && errno == EINTR) {
  }
  watcher_.join();
  ::pthread_sigmask(SIG_SETMASK, &old_mask_, nullptr);
}

void SignalStop::watch() {
  for (;;) {
    pollfd events[] = {{signals_.get(), POLLIN, 0}, {finish_.get(), POLLIN, 0}};
    if (::poll(events, 2, -1) < 0) continue;  // interrupted
    if (events[0].revents != 0) receive();
    if (events[1].revents != 0) return;
  }
}

void SignalStop::receive() {
  signalfd_siginfo signal{};
  while (::read(signals_.get(), &signal, sizeof signal) == static_cast<ssize_t>(sizeof signal)) {
    // Whoever asks twice does not want to wait for an orderly end, destructors included.
    if (signalled_.exchange(true)) ::_exit(exit_code(Code::kCancelled));
    stop_.request_stop();
  }
}

void ignore_sigpipe() { std::signal(SIGPIPE, SIG_IGN); }

}  // namespace holdfast
