// A proxy that makes tunnels (HTTP's CONNECT) to servers on this machine.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

#include "os/file.h"
#include "os/mutex.h"

namespace holdfast {

class ConnectProxy {
 public:
  ConnectProxy();
  // Ends all tunnels.
  ~ConnectProxy();
  ConnectProxy(const ConnectProxy&) = delete;
  ConnectProxy& operator=(const ConnectProxy&) = delete;

  std::string url() const;  // "http://127.0.0.1:PORT"
  // Whom it was asked for, "HOST:PORT", in this order.
  std::vector<std::string> asked_for() const;

 private:
  void accept_all();
  // Whatever the host's name is, the tunnel leads to its port on 127.0.0.1.
  void serve(Fd client);

  Fd listener_;
  std::uint16_t port_ = 0;
  std::atomic<bool> ends_{false};
  mutable Mutex mutex_;
  std::vector<std::string> asked_for_ GUARDED_BY(mutex_);
  std::vector<std::jthread> tunnels_;  // of the accepting thread, until it has ended
  std::jthread acceptor_;
};

}  // namespace holdfast
