// HTTP as a client: one request, one answer, over connections that are kept and used again.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "os/clock.h"

namespace holdfast {

class RateLimit;

// What a request carries. It can be read again from the start, so that a request can be repeated.
struct HttpBody {
  std::uint64_t size = 0;
  // Fills `out` from `offset`. Called by the thread that sends.
  std::function<void(std::uint64_t offset, MutableBytes out)> read = {};
};
// `data` must outlive the request.
HttpBody body_of(ByteView data);

struct HttpResponse;

// Takes a body as it comes, in order.
struct HttpSink {
  // Before the first byte, with the head of the answer (200 or 206); again when the request is
  // repeated.
  std::function<void(const HttpResponse& head)> begin = {};
  std::function<void(ByteView)> take = {};
};

struct HttpRequest {
  std::string method = "GET";
  std::string url = {};  // complete and percent-encoded; sent as it is, with no path clean-up
  std::vector<std::pair<std::string, std::string>> headers = {};
  HttpBody body = {};
  // Where the body of a 200 or 206 answer goes when it is to be no longer than this; else it goes
  // to HttpResponse::body. A longer one is Error(kCorrupt).
  MutableBytes into = {};
  // In place of both, if it is set: where the body of a 200 or 206 answer goes.
  HttpSink sink = {};
  // When the head of the answer is there: what fails from then on has a server's name for it.
  std::function<void(const HttpResponse& head)> on_head = {};
  // A body over 1 MiB waits until the server says that it wants it: one turn more, and nothing sent
  // in vain to a server that refuses.
  bool expect_continue = true;
  // To the host itself, whatever proxies are set: for services of this machine.
  bool direct = false;
  // For the whole exchange; zero: only a transfer that stalls (HttpOptions::stall) ends it.
  Duration deadline{};
};

struct HttpResponse {
  int status = 0;
  std::vector<std::pair<std::string, std::string>> headers;  // names in lower case
  // Unless it went to HttpRequest::into; of other statuses than 200 and 206 the first MiB.
  Bytes body;
  std::uint64_t body_size = 0;  // bytes that arrived, wherever they went

  // The value of a header (`name` in lower case); empty when it is absent.
  std::string_view header(std::string_view name) const;
};

struct HttpOptions {
  std::string ca_file = {};  // PEM; empty: the system's
  bool verify_tls = true;
  std::string proxy = {};  // empty: as the environment says (https_proxy, no_proxy, ...)
  Duration connect_timeout = std::chrono::seconds{10};
  // No byte moved either way for so long: the request has failed.
  Duration stall = std::chrono::seconds{30};
  std::string user_agent = "holdfast";
  // Unset: no limit. Shared by all clients that are given the same one.
  std::shared_ptr<RateLimit> upload_limit = {};
  std::shared_ptr<RateLimit> download_limit = {};
};

// Connections are pooled: as many as there are requests at once. Redirects are not followed, and
// every status is an answer, not an error. Thread-safe. Throws Error(kUnavailable) when there was
// no complete answer (no connection, cut, stalled, deadline), kDenied when the certificate is not
// to be trusted, kCancelled on a stop, kInvalid for a URL that is none; the message names the host
// and what libcurl said, never the query or a header.
// Only GET and HEAD are ever sent twice, when a kept connection turns out to be closed; for the
// others that is kUnavailable, and the caller cannot know whether the server acted.
class HttpClient {
 public:
  explicit HttpClient(HttpOptions options);
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  HttpResponse send(const HttpRequest& request, std::stop_token stop = {});

 private:
  class Pool;
  std::unique_ptr<Pool> pool_;
};

}  // namespace holdfast
