// A socket that listens on 127.0.0.1, for test servers.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstdint>

#include "base/error.h"
#include "os/file.h"

namespace holdfast {

struct LoopbackListener {
  Fd fd;
  std::uint16_t port = 0;
};

// On a port that was free.
inline LoopbackListener listen_on_loopback() {
  Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  if (!fd.valid() || ::bind(fd.get(), generic, size) != 0 || ::listen(fd.get(), 256) != 0 ||
      ::getsockname(fd.get(), generic, &size) != 0) {
    throw system_error(errno, "cannot listen on 127.0.0.1");
  }
  return {std::move(fd), ntohs(address.sin_port)};
}

inline void set_no_delay(int fd) {
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

// Makes the close of `fd` a reset instead of an orderly end.
inline void set_reset_on_close(int fd) {
  const linger at_once{1, 0};
  ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
}

}  // namespace holdfast
