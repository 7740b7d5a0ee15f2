// A TCP proxy that delays, cuts and corrupts what passes between a program and its server.
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>

#include "os/clock.h"

namespace holdfast {

// Listens on 127.0.0.1 and forwards every connection to one address; one thread moves the bytes of
// all. Settings may change at any time and hold for open connections too. Thread-safe.
class TcpProxy {
 public:
  struct Counters {
    std::uint64_t connections = 0;  // accepted and not refused
    std::uint64_t refused = 0;
    std::uint64_t cut = 0;          // by cut_after
    std::uint64_t corrupted = 0;    // bits that were flipped
    std::uint64_t from_client = 0;  // bytes
    std::uint64_t from_server = 0;
  };

  static constexpr unsigned kAlways = std::numeric_limits<unsigned>::max();

  // Throws Error(kUnavailable) when `host` (a name or an IPv4 address) has no address.
  TcpProxy(const std::string& host, std::uint16_t port);
  // Closes all connections.
  ~TcpProxy();
  TcpProxy(const TcpProxy&) = delete;
  TcpProxy& operator=(const TcpProxy&) = delete;

  std::uint16_t port() const;
  std::string url() const;  // "http://127.0.0.1:PORT"

  // What the client sends arrives so much later; the throughput stays as it is. At most 64 MiB of
  // each connection wait.
  void delay(Duration delay);
  // Closes a connection on both sides when so many bytes of the server have passed; counted from
  // this call for the connections that are open. Unset: no more. Happens to `times` connections.
  void cut_after(std::optional<std::uint64_t> bytes, unsigned times = kAlways);
  // Flips a bit in every n-th byte of the answers' bodies (what follows the first blank line after
  // a request), counted over all connections; zero: none.
  void corrupt_every(std::uint64_t n);
  // Closes new connections at once. Open ones stay: see close_all.
  void refuse(bool refuse);
  // Cuts every open connection; nothing sent after this call passes over one of them.
  void close_all();

  Counters counters() const;

 private:
  class Loop;
  std::unique_ptr<Loop> loop_;
};

}  // namespace holdfast
