#include "net/http.h"

#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <exception>

#include "base/error.h"
#include "net/curl.h"
#include "net/rate_limit.h"
#include "os/mutex.h"

namespace holdfast {
namespace {

constexpr long kBufferSize = 512 * 1024;
// Under a limit on bandwidth nobody sleeps for more than this at once.
constexpr std::size_t kLimitedPiece = 64 * 1024;
constexpr std::uint64_t kExpectAbove = 1024 * 1024;
constexpr std::size_t kErrorBodyCap = 1024 * 1024;
constexpr long kOff = 0;
constexpr long kOn = 1;
constexpr int kAtOnce = 1;

char lower(char character) {
  return character >= 'A' && character <= 'Z' ? static_cast<char>(character - 'A' + 'a')
                                              : character;
}

std::string lower_case(std::string_view text) {
  std::string result(text);
  std::transform(result.begin(), result.end(), result.begin(), lower);
  return result;
}

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kBlank = " \t\r\n";
  const std::size_t first = text.find_first_not_of(kBlank);
  if (first == text.npos) return {};
  return text.substr(first, text.find_last_not_of(kBlank) - first + 1);
}

int status_of(std::string_view status_line) {
  int status = 0;
  const std::size_t space = status_line.find(' ');
  if (space == status_line.npos) return status;
  const std::string_view digits = status_line.substr(space + 1, 3);
  std::from_chars(digits.data(), digits.data() + digits.size(), status);
  return status;
}

void add_line(CurlList& lines, const std::string& line) {
  curl_slist* longer = curl_slist_append(lines.get(), line.c_str());
  if (longer == nullptr) throw no_memory_for_connection();
  static_cast<void>(lines.release());
  lines.reset(longer);
}

CurlList header_lines(const HttpRequest& request) {
  CurlList lines;
  std::vector<std::string> given;
  for (const auto& [name, value] : request.headers) {
    if ((name + value).find_first_of(std::string_view("\r\n\0", 3)) != std::string::npos) {
      throw Error(Code::kInvalid, fmt::format("header {} holds a line break", trimmed(name)));
    }
    // libcurl's way to write a header without a value; with ":" it would leave the header out.
    add_line(lines, value.empty() ? name + ";" : name + ": " + value);
    given.push_back(lower_case(name));
  }
  const auto suppress = [&](const std::string& name) {
    if (std::find(given.begin(), given.end(), name) == given.end()) add_line(lines, name + ":");
  };
  suppress("accept");
  suppress("content-type");
  if (request.body.size <= kExpectAbove || !request.expect_continue) suppress("expect");
  return lines;
}

bool is_safe(const std::string& method) { return method == "GET" || method == "HEAD"; }

// A handle, with the connections that it kept.
struct Connection {
  CurlHandle handle;
  curl_socket_t socket = CURL_SOCKET_BAD;  // the last one opened; libcurl may have closed it
};

// One request on one handle; libcurl's callbacks end here.
class Exchange {
 public:
  Exchange(Connection& connection, const HttpOptions& options, const HttpRequest& request,
           const std::stop_token& stop)
      : connection_(connection),
        handle_(connection.handle.get()),
        options_(options),
        request_(request),
        stop_(stop),
        host_(host_of(request.url)),
        lines_(header_lines(request)),
        moved_(system_clock().monotonic()) {}
  // The handle must not come back to what is gone.
  ~Exchange() { curl_easy_reset(handle_); }
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  HttpResponse run() {
    set_connection();
    set_request();
    set_callbacks();
    const CURLcode result = curl_easy_perform(handle_);
    if (failure_) std::rethrow_exception(failure_);
    if (result != CURLE_OK) throw curl_error(result, host_, reason_.data());
    // libcurl takes a connection that ends in the head for the end of an answer without a body.
    if (!head_ended_) {
      throw Error(Code::kUnavailable, fmt::format("{} broke off in the head of its answer", host_));
    }
    return std::move(response_);
  }

 private:
  void set_connection() {
    set_option(handle_, CURLOPT_NOSIGNAL, kOn);
    set_option(handle_, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
    set_option(handle_, CURLOPT_TCP_NODELAY, kOn);
    set_option(handle_, CURLOPT_TCP_KEEPALIVE, kOn);
    set_option(handle_, CURLOPT_BUFFERSIZE, kBufferSize);
    set_option(handle_, CURLOPT_UPLOAD_BUFFERSIZE, kBufferSize);
    set_option(handle_, CURLOPT_CONNECTTIMEOUT_MS, curl_milliseconds(options_.connect_timeout));
    set_option(handle_, CURLOPT_SSL_VERIFYPEER, options_.verify_tls ? kOn : kOff);
    set_option(handle_, CURLOPT_SSL_VERIFYHOST, options_.verify_tls ? 2L : kOff);
    set_option(handle_, CURLOPT_SUPPRESS_CONNECT_HEADERS, kOn);
    if (!options_.ca_file.empty()) set_option(handle_, CURLOPT_CAINFO, options_.ca_file.c_str());
    if (request_.direct) {
      set_option(handle_, CURLOPT_NOPROXY, "*");
    } else if (!options_.proxy.empty()) {
      set_option(handle_, CURLOPT_PROXY, options_.proxy.c_str());
      set_option(handle_, CURLOPT_NOPROXY, "");  // or $no_proxy would overrule the setting
    }
  }

  void set_request() {
    set_option(handle_, CURLOPT_URL, request_.url.c_str());
    set_option(handle_, CURLOPT_PATH_AS_IS, kOn);
    set_option(handle_, CURLOPT_FOLLOWLOCATION, kOff);
    set_option(handle_, CURLOPT_USERAGENT, options_.user_agent.c_str());
    set_option(handle_, CURLOPT_HTTPHEADER, lines_.get());
    const std::string& method = request_.method;
    if (method == "HEAD") {
      set_option(handle_, CURLOPT_NOBODY, kOn);
    } else if (method == "PUT" || method == "POST" || request_.body.size > 0) {
      set_option(handle_, CURLOPT_UPLOAD, kOn);
      set_option(handle_, CURLOPT_INFILESIZE_LARGE, static_cast<curl_off_t>(request_.body.size));
      set_option(handle_, CURLOPT_CUSTOMREQUEST, method.c_str());
    } else if (method != "GET") {
      set_option(handle_, CURLOPT_CUSTOMREQUEST, method.c_str());
    }
    if (request_.deadline > Duration::zero()) {
      set_option(handle_, CURLOPT_TIMEOUT_MS, curl_milliseconds(request_.deadline));
    }
  }

  void set_callbacks() {
    set_option(handle_, CURLOPT_ERRORBUFFER, reason_.data());
    set_option(handle_, CURLOPT_SOCKOPTFUNCTION, &Exchange::take_socket);
    set_option(handle_, CURLOPT_SOCKOPTDATA, this);
    set_option(handle_, CURLOPT_PREREQFUNCTION, &Exchange::before_request);
    set_option(handle_, CURLOPT_PREREQDATA, this);
    set_option(handle_, CURLOPT_READFUNCTION, &Exchange::read_body);
    set_option(handle_, CURLOPT_READDATA, this);
    set_option(handle_, CURLOPT_SEEKFUNCTION, &Exchange::seek_body);
    set_option(handle_, CURLOPT_SEEKDATA, this);
    set_option(handle_, CURLOPT_HEADERFUNCTION, &Exchange::take_header);
    set_option(handle_, CURLOPT_HEADERDATA, this);
    set_option(handle_, CURLOPT_WRITEFUNCTION, &Exchange::take_body);
    set_option(handle_, CURLOPT_WRITEDATA, this);
    set_option(handle_, CURLOPT_XFERINFOFUNCTION, &Exchange::watch);
    set_option(handle_, CURLOPT_XFERINFODATA, this);
    set_option(handle_, CURLOPT_NOPROGRESS, kOff);
  }

  // No exception may pass through libcurl: it is kept for run(), and the transfer ends.
  template <typename Result, typename Step>
  static Result guarded(void* self, Result on_failure, const Step& step) {
    auto& exchange = *static_cast<Exchange*>(self);
    try {
      return step(exchange);
    } catch (...) {
      exchange.failure_ = std::current_exception();
      return on_failure;
    }
  }

  static int take_socket(void* self, curl_socket_t socket, curlsocktype) {
    static_cast<Exchange*>(self)->connection_.socket = socket;
    return CURL_SOCKOPT_OK;
  }
  static int before_request(void* self, char*, char*, int, int) {
    return guarded(self, CURL_PREREQFUNC_ABORT, [](Exchange& exchange) {
      exchange.start_sending();
      return CURL_PREREQFUNC_OK;
    });
  }
  static std::size_t read_body(char* data, std::size_t, std::size_t size, void* self) {
    return guarded(self, std::size_t{CURL_READFUNC_ABORT}, [&](Exchange& exchange) {
      return exchange.fill({reinterpret_cast<std::uint8_t*>(data), size});
    });
  }
  static int seek_body(void* self, curl_off_t offset, int origin) {
    if (origin != SEEK_SET) return CURL_SEEKFUNC_FAIL;
    static_cast<Exchange*>(self)->sent_ = static_cast<std::uint64_t>(offset);
    return CURL_SEEKFUNC_OK;
  }
  static std::size_t take_header(char* data, std::size_t, std::size_t size, void* self) {
    return guarded(self, std::size_t{0}, [&](Exchange& exchange) {
      exchange.on_header({data, size});
      return size;
    });
  }
  static std::size_t take_body(char* data, std::size_t, std::size_t size, void* self) {
    return guarded(self, std::size_t{0}, [&](Exchange& exchange) {
      exchange.on_body({reinterpret_cast<const std::uint8_t*>(data), size});
      return size;
    });
  }
  static int watch(void* self, curl_off_t, curl_off_t received, curl_off_t, curl_off_t sent) {
    return guarded(self, 1, [&](Exchange& exchange) {
      exchange.check(received + sent);
      return 0;
    });
  }

  // libcurl repeats a request when a kept connection turns out to be closed. Whether the server
  // had acted on it is then unknown, so all but reads are left to the caller.
  void start_sending() {
    if (starts_++ > 0 && !is_safe(request_.method)) {
      throw Error(Code::kUnavailable, fmt::format("{} closed the connection unanswered", host_));
    }
    response_ = {};
    touch();
  }

  std::size_t fill(MutableBytes out) {
    const std::uint64_t left = request_.body.size - std::min(request_.body.size, sent_);
    std::size_t size = static_cast<std::size_t>(std::min<std::uint64_t>(left, out.size()));
    if (size == 0) return 0;
    if (options_.upload_limit) {
      size = std::min(size, kLimitedPiece);
      pass(*options_.upload_limit, size);
    }
    request_.body.read(sent_, out.first(size));
    sent_ += size;
    touch();
    return size;
  }

  // Has what arrived acknowledged at once. A server that sends an answer in several pieces without
  // TCP_NODELAY, such as Ceph's by default, keeps back the next piece until then: 40 ms on Linux.
  // The kernel soon forgets the option, so it is set again and again.
  void acknowledge() const {
    ::setsockopt(connection_.socket, IPPROTO_TCP, TCP_QUICKACK, &kAtOnce, sizeof kAtOnce);
  }

  void on_header(std::string_view line) {
    touch();
    if (line.starts_with("HTTP/")) {  // the one before was a 1xx
      response_.headers.clear();
      response_.status = status_of(line);
      head_ended_ = false;
      return;
    }
    // What comes behind the body has no place here.
    if (head_ended_) return;
    if (trimmed(line).empty()) {
      head_ended_ = true;
      acknowledge();
      return end_head();
    }
    const std::size_t colon = line.find(':');
    if (colon == line.npos) return;
    response_.headers.emplace_back(lower_case(trimmed(line.substr(0, colon))),
                                   trimmed(line.substr(colon + 1)));
  }

  void end_head() const {
    if (response_.status < 200) return;
    if (request_.on_head) request_.on_head(response_);
    if (has_content() && request_.sink.begin) request_.sink.begin(response_);
  }

  bool has_content() const { return response_.status == 200 || response_.status == 206; }

  void on_body(ByteView data) {
    if (options_.download_limit) pass(*options_.download_limit, data.size());
    const bool wanted = has_content();
    if (wanted && request_.sink.take) {
      request_.sink.take(data);
    } else if (wanted && !request_.into.empty()) {
      if (data.size() > request_.into.size() - response_.body_size) {
        throw Error(Code::kCorrupt, fmt::format("{} sent more than the {} bytes asked for", host_,
                                                request_.into.size()));
      }
      std::memcpy(request_.into.data() + response_.body_size, data.data(), data.size());
    } else if (wanted) {
      append(response_.body, data);
    } else {
      const std::size_t room = kErrorBodyCap - std::min(kErrorBodyCap, response_.body.size());
      append(response_.body, data.first(std::min(room, data.size())));
    }
    response_.body_size += data.size();
    touch();
  }

  // Called by libcurl when it has taken what had arrived, and at least about once a second.
  void check(curl_off_t moved_bytes) {
    if (stop_.stop_requested()) throw cancelled();
    if (moved_bytes != moved_bytes_) {
      touch();
      acknowledge();
    }
    moved_bytes_ = moved_bytes;
    // Until then the time to connect is what counts.
    if (starts_ == 0) return;
    if (system_clock().monotonic() - moved_ < options_.stall) return;
    throw Error(Code::kUnavailable, fmt::format("the transfer with {} stalled for {}", host_,
                                                format_duration(options_.stall)));
  }

  void pass(RateLimit& limit, std::uint64_t bytes) const {
    if (!limit.pass(bytes, stop_)) throw cancelled();
  }

  void touch() { moved_ = system_clock().monotonic(); }

  static Error cancelled() { return {Code::kCancelled, "interrupted"}; }

  Connection& connection_;
  CURL* const handle_;
  const HttpOptions& options_;
  const HttpRequest& request_;
  const std::stop_token& stop_;
  const std::string host_;
  const CurlList lines_;
  std::array<char, CURL_ERROR_SIZE> reason_{};
  unsigned starts_ = 0;
  std::uint64_t sent_ = 0;
  curl_off_t moved_bytes_ = 0;
  Duration moved_;  // when a byte last moved, by the monotonic clock
  HttpResponse response_;
  bool head_ended_ = false;
  std::exception_ptr failure_;
};

}  // namespace

HttpBody body_of(ByteView data) {
  return {data.size(), [data](std::uint64_t offset, MutableBytes out) {
            std::memcpy(out.data(), data.data() + offset, out.size());
          }};
}

std::string_view HttpResponse::header(std::string_view name) const {
  for (const auto& [key, value] : headers) {
    if (key == name) return value;
  }
  return {};
}

// Idle handles. The last one used is the next: the connections of the others may age and go.
class HttpClient::Pool {
 public:
  explicit Pool(HttpOptions options) : options_(std::move(options)) { start_libcurl(); }

  const HttpOptions& options() const { return options_; }

  Connection take() {
    {
      MutexLock lock(mutex_);
      if (!idle_.empty()) {
        Connection connection = std::move(idle_.back());
        idle_.pop_back();
        return connection;
      }
    }
    return {new_curl_handle()};
  }

  void put_back(Connection connection) {
    MutexLock lock(mutex_);
    idle_.push_back(std::move(connection));
  }

 private:
  const HttpOptions options_;
  Mutex mutex_;
  std::vector<Connection> idle_ GUARDED_BY(mutex_);
};

HttpClient::HttpClient(HttpOptions options) : pool_(std::make_unique<Pool>(std::move(options))) {}

HttpClient::~HttpClient() = default;

HttpResponse HttpClient::send(const HttpRequest& request, std::stop_token stop) {
  if (stop.stop_requested()) throw Error(Code::kCancelled, "interrupted");
  Connection connection = pool_->take();
  HttpResponse response = Exchange(connection, pool_->options(), request, stop).run();
  // After an error the handle is dropped, and its connections with it.
  pool_->put_back(std::move(connection));
  return response;
}

}  // namespace holdfast
