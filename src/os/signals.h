// Ctrl-C and the service manager's request to end, as a stop token.
#pragma once

#include <atomic>
#include <csignal>
#include <stop_token>
#include <thread>

#include "os/file.h"

namespace holdfast {

// While it lives, SIGINT and SIGTERM request a stop instead of ending the process; a second one
// ends it at once with exit code 130. A signal that was ignored before stays ignored, as nohup and
// shells expect. One per process, made before any other thread, so that all threads inherit its
// signal mask, and destroyed by the thread that made it, which gets its old mask back.
class SignalStop {
 public:
  SignalStop();
  SignalStop(const SignalStop&) = delete;
  SignalStop& operator=(const SignalStop&) = delete;
  ~SignalStop();

  std::stop_token token() const { return stop_.get_token(); }
  // Requests the stop as a first signal would. Any thread.
  void request_stop() { stop_.request_stop(); }
  // True once a signal has arrived. Any thread.
  bool signalled() const { return signalled_; }

 private:
  void watch();
  void receive();

  std::stop_source stop_;
  std::atomic<bool> signalled_{false};
  sigset_t old_mask_{};
  Fd signals_;
  Fd finish_;  // readable when the watcher has to end
  std::jthread watcher_;
};

// Makes writing to a closed pipe or connection an error (EPIPE) instead of the end of the process.
void ignore_sigpipe();

}  // namespace holdfast
