#include "lab/connect_proxy.h"

#include <poll.h>

#include <array>
#include <string_view>

#include "support/loopback.h"

namespace holdfast {
namespace {

constexpr int kLook = 50;  // ms between two looks at whether it is over
constexpr std::string_view kMade = "HTTP/1.1 200 Connection established\r\n\r\n";

bool send_all(int fd, std::string_view data) {
  while (!data.empty()) {
    const ssize_t sent = ::send(fd, data.data(), data.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    data.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

// False at the end of the input.
bool pass(int from, int to) {
  std::array<char, 65536> buffer{};
  const ssize_t size = ::recv(from, buffer.data(), buffer.size(), 0);
  return size > 0 && send_all(to, {buffer.data(), static_cast<std::size_t>(size)});
}

// "HOST:PORT" of a CONNECT; "" of anything else. A client says no more before it has its answer.
std::string read_wish(int client) {
  std::string head;
  while (!head.ends_with("\r\n\r\n")) {
    char c = 0;
    if (::recv(client, &c, 1, 0) != 1) return "";
    head += c;
  }
  constexpr std::string_view kVerb = "CONNECT ";
  if (!head.starts_with(kVerb)) return "";
  return head.substr(kVerb.size(), head.find(' ', kVerb.size()) - kVerb.size());
}

Fd connect_to(const std::string& wish) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(std::stoi(wish.substr(wish.rfind(':') + 1))));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const auto* generic = reinterpret_cast<const sockaddr*>(&address);
  if (::connect(fd.get(), generic, sizeof address) != 0) return {};
  set_no_delay(fd.get());
  return fd;
}

}  // namespace

ConnectProxy::ConnectProxy() {
  LoopbackListener listener = listen_on_loopback();
  listener_ = std::move(listener.fd);
  port_ = listener.port;
  acceptor_ = std::jthread([this] { accept_all(); });
}

ConnectProxy::~ConnectProxy() {
  ends_ = true;
  acceptor_.join();
  tunnels_.clear();
}

std::string ConnectProxy::url() const { return "http://127.0.0.1:" + std::to_string(port_); }

std::vector<std::string> ConnectProxy::asked_for() const {
  MutexLock lock(mutex_);
  return asked_for_;
}

void ConnectProxy::accept_all() {
  while (!ends_) {
    pollfd waiting{listener_.get(), POLLIN, 0};
    if (::poll(&waiting, 1, kLook) <= 0) continue;
    Fd client(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!client.valid()) continue;
    tunnels_.emplace_back([this](Fd accepted) { serve(std::move(accepted)); }, std::move(client));
  }
}

void ConnectProxy::serve(Fd client) {
  set_no_delay(client.get());
  const std::string wish = read_wish(client.get());
  {
    MutexLock lock(mutex_);
    asked_for_.push_back(wish);
  }
  if (wish.empty()) return;
  const Fd server = connect_to(wish);
  if (!server.valid() || !send_all(client.get(), kMade)) return;
  while (!ends_) {
    std::array<pollfd, 2> ends = {pollfd{client.get(), POLLIN, 0}, {server.get(), POLLIN, 0}};
    if (::poll(ends.data(), ends.size(), kLook) <= 0) continue;
    if (ends[0].revents != 0 && !pass(client.get(), server.get())) return;
    if (ends[1].revents != 0 && !pass(server.get(), client.get())) return;
  }
}

}  // namespace holdfast
