#include "support/scripted_server.h"

#include <fmt/format.h>
#include <openssl/bio.h>
#include <openssl/pem.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <exception>
#include <stdexcept>
#include <string_view>

#include "base/error.h"
#include "os/signals.h"
#include "support/loopback.h"

namespace holdfast {
namespace {

struct TlsDeleter {
  void operator()(SSL* tls) const { SSL_free(tls); }
};
using Tls = std::unique_ptr<SSL, TlsDeleter>;

void require(bool success, const char* action) {
  if (!success) throw std::runtime_error(std::string("cannot ") + action);
}

void use_certificate(SSL_CTX* context, const TestCertificate& certificate) {
  const std::unique_ptr<BIO, decltype(&BIO_free)> pem(
      BIO_new_mem_buf(certificate.certificate.data(),
                      static_cast<int>(certificate.certificate.size())),
      &BIO_free);
  const std::unique_ptr<BIO, decltype(&BIO_free)> key_pem(
      BIO_new_mem_buf(certificate.key.data(), static_cast<int>(certificate.key.size())), &BIO_free);
  const std::unique_ptr<X509, decltype(&X509_free)> x509(
      PEM_read_bio_X509(pem.get(), nullptr, nullptr, nullptr), &X509_free);
  const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key(
      PEM_read_bio_PrivateKey(key_pem.get(), nullptr, nullptr, nullptr), &EVP_PKEY_free);
  require(SSL_CTX_use_certificate(context, x509.get()) == 1 &&
              SSL_CTX_use_PrivateKey(context, key.get()) == 1,
          "use the certificate");
}

std::string lower_case(std::string_view text) {
  std::string result(text);
  std::transform(result.begin(), result.end(), result.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return result;
}

// Method, target and headers of a request.
ScriptedServer::Received parse_head(std::string_view head) {
  ScriptedServer::Received received;
  const auto next_line = [&head] {
    const std::size_t end = head.find("\r\n");
    const std::string_view line = head.substr(0, end);
    head.remove_prefix(end + 2);
    return line;
  };
  const std::string_view first = next_line();
  const std::size_t method_end = first.find(' ');
  const std::size_t target_end = first.rfind(' ');
  require(method_end != first.npos && target_end > method_end, "read a request line");
  received.method = first.substr(0, method_end);
  received.target = first.substr(method_end + 1, target_end - method_end - 1);
  for (std::string_view line = next_line(); !line.empty(); line = next_line()) {
    const std::size_t colon = line.find(':');
    require(colon != line.npos, "read a header");
    std::string_view value = line.substr(colon + 1);
    while (value.starts_with(' ')) value.remove_prefix(1);
    received.headers.emplace(lower_case(line.substr(0, colon)), value);
  }
  return received;
}

std::size_t content_length(const ScriptedServer::Received& received) {
  const std::string text = received.header("content-length");
  std::size_t length = 0;
  std::from_chars(text.data(), text.data() + text.size(), length);
  return length;
}

std::string head_of(const ScriptedServer::Reply& reply) {
  std::string head = fmt::format("HTTP/1.1 {} Scripted\r\n", reply.status);
  bool has_length = reply.status == 204 || reply.status == 304;
  for (const auto& [name, value] : reply.headers) {
    has_length = has_length || lower_case(name) == "content-length";
    head += fmt::format("{}: {}\r\n", name, value);
  }
  if (!has_length) head += fmt::format("Content-Length: {}\r\n", reply.body.size());
  return head + "\r\n";
}

}  // namespace

// Used by its own thread, but for interrupt().
class ScriptedServer::Connection {
 public:
  Connection(Fd fd, unsigned number) : number_(number), fd_(fd.get()), owner_(std::move(fd)) {}

  unsigned number() const { return number_; }

  void start(std::jthread thread) { thread_ = std::move(thread); }

  bool start_tls(SSL_CTX* context) {
    tls_.reset(SSL_new(context));
    require(tls_ != nullptr && SSL_set_fd(tls_.get(), fd_) == 1, "start TLS");
    return SSL_accept(tls_.get()) == 1;
  }

  // The next request, or nothing when the client is gone.
  std::optional<Received> receive() {
    std::size_t end = buffer_.find("\r\n\r\n");
    while (end == std::string::npos) {
      if (!read_more()) return std::nullopt;
      end = buffer_.find("\r\n\r\n");
    }
    Received received = parse_head(std::string_view(buffer_).substr(0, end + 4));
    buffer_.erase(0, end + 4);
    const std::size_t length = content_length(received);
    if (received.header("expect") == "100-continue" && !send("HTTP/1.1 100 Continue\r\n\r\n")) {
      return std::nullopt;
    }
    while (buffer_.size() < length) {
      if (!read_more()) return std::nullopt;
    }
    received.body = buffer_.substr(0, length);
    buffer_.erase(0, length);
    received.connection = number_;
    return received;
  }

  bool send(std::string_view text) {
    while (!text.empty()) {
      const auto sent =
          tls_ ? SSL_write(tls_.get(), text.data(), static_cast<int>(std::min(text.size(), kPiece)))
               : ::send(fd_, text.data(), text.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      text.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }

  void wait_until_gone() {
    while (read_more()) buffer_.clear();
  }

  void close(bool with_reset) {
    if (with_reset) set_reset_on_close(fd_);
    if (tls_ && !with_reset) SSL_shutdown(tls_.get());
    MutexLock lock(mutex_);
    owner_.reset();
  }

  // Ends what the thread waits for.
  void interrupt() {
    MutexLock lock(mutex_);
    if (owner_.valid()) ::shutdown(owner_.get(), SHUT_RDWR);
  }

 private:
  static constexpr std::size_t kPiece = 256 * 1024;

  bool read_more() {
    const std::size_t old_size = buffer_.size();
    buffer_.resize(old_size + kPiece);
    const auto size = tls_ ? SSL_read(tls_.get(), buffer_.data() + old_size, int{kPiece})
                           : ::recv(fd_, buffer_.data() + old_size, kPiece, 0);
    buffer_.resize(old_size + static_cast<std::size_t>(std::max<ssize_t>(size, 0)));
    return size > 0;
  }

  const unsigned number_;
  const int fd_;
  Tls tls_;
  std::string buffer_;
  Mutex mutex_;
  Fd owner_ GUARDED_BY(mutex_);
  std::jthread thread_;
};

std::string ScriptedServer::Received::header(const std::string& name) const {
  const auto found = headers.find(name);
  return found == headers.end() ? std::string() : found->second;
}

ScriptedServer::ScriptedServer(Handler handler) : handler_(std::move(handler)) {
  LoopbackListener listener = listen_on_loopback();
  listener_ = std::move(listener.fd);
  port_ = listener.port;
  acceptor_ = std::jthread([this] { accept_all(); });
}

ScriptedServer::ScriptedServer(Handler handler, const TestCertificate& certificate)
    : handler_(std::move(handler)), tls_(SSL_CTX_new(TLS_server_method())) {
  require(tls_ != nullptr, "prepare TLS");
  use_certificate(tls_.get(), certificate);
  ignore_sigpipe();
  LoopbackListener listener = listen_on_loopback();
  listener_ = std::move(listener.fd);
  port_ = listener.port;
  acceptor_ = std::jthread([this] { accept_all(); });
}

ScriptedServer::~ScriptedServer() {
  ::shutdown(listener_.get(), SHUT_RDWR);
  acceptor_.join();
  std::vector<std::unique_ptr<Connection>> connections;
  {
    MutexLock lock(mutex_);
    connections.swap(connections_);
  }
  for (const auto& connection : connections) connection->interrupt();
}

std::string ScriptedServer::url() const {
  return fmt::format("{}://127.0.0.1:{}", tls_ ? "https" : "http", port_);
}

std::vector<ScriptedServer::Received> ScriptedServer::requests() const {
  MutexLock lock(mutex_);
  return requests_;
}

unsigned ScriptedServer::connections() const {
  MutexLock lock(mutex_);
  return static_cast<unsigned>(connections_.size());
}

void ScriptedServer::accept_all() {
  for (;;) {
    Fd fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!fd.valid() && errno == EINTR) continue;
    if (!fd.valid()) return;
    set_no_delay(fd.get());
    MutexLock lock(mutex_);
    const auto number = static_cast<unsigned>(connections_.size() + 1);
    connections_.push_back(std::make_unique<Connection>(std::move(fd), number));
    Connection& connection = *connections_.back();
    connection.start(std::jthread([this, &connection] { serve(connection); }));
  }
}

void ScriptedServer::serve(Connection& connection) {
  bool with_reset = false;
  try {
    if (!tls_ || connection.start_tls(tls_.get())) with_reset = converse(connection);
  } catch (const std::exception& error) {
    connection.send(head_of({.status = 400, .body = error.what()}) + error.what());
  }
  connection.close(with_reset);
}

bool ScriptedServer::converse(Connection& connection) {
  while (auto received = connection.receive()) {
    record(*received);
    const Reply reply = handle(*received);
    if (!answer(connection, *received, reply)) return reply.reset;
  }
  return false;
}

void ScriptedServer::record(Received& received) {
  MutexLock lock(mutex_);
  received.request = static_cast<unsigned>(requests_.size() + 1);
  requests_.push_back(received);
}

ScriptedServer::Reply ScriptedServer::handle(const Received& received) const {
  try {
    return handler_(received);
  } catch (const std::exception& error) {
    return {.status = 500, .body = error.what()};
  }
}

// True when the connection is to be kept.
bool ScriptedServer::answer(Connection& connection, const Received& received, const Reply& reply) {
  if (reply.raw) return connection.send(*reply.raw) && !reply.close_after;
  if (reply.close_before_answer) return false;
  const bool has_body = received.method != "HEAD";
  if (reply.cut_body_after) {
    const std::string_view body = reply.body;
    connection.send(head_of(reply));
    connection.send(body.substr(0, std::min(body.size(), *reply.cut_body_after)));
  }
  if (reply.stall) connection.wait_until_gone();
  if (reply.cut_body_after || reply.stall || reply.reset) return false;
  const bool sent = connection.send(head_of(reply)) && (!has_body || connection.send(reply.body));
  return sent && !reply.close_after;
}

}  // namespace holdfast
