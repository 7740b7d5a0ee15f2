// An HTTP server on 127.0.0.1 whose answers, and failures to answer, a test scripts.
#pragma once

#include <openssl/ssl.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "os/file.h"
#include "os/mutex.h"
#include "support/certificate.h"

namespace holdfast {

// HTTP/1.1 with kept connections, one thread each; bodies with a Content-Length only. A request
// that expects it gets a "100 Continue". Thread-safe.
class ScriptedServer {
 public:
  struct Received {
    std::string method;
    std::string target;                          // as it was sent
    std::map<std::string, std::string> headers;  // names in lower case
    std::string body;
    unsigned connection = 0;  // which one it came over, from 1
    unsigned request = 0;     // its number over all connections, from 1

    // The value of a header (`name` in lower case), or "".
    std::string header(const std::string& name) const;
  };

  // What to answer. With no fault set, a complete answer over a connection that is kept. A
  // Content-Length for `body` is added unless `headers` has one (HEAD needs that).
  struct Reply {
    int status = 200;
    std::vector<std::pair<std::string, std::string>> headers = {};
    std::string body = {};

    bool close_before_answer = false;
    // Sends the head and so many bytes of the body, then closes.
    std::optional<std::size_t> cut_body_after = std::nullopt;
    // The close is a reset; without cut_body_after, before the answer.
    bool reset = false;
    // Says nothing (more, with cut_body_after) until the client leaves or the server is destroyed.
    bool stall = false;
    // A complete answer, then the connection is closed, without having said so.
    bool close_after = false;
    // Sent as it is in place of all of the above but close_after.
    std::optional<std::string> raw = std::nullopt;
  };

  // Called by the threads of the connections, several at once. Exceptions become a 500.
  using Handler = std::function<Reply(const Received&)>;

  explicit ScriptedServer(Handler handler);
  // Speaks TLS. Ignores SIGPIPE from then on, which OpenSSL may raise.
  ScriptedServer(Handler handler, const TestCertificate& certificate);
  ~ScriptedServer();
  ScriptedServer(const ScriptedServer&) = delete;
  ScriptedServer& operator=(const ScriptedServer&) = delete;

  std::string url() const;  // "http://127.0.0.1:PORT" (https with TLS)
  std::uint16_t port() const { return port_; }
  // All so far, in the order of their numbers.
  std::vector<Received> requests() const;
  // Connections that were accepted so far.
  unsigned connections() const;

 private:
  struct ContextDeleter {
    void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
  };
  class Connection;

  void accept_all();
  void serve(Connection& connection);
  // True when the connection is to end with a reset.
  bool converse(Connection& connection);
  bool answer(Connection& connection, const Received& received, const Reply& reply);
  Reply handle(const Received& received) const;
  void record(Received& received);

  const Handler handler_;
  std::unique_ptr<SSL_CTX, ContextDeleter> tls_;
  Fd listener_;
  std::uint16_t port_ = 0;
  mutable Mutex mutex_;
  std::vector<Received> requests_ GUARDED_BY(mutex_);
  std::vector<std::unique_ptr<Connection>> connections_ GUARDED_BY(mutex_);
  std::jthread acceptor_;
};

}  // namespace holdfast
