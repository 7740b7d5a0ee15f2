#include "support/tcp_proxy.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <netdb.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <ctime>
#include <thread>
#include <utility>
#include <vector>

#include "os/mutex.h"
#include "support/loopback.h"
#include "support/tcp_flow.h"

namespace holdfast {
namespace {

constexpr std::size_t kBufferSize = 256 * 1024;
constexpr std::size_t kQueueLimit = 1024 * 1024;
constexpr std::size_t kDelayedQueueLimit = 64 * 1024 * 1024;
constexpr short kReadable = POLLIN | POLLHUP | POLLERR;

struct Settings {
  Duration delay{};
  std::optional<std::uint64_t> cut_after;
  unsigned cut_times = 0;
  unsigned cut_version = 0;
  std::uint64_t corrupt_every = 0;
  bool refuse = false;
  unsigned close_version = 0;
};

// Two connections that belong together.
struct Link {
  Link(Fd client_side, Fd server_side)
      : client(std::move(client_side)),
        server(std::move(server_side)),
        up(client.get(), server.get()),
        down(server.get(), client.get()) {
    down.open();
  }

  bool dead() const {
    return closing || up.broken() || down.broken() || (up.finished() && down.finished()) ||
           (cutting && down.empty());
  }

  Fd client;
  Fd server;
  TcpFlow up;
  TcpFlow down;
  bool connected = false;
  bool closing = false;
  bool cutting = false;  // no more from the server; ends when all is sent
  std::uint64_t carried = 0;
  unsigned cut_version = 0;
  unsigned close_version = 0;
  unsigned blank_line = 0;  // how much of "\r\n\r\n" was seen in the answer's head; 4: in its body
};

sockaddr_in address_of(const std::string& host, std::uint16_t port) {
  addrinfo wanted{};
  wanted.ai_family = AF_INET;
  wanted.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int error = ::getaddrinfo(host.c_str(), nullptr, &wanted, &found);
  if (error != 0) {
    throw Error(Code::kUnavailable, fmt::format("no address of {}: {}", host, gai_strerror(error)));
  }
  sockaddr_in address = *reinterpret_cast<const sockaddr_in*>(found->ai_addr);
  ::freeaddrinfo(found);
  address.sin_port = htons(port);
  return address;
}

// The part of `answer` that belongs to the body.
MutableBytes body_in(Link& link, MutableBytes answer) {
  std::size_t at = 0;
  for (; at < answer.size() && link.blank_line < 4; ++at) {
    const char byte = static_cast<char>(answer[at]);
    const bool expected = byte == (link.blank_line % 2 == 0 ? '\r' : '\n');
    link.blank_line = expected ? link.blank_line + 1 : (byte == '\r' ? 1u : 0u);
  }
  return answer.subspan(at);
}

}  // namespace

// Runs in one thread; `mutex_` guards what others set and read.
class TcpProxy::Loop {
 public:
  Loop(const std::string& host, std::uint16_t port)
      : address_(address_of(host, port)), buffer_(kBufferSize) {
    LoopbackListener listener = listen_on_loopback();
    listener_ = std::move(listener.fd);
    port_ = listener.port;
    wake_ = Fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!wake_.valid()) throw system_error(errno, "cannot create an event descriptor");
    set_nonblocking(listener_.get());
    thread_ = std::jthread([this](std::stop_token stop) { run(stop); });
  }
  ~Loop() {
    thread_.request_stop();
    wake();
  }
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  std::uint16_t port() const { return port_; }

  template <typename Action>
  void change(const Action& action) {
    {
      MutexLock lock(mutex_);
      action(settings_);
    }
    wake();
  }

  Counters counters() const {
    MutexLock lock(mutex_);
    return counters_;
  }

 private:
  static void set_nonblocking(int fd) {
    if (::fcntl(fd, F_SETFL, O_NONBLOCK) != 0) throw system_error(errno, "cannot prepare a socket");
  }

  void wake() {
    const std::uint64_t one = 1;
    static_cast<void>(::write(wake_.get(), &one, sizeof one));
  }

  void run(const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      wait();
      // After the wait: what is set before a byte is sent holds for that byte.
      load_settings();
      now_ = system_clock().monotonic();
      for (std::size_t i = 0; i < links_.size(); ++i) {
        step(*links_[i], polled_[2 + 2 * i].revents, polled_[3 + 2 * i].revents);
      }
      std::erase_if(links_, [](const auto& link) { return link->dead(); });
      if (polled_[1].revents != 0) accept_all();
    }
  }

  void wait() {
    const Duration now = system_clock().monotonic();
    std::optional<Duration> next;
    polled_.assign({{wake_.get(), POLLIN, 0}, {listener_.get(), POLLIN, 0}});
    for (const auto& link : links_) {
      add_polled(*link, now);
      if (const auto due = link->up.due(); due && *due > now) {
        next = std::min(next.value_or(*due), *due);
      }
    }
    timespec timeout{};
    if (next) {
      const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(*next - now);
      timeout = {seconds.count(), (*next - now - seconds).count()};
    }
    if (::ppoll(polled_.data(), polled_.size(), next ? &timeout : nullptr, nullptr) < 0) {
      for (pollfd& entry : polled_) entry.revents = 0;
    }
    std::uint64_t wakes = 0;
    if (polled_[0].revents != 0) static_cast<void>(::read(wake_.get(), &wakes, sizeof wakes));
  }

  void add_polled(const Link& link, Duration now) {
    const auto add = [this](int fd, bool reads, bool writes) {
      const auto events = static_cast<short>((reads ? POLLIN : 0) | (writes ? POLLOUT : 0));
      // poll reports a hang-up even where nobody asked.
      polled_.push_back({events == 0 ? -1 : fd, events, 0});
    };
    const auto has_due = [now](const TcpFlow& flow) {
      const auto due = flow.due();
      return due && *due <= now;
    };
    add(link.client.get(), link.up.wants_input(up_limit()), has_due(link.down));
    add(link.server.get(), link.connected && !link.cutting && link.down.wants_input(kQueueLimit),
        !link.connected || has_due(link.up));
  }

  std::size_t up_limit() const {
    return current_.delay > Duration::zero() ? kDelayedQueueLimit : kQueueLimit;
  }

  void load_settings() {
    MutexLock lock(mutex_);
    current_ = settings_;
  }

  void step(Link& link, short client, short server) {
    if (link.close_version != current_.close_version) {
      link.closing = true;
      return;
    }
    if (!link.connected && server != 0) finish_connect(link);
    if ((client & kReadable) != 0 && link.up.wants_input(up_limit())) from_client(link);
    if (link.connected && (server & kReadable) != 0 && !link.cutting &&
        link.down.wants_input(kQueueLimit)) {
      from_server(link);
    }
    link.up.flush(now_);
    link.down.flush(now_);
  }

  static void finish_connect(Link& link) {
    int error = 0;
    socklen_t size = sizeof error;
    ::getsockopt(link.server.get(), SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0) link.closing = true;
    link.connected = true;
    link.up.open();
  }

  void from_client(Link& link) {
    const MutableBytes data = link.up.receive(buffer_);
    if (data.empty()) return;
    link.blank_line = 0;
    count(&Counters::from_client, data.size());
    link.up.push(data, now_ + current_.delay, now_);
  }

  void from_server(Link& link) {
    MutableBytes data = link.down.receive(buffer_);
    if (data.empty()) return;
    data = uncut(link, data);
    corrupt(body_in(link, data));
    count(&Counters::from_server, data.size());
    link.down.push(data, now_, now_);
  }

  // Before it is sent on: who has received everything finds it counted.
  void count(std::uint64_t Counters::*counter, std::uint64_t bytes) {
    MutexLock lock(mutex_);
    counters_.*counter += bytes;
  }

  // As much of `data` as may pass.
  MutableBytes uncut(Link& link, MutableBytes data) {
    if (std::exchange(link.cut_version, current_.cut_version) != current_.cut_version) {
      link.carried = 0;
    }
    link.carried += data.size();
    if (!current_.cut_after || link.carried < *current_.cut_after || !take_cut()) return data;
    link.cutting = true;
    return data.first(data.size() - (link.carried - *current_.cut_after));
  }

  // Whether one more connection is to be cut.
  bool take_cut() {
    MutexLock lock(mutex_);
    if (settings_.cut_version != current_.cut_version || settings_.cut_times == 0) return false;
    if (settings_.cut_times != kAlways) --settings_.cut_times;
    ++counters_.cut;
    return true;
  }

  void corrupt(MutableBytes body) {
    const std::uint64_t every = current_.corrupt_every;
    if (every == 0) return;
    std::uint64_t flipped = 0;
    for (std::uint64_t at = every - 1 - body_bytes_ % every; at < body.size(); at += every) {
      body[at] ^= 0x10;
      ++flipped;
    }
    body_bytes_ += body.size();
    MutexLock lock(mutex_);
    counters_.corrupted += flipped;
  }

  void accept_all() {
    for (;;) {
      Fd client(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
      if (!client.valid()) return;
      bool refuse = false;
      {
        MutexLock lock(mutex_);
        refuse = settings_.refuse;
        ++(refuse ? counters_.refused : counters_.connections);
      }
      if (refuse) {
        set_reset_on_close(client.get());
      } else {
        connect(std::move(client));
      }
    }
  }

  void connect(Fd client) {
    Fd server(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!server.valid()) return;
    set_no_delay(client.get());
    set_no_delay(server.get());
    const auto* generic = reinterpret_cast<const sockaddr*>(&address_);
    if (::connect(server.get(), generic, sizeof address_) != 0 && errno != EINPROGRESS) return;
    auto link = std::make_unique<Link>(std::move(client), std::move(server));
    link->cut_version = current_.cut_version;
    link->close_version = current_.close_version;
    links_.push_back(std::move(link));
  }

  const sockaddr_in address_;
  Fd listener_;
  Fd wake_;
  std::uint16_t port_ = 0;
  mutable Mutex mutex_;
  Settings settings_ GUARDED_BY(mutex_);
  Counters counters_ GUARDED_BY(mutex_);
  // Only the thread's:
  Settings current_;
  Duration now_{};
  Bytes buffer_;
  std::uint64_t body_bytes_ = 0;
  std::vector<std::unique_ptr<Link>> links_;
  std::vector<pollfd> polled_;
  std::jthread thread_;
};

TcpProxy::TcpProxy(const std::string& host, std::uint16_t port)
    : loop_(std::make_unique<Loop>(host, port)) {}

TcpProxy::~TcpProxy() = default;

std::uint16_t TcpProxy::port() const { return loop_->port(); }

std::string TcpProxy::url() const { return fmt::format("http://127.0.0.1:{}", port()); }

void TcpProxy::delay(Duration delay) {
  loop_->change([&](Settings& settings) { settings.delay = delay; });
}

void TcpProxy::cut_after(std::optional<std::uint64_t> bytes, unsigned times) {
  loop_->change([&](Settings& settings) {
    settings.cut_after = bytes;
    settings.cut_times = times;
    ++settings.cut_version;
  });
}

void TcpProxy::corrupt_every(std::uint64_t n) {
  loop_->change([&](Settings& settings) { settings.corrupt_every = n; });
}

void TcpProxy::refuse(bool refuse) {
  loop_->change([&](Settings& settings) { settings.refuse = refuse; });
}

void TcpProxy::close_all() {
  loop_->change([](Settings& settings) { ++settings.close_version; });
}

TcpProxy::Counters TcpProxy::counters() const { return loop_->counters(); }

}  // namespace holdfast
