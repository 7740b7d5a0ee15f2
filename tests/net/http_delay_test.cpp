// HttpClient towards servers that leave Nagle's algorithm on, as Ceph's does by default.
#include <gtest/gtest.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <fstream>
#include <functional>
#include <sstream>
#include <string>
#include <thread>

#include "net/http.h"
#include "net/http_support.h"
#include "os/file.h"
#include "support/loopback.h"

namespace holdfast {
namespace {

constexpr int kRequests = 40;

// Runs `action` in a network of its own, where nobody else counts. False when that is not allowed.
bool in_own_network(const std::function<void()>& action) {
  bool allowed = false;
  std::thread([&] {
    if (::unshare(CLONE_NEWNET) != 0) return;
    const Fd socket(::socket(AF_INET, SOCK_DGRAM, 0));
    ifreq loopback{};
    std::string("lo").copy(loopback.ifr_name, sizeof loopback.ifr_name);
    loopback.ifr_flags = IFF_UP;
    if (::ioctl(socket.get(), SIOCSIFFLAGS, &loopback) != 0) return;
    allowed = true;
    action();
  }).join();
  return allowed;
}

// How often the kernel sent an acknowledgement only because its timer ran out.
long delayed_acknowledgements() {
  std::ifstream file("/proc/thread-self/net/netstat");
  std::string names, values;
  while (std::getline(file, names) && std::getline(file, values)) {
    if (!names.starts_with("TcpExt:")) continue;
    std::istringstream name(names), value(values);
    std::string one, number;
    while (name >> one && value >> number) {
      if (one == "DelayedACKs") return std::stol(number);
    }
  }
  ADD_FAILURE() << "the kernel does not count delayed acknowledgements";
  return 0;
}

void send_text(int socket, std::string_view text) {
  ASSERT_EQ(::send(socket, text.data(), text.size(), MSG_NOSIGNAL),
            static_cast<ssize_t>(text.size()));
}

// Answers requests without a body over one connection; head and body in two pieces.
void serve_in_pieces(int listener, int requests) {
  const Fd socket(::accept(listener, nullptr, nullptr));
  std::string received;
  for (int i = 0; i < requests; ++i) {
    while (!received.ends_with("\r\n\r\n")) {
      char part[4096];
      const ssize_t size = ::recv(socket.get(), part, sizeof part, 0);
      ASSERT_GT(size, 0);
      received.append(part, static_cast<std::size_t>(size));
    }
    received.clear();
    send_text(socket.get(), "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n");
    send_text(socket.get(), "text");
  }
}

TEST(HttpDelay, NoAnswerWaitsForADelayedAcknowledgement) {
  long delayed = 0;
  const bool ran = in_own_network([&] {
    const LoopbackListener listener = listen_on_loopback();
    std::thread server([&] { serve_in_pieces(listener.fd.get(), kRequests); });
    HttpClient client({});
    const std::string url = "http://127.0.0.1:" + std::to_string(listener.port) + "/x";
    for (int i = 0; i < kRequests; ++i) {
      EXPECT_EQ(as_text(client.send({.url = url, .direct = true}).body), "text");
    }
    server.join();
    delayed = delayed_acknowledgements();
  });
  if (!ran) GTEST_SKIP() << "a network of its own needs root";
  EXPECT_LT(delayed, kRequests / 4);
}

}  // namespace
}  // namespace holdfast
