// Requests to one bucket: addressed, signed, tried again when that can help, and judged.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "net/http.h"
#include "os/grace.h"
#include "os/mutex.h"
#include "store/s3/circuit_breaker.h"
#include "store/s3/credentials.h"
#include "store/s3/errors.h"
#include "store/s3/options.h"
#include "store/s3/outage_notice.h"
#include "store/s3/sign.h"

namespace holdfast {

struct S3Request {
  std::string method = "GET";
  std::string key = {};  // with the prefix; empty: the bucket itself
  QueryParameters query = {};
  HeaderList headers = {};
  HttpBody body = {};
  std::string body_sha256 = {};  // hex, when it is known already
  MutableBytes into = {};        // as HttpRequest::into
  HttpSink sink = {};            // as HttpRequest::sink
  std::uint64_t sink_bytes = 0;  // that it will be given
  // As HttpRequest::expect_continue, for the first try; all others ask.
  bool expect_continue = true;
  unsigned tries = 0;  // at most, without those that the store put off; 0: as many as fit in
                       // S3Options::retry_for
  // Statuses below 500 that are an answer to the caller, not an error.
  std::vector<int> expected = {};
};

struct S3Answer {
  HttpResponse http;
  // A try whose fate is unknown came before this answer: a write with a condition may have been
  // refused now because it worked then.
  bool repeated = false;
};

// Thread-safe.
class S3Client {
 public:
  // Makes no request. `clock` must outlive it; `stop` ends whatever waits with kCancelled.
  S3Client(std::string bucket, const S3Options& options, Clock& clock, std::stop_token stop);

  // 2xx, or one of `expected`. Throws kNotFound (no such key, no such bucket), kDenied, kConflict
  // (412, 409), kExhausted (quota), kUnavailable (after all tries, or the circuit is open),
  // kCorrupt (a wrong checksum in either direction), kUnsupported, kInvalid; each message has the
  // store's own code and request id, each hint what to do.
  S3Answer send(const S3Request& request);

  const std::string& bucket() const { return bucket_; }
  const S3Options& options() const { return options_; }
  // Both may change when the store says that the bucket is in another region.
  std::string endpoint() const;
  std::string region() const;
  // Now, by the store's clock as far as its answers told.
  Timestamp store_time() const;
  // The store's clock minus ours, by the date of its last answer, to a second or two; nothing as
  // long as no answer had a date.
  std::optional<Duration> clock_difference() const;
  Clock& clock() const { return clock_; }
  // Whether the store wants the etag of If-Match without quotes; learned from its answers.
  bool bare_etags() const { return bare_etags_; }
  void use_bare_etags() { bare_etags_ = true; }
  // Whether bytes may change on the way unnoticed.
  bool over_plain_http() const { return endpoint().starts_with("http://"); }
  // Whether ETags that look like an MD5 are one; until an object was seen that says otherwise.
  bool etags_are_hashes() const { return etags_are_hashes_; }
  void use_no_etags_as_hashes() { etags_are_hashes_ = false; }
  std::stop_token stop() const { return stop_; }

 private:
  class Slot;
  struct Attempt;

  // What was asked to stop may still send what it needs to leave nothing behind.
  bool in_grace() const { return stop_.stop_requested() && Grace::is_given(); }
  std::stop_token stop_now() const { return in_grace() ? std::stop_token{} : stop_; }

  std::pair<std::string, std::string> address() const;  // endpoint and region
  void note_date(const HttpResponse& answer);
  HttpResponse attempt(const S3Request& request, Attempt& state);
  // What to do after a failure: returns when it is to be tried again, else throws.
  void recover(S3Failure failure, const HttpResponse* answer, Attempt& state);
  // How long a failure is met with more tries.
  Duration patience(const Error& failure) const;
  void wait_before_retry(S3Failure& failure, const HttpResponse* answer, Attempt& state);
  void set_checksums(const S3Request& request, Attempt& state) const;
  std::string what(const S3Request& request) const;

  const std::string bucket_;
  const S3Options options_;
  Clock& clock_;
  const std::stop_token stop_;
  bool path_style_ = true;
  HttpClient http_;
  CredentialSource credentials_;
  CircuitBreaker breaker_;
  OutageNotice notice_;
  std::atomic<bool> answered_{false};  // the store, whatever it said
  std::atomic<bool> bare_etags_{false};
  std::atomic<bool> etags_are_hashes_{true};
  std::atomic<std::int64_t> skew_ns_{0};  // the store's clock minus ours
  mutable Mutex mutex_;
  std::condition_variable_any slot_free_;
  std::optional<Duration> difference_ GUARDED_BY(mutex_);
  unsigned slots_ GUARDED_BY(mutex_);
  std::string endpoint_ GUARDED_BY(mutex_);  // scheme://host[:port]
  std::string region_ GUARDED_BY(mutex_);
};

// Where a bucket's store is, after the options, the environment and the profile had their say.
struct S3Place {
  std::string endpoint;
  std::string region;
  std::string ca_file;
};
S3Place resolve_place(const S3Options& options, const Environment& environment);

}  // namespace holdfast
