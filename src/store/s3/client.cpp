#include "store/s3/client.h"

#include <fmt/format.h>
#include <openssl/evp.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <memory>
#include <optional>
#include <random>
#include <utility>

#include "base/human.h"
#include "net/rate_limit.h"
#include "net/resolve.h"
#include "store/s3/request_deadline.h"
#include "store/s3/stranger.h"

namespace holdfast {
namespace {

constexpr Duration kFirstDelay = std::chrono::milliseconds{100};
constexpr Duration kFirstSlowDelay = std::chrono::milliseconds{500};
constexpr Duration kLongestDelay = std::chrono::seconds{20};
// For the first answer of all, of a host whose name nobody knows: as likely misspelt as in trouble.
constexpr Duration kUnknownHost = std::chrono::seconds{30};
// However short the patience is, a store may take so long for its first answer.
constexpr Duration kFirstTry = std::chrono::seconds{10};
constexpr unsigned kDamagedTries = 3;
constexpr std::uint64_t kSmallBody = 64u << 10;
// What is read as a whole without knowing its size: segments of the index are the largest.
constexpr std::uint64_t kLargestWhole = 256u << 20;

struct DigestDeleter {
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};

template <typename Visit>
void read_through(const HttpBody& body, Visit visit) {
  Bytes buffer(std::min<std::uint64_t>(body.size, 256u << 10));
  for (std::uint64_t at = 0; at < body.size; at += buffer.size()) {
    buffer.resize(std::min<std::uint64_t>(buffer.size(), body.size - at));
    body.read(at, buffer);
    visit(ByteView(buffer));
  }
}

Bytes digest_of(const HttpBody& body, const EVP_MD* kind) {
  const std::unique_ptr<EVP_MD_CTX, DigestDeleter> context(EVP_MD_CTX_new());
  Bytes digest(static_cast<std::size_t>(EVP_MD_get_size(kind)));
  EVP_DigestInit_ex(context.get(), kind, nullptr);
  read_through(body,
               [&](ByteView part) { EVP_DigestUpdate(context.get(), part.data(), part.size()); });
  if (EVP_DigestFinal_ex(context.get(), digest.data(), nullptr) != 1) {
    throw Error(Code::kInternal, "OpenSSL cannot compute a digest");
  }
  return digest;
}

std::string crc32_of(const HttpBody& body) {
  uLong crc = ::crc32(0, nullptr, 0);
  read_through(body, [&](ByteView part) {
    crc = ::crc32(crc, part.data(), static_cast<uInt>(part.size()));
  });
  const std::array<std::uint8_t, 4> bytes = {
      static_cast<std::uint8_t>(crc >> 24), static_cast<std::uint8_t>(crc >> 16),
      static_cast<std::uint8_t>(crc >> 8), static_cast<std::uint8_t>(crc)};
  return to_base64(bytes);
}

bool is_aws(std::string_view endpoint) { return endpoint.find(".amazonaws.com") != endpoint.npos; }

std::string aws_endpoint(const std::string& region) {
  return fmt::format("https://s3.{}.amazonaws.com{}", region,
                     region.starts_with("cn-") ? ".cn" : "");
}

// The same store's endpoint for another region; AWS has one for each.
std::string moved_endpoint(std::string endpoint, const std::string& from, const std::string& to) {
  const std::size_t at = is_aws(endpoint) ? endpoint.find("." + from + ".") : std::string::npos;
  if (at != std::string::npos) endpoint.replace(at + 1, from.size(), to);
  return endpoint;
}

std::string first_of(std::initializer_list<std::string> candidates) {
  for (const std::string& candidate : candidates) {
    if (!candidate.empty()) return candidate;
  }
  return {};
}

HttpOptions http_options(const S3Options& options, const S3Place& place, Clock& clock) {
  HttpOptions http;
  http.ca_file = place.ca_file;
  http.proxy = options.proxy;
  if (options.upload_limit > 0) {
    http.upload_limit = std::make_shared<RateLimit>(clock, options.upload_limit);
  }
  if (options.download_limit > 0) {
    http.download_limit = std::make_shared<RateLimit>(clock, options.download_limit);
  }
  return http;
}

CredentialOptions credential_options(const S3Options& options) {
  CredentialOptions credentials;
  credentials.profile = options.profile;
  return credentials;
}

// Somewhere between nothing and `longest`, so that many clients do not come back at once.
Duration jitter(Duration longest) {
  thread_local std::minstd_rand engine{std::random_device{}()};
  return Duration{std::uniform_int_distribution<Duration::rep>(0, longest.count())(engine)};
}

Duration retry_after(const HttpResponse* answer) {
  if (answer == nullptr) return {};
  const std::string_view text = answer->header("retry-after");
  unsigned seconds = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (error != std::errc{} || end != text.data() + text.size()) return {};
  return std::min<Duration>(std::chrono::seconds{seconds}, kLongestDelay);
}

}  // namespace

// What one operation remembers from try to try.
struct S3Client::Attempt {
  std::string what;
  std::string payload_hash;
  HeaderList checksums;
  std::string endpoint;  // for now somewhere else
  unsigned tries = 0;
  unsigned failed = 0;       // of them, but for those that the store asked to be put off
  unsigned most_failed = 0;  // 0: not limited
  unsigned damaged = 0;
  bool repeated = false;
  bool refreshed = false, clock_set = false, followed = false;
  Duration begun{};
  std::optional<Duration> first_failure;
  S3Credentials credentials;
  std::string region;  // that it was signed for
  std::string note;    // the request id of an answer that has begun
};

// Keeps the number of requests at once to what the options allow.
class S3Client::Slot {
 public:
  explicit Slot(S3Client& client) HOLDFAST_UNCHECKED : client_(client) {
    std::unique_lock lock(client_.mutex_);
    const auto free = [this]() HOLDFAST_UNCHECKED { return client_.slots_ > 0; };
    if (!client_.slot_free_.wait(lock, client_.stop_now(), free)) {
      throw Error(Code::kCancelled, "interrupted");
    }
    take();
  }
  ~Slot() {
    {
      MutexLock lock(client_.mutex_);
      ++client_.slots_;
    }
    client_.slot_free_.notify_one();
  }
  Slot(const Slot&) = delete;
  Slot& operator=(const Slot&) = delete;

 private:
  void take() HOLDFAST_UNCHECKED { --client_.slots_; }

  S3Client& client_;
};

S3Place resolve_place(const S3Options& options, const Environment& environment) {
  const auto variable = [&](const char* name) { return environment(name).value_or(""); };
  const auto setting = [&](const char* name) {
    return profile_setting(environment, options.profile, name);
  };
  S3Place place;
  place.region = first_of({options.region, variable("AWS_REGION"), variable("AWS_DEFAULT_REGION"),
                           setting("region"), "us-east-1"});
  place.endpoint =
      first_of({options.endpoint, variable("AWS_ENDPOINT_URL_S3"), variable("AWS_ENDPOINT_URL"),
                setting("endpoint_url"), aws_endpoint(place.region)});
  while (place.endpoint.ends_with('/')) place.endpoint.pop_back();
  if (!place.endpoint.starts_with("https://") && !place.endpoint.starts_with("http://")) {
    throw Error(Code::kInvalid, fmt::format("'{}' is no endpoint", place.endpoint),
                "write http://HOST:PORT or https://HOST:PORT");
  }
  place.ca_file = first_of({options.ca_file, variable("AWS_CA_BUNDLE"), setting("ca_bundle")});
  return place;
}

S3Client::S3Client(std::string bucket, const S3Options& options, Clock& clock, std::stop_token stop)
    : bucket_(std::move(bucket)),
      options_(options),
      clock_(clock),
      stop_(std::move(stop)),
      http_(http_options(options, resolve_place(options, process_environment()), clock)),
      credentials_(http_, clock, credential_options(options)),
      // No sooner than a single request would give up: a store that is away for a minute must not
      // end a backup that may wait for five.
      breaker_(clock, {.span = options.retry_for}),
      notice_(clock, options.notice, options.outage),
      slots_(std::max(1u, options.connections)) {
  S3Place place = resolve_place(options, process_environment());
  endpoint_ = std::move(place.endpoint);
  region_ = std::move(place.region);
  // A dot in a bucket's name would not match the certificate of the virtual host.
  const bool plain_name = bucket_.find('.') == std::string::npos;
  path_style_ = options.addressing == S3Addressing::kPath ||
                (options.addressing == S3Addressing::kAuto && !(is_aws(endpoint_) && plain_name));
}

std::string S3Client::endpoint() const {
  MutexLock lock(mutex_);
  return endpoint_;
}

std::string S3Client::region() const {
  MutexLock lock(mutex_);
  return region_;
}

std::pair<std::string, std::string> S3Client::address() const {
  MutexLock lock(mutex_);
  return {endpoint_, region_};
}

Timestamp S3Client::store_time() const { return clock_.now() + Duration{skew_ns_.load()}; }

std::optional<Duration> S3Client::clock_difference() const {
  MutexLock lock(mutex_);
  return difference_;
}

void S3Client::note_date(const HttpResponse& answer) {
  const auto date = parse_http_date(answer.header("date"));
  // The date is that of the beginning.
  if (!date || answer.body_size > kSmallBody) return;
  MutexLock lock(mutex_);
  difference_ = *date - clock_.now();
}

std::string S3Client::what(const S3Request& request) const {
  std::string_view verb = request.method == "PUT" || request.method == "POST" ? "write"
                          : request.method == "DELETE"                        ? "remove"
                                                                              : "read";
  if (request.key.empty() && request.method == "GET") verb = "list or read settings of";
  return fmt::format("{} s3://{}{}{}", verb, bucket_, request.key.empty() ? "" : "/", request.key);
}

void S3Client::set_checksums(const S3Request& request, Attempt& state) const {
  const bool unsigned_body = request.body.size > 0 && (options_.checksum == S3Checksum::kCrc32 ||
                                                       options_.checksum == S3Checksum::kNone);
  if (unsigned_body) {
    state.payload_hash = kUnsignedPayload;
  } else if (!request.body_sha256.empty()) {
    state.payload_hash = request.body_sha256;
  } else {
    state.payload_hash = to_hex(digest_of(request.body, EVP_sha256()));
  }
  if (request.body.size == 0) return;
  if (options_.checksum == S3Checksum::kCrc32) {
    state.checksums.emplace_back("x-amz-checksum-crc32", crc32_of(request.body));
  }
  // Settings of a bucket and objects with a lock are refused without one.
  if (options_.checksum == S3Checksum::kMd5 || options_.lock != LockMode::kNone ||
      request.body.size <= kSmallBody) {
    state.checksums.emplace_back("content-md5", to_base64(digest_of(request.body, EVP_md5())));
  }
}

HttpResponse S3Client::attempt(const S3Request& request, Attempt& state) {
  // Both at once: another request may be learning where the bucket is.
  const auto [known_endpoint, known_region] = address();
  const std::string& base = state.endpoint.empty() ? known_endpoint : state.endpoint;
  std::string scheme = base.substr(0, base.find("://") + 3);
  std::string host = base.substr(scheme.size());
  // A temporary redirect names the host with the bucket in it.
  if (!path_style_ && state.endpoint.empty()) host = bucket_ + "." + host;

  SignableRequest signable;
  signable.method = request.method;
  signable.path = (path_style_ ? "/" + bucket_ : "") +
                  (path_style_ && request.key.empty() ? "" : "/" + request.key);
  signable.query = request.query;
  signable.headers = request.headers;
  signable.headers.insert(signable.headers.end(), state.checksums.begin(), state.checksums.end());
  signable.headers.emplace_back("host", host);
  signable.payload_hash = state.payload_hash;
  state.credentials = credentials_.get();
  state.region = known_region;
  sign(signable, state.credentials, {state.region, "s3", false}, store_time());

  HttpRequest http;
  http.method = request.method;
  const std::string query = canonical_query(signable.query);
  http.url = scheme + host + aws_encode(signable.path, true) + (query.empty() ? "" : "?" + query);
  std::erase_if(signable.headers, [](const auto& header) { return header.first == "host"; });
  http.headers = std::move(signable.headers);
  http.body = request.body;
  http.expect_continue = request.expect_continue || state.tries > 1;
  http.into = request.into;
  http.sink = request.sink;
  state.note.clear();
  http.on_head = [&](const HttpResponse& head) { state.note = request_note(head); };
  const std::uint64_t expected = request.into.size() + request.sink_bytes;
  const bool whole = request.method == "GET" && !request.key.empty() && expected == 0;
  const std::uint64_t bytes = request.body.size + (whole ? kLargestWhole : expected);
  const Slot slot(*this);
  const Duration left = state.first_failure
                            ? options_.retry_for - (clock_.monotonic() - *state.first_failure)
                            : std::max(options_.retry_for, kFirstTry);
  http.deadline = in_grace() ? Grace::kLength : request_deadline(options_, bytes, left);
  try {
    return http_.send(http, stop_now());
  } catch (const Error& error) {
    if (error.code() == Code::kCancelled) throw;
    throw with_note(error, state.note);
  }
}

Duration S3Client::patience(const Error& failure) const {
  if (in_grace()) return std::min(Grace::kLength, options_.retry_for);
  const bool unknown = failure.message().find(kNoSuchHost) != std::string::npos;
  return unknown && !answered_ ? std::min(kUnknownHost, options_.retry_for) : options_.retry_for;
}

void S3Client::wait_before_retry(S3Failure& failure, const HttpResponse* answer, Attempt& state) {
  const Duration now = clock_.monotonic();
  if (!state.first_failure) state.first_failure = now;
  const bool damaged = failure.error.code() == Code::kCorrupt && ++state.damaged >= kDamagedTries;
  const Duration first = failure.remedy == S3Remedy::kSlowDown ? kFirstSlowDelay : kFirstDelay;
  const Duration longest = std::min(kLongestDelay, first * (1u << std::min(state.tries, 10u)));
  const Duration delay = std::max(jitter(longest), retry_after(answer));
  const Duration end = *state.first_failure + patience(failure.error);
  if (failure.remedy != S3Remedy::kSlowDown) ++state.failed;
  const bool enough = state.most_failed > 0 && state.failed >= state.most_failed;
  if (damaged || now + delay > end || enough) {
    throw Error(failure.error.code(),
                fmt::format("{}; tried {} in {}", failure.error.message(),
                            state.tries == 1 ? "once" : fmt::format("{} times", state.tries),
                            format_duration(now - *state.first_failure)),
                failure.error.hint());
  }
  // A transfer that broke off after minutes is no outage yet; a store that never answered may be.
  const Duration since = answered_ ? *state.first_failure : state.begun;
  notice_.waits(since, delay, failure.error.message(), clock_.now() + (end - now));
  if (!clock_.sleep_for(delay, stop_now())) throw Error(Code::kCancelled, "interrupted");
}

void S3Client::recover(S3Failure failure, const HttpResponse* answer, Attempt& state) {
  const auto once = [](bool& done) { return !std::exchange(done, true); };
  // The answer to HEAD does not say which of the two it is: expired, or the wrong region.
  if (failure.remedy == S3Remedy::kRefreshCredentials && !failure.region.empty() &&
      failure.region != state.region) {
    failure.remedy = S3Remedy::kFollow;
  }
  switch (failure.remedy) {
    case S3Remedy::kRetry:
    case S3Remedy::kSlowDown:
      if (failure.error.code() == Code::kUnavailable) breaker_.failed(failure.error.message());
      return wait_before_retry(failure, answer, state);
    case S3Remedy::kRefreshCredentials:
      if (!once(state.refreshed)) break;
      credentials_.refuse(state.credentials);
      return;
    case S3Remedy::kSetClock: {
      const auto theirs = parse_http_date(answer->header("date"));
      if (!theirs || !once(state.clock_set)) break;
      skew_ns_ = (*theirs - clock_.now()).count();
      return;
    }
    case S3Remedy::kFollow: {
      if (!once(state.followed)) break;
      // Never from a protected connection to an open one.
      const bool safe =
          failure.location.starts_with("https://") || endpoint().starts_with("http://");
      if (answer->status == 307 && !failure.location.empty() && safe) {
        state.endpoint = failure.location;
        return;
      }
      MutexLock lock(mutex_);
      if (failure.region.empty() || failure.region == state.region) break;
      if (failure.region == region_) return;  // another request has learned it meanwhile
      endpoint_ = moved_endpoint(endpoint_, region_, failure.region);
      region_ = failure.region;
      return;
    }
    case S3Remedy::kNone:
      break;
  }
  throw std::move(failure.error);
}

S3Answer S3Client::send(const S3Request& request) {
  Attempt state;
  state.what = what(request);
  state.begun = clock_.monotonic();
  state.most_failed = request.tries;
  set_checksums(request, state);
  for (;;) {
    breaker_.check();
    ++state.tries;
    std::optional<HttpResponse> answer;
    std::optional<Error> lost;
    try {
      answer = attempt(request, state);
    } catch (Error& error) {
      if (error.code() != Code::kUnavailable) throw;
      lost = std::move(error.add_context("cannot " + state.what));
    }
    if (lost) {
      state.repeated = true;
      const bool silent = lost->message().find("Empty reply") != std::string::npos;
      const bool plain = endpoint().starts_with("http://");
      lost->suggest("check the network and the endpoint " + endpoint() +
                    (silent && plain ? " (if that port speaks TLS, write https://)" : "") +
                    "; what was done so far stays, and the same command goes on from there");
      recover({S3Remedy::kRetry, *lost, {}, {}}, nullptr, state);
      continue;
    }
    answered_ = true;
    note_date(*answer);
    const int status = answer->status;
    if (status / 100 == 2 || std::count(request.expected.begin(), request.expected.end(), status)) {
      breaker_.succeeded();
      notice_.answered(endpoint());
      if (auto stranger = stranger_error(*answer, endpoint()); status / 100 == 2 && stranger) {
        throw std::move(*stranger);
      }
      return {std::move(*answer), state.repeated};
    }
    if (status >= 500) {
      state.repeated = true;  // 500 and 503 do not say that nothing was written
    } else {
      breaker_.succeeded();  // it answers; what it says is another matter
    }
    recover(judge(*answer, state.what), &*answer, state);
  }
}

}  // namespace holdfast
