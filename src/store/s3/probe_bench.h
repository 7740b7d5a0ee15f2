// What the parts of a probe share: the store, an area of its own in the bucket, and the results.
// Inside the room.
#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "store/s3/bucket.h"
#include "store/s3/client.h"
#include "store/s3/probe.h"
#include "store/s3/s3_store.h"

namespace holdfast {

Bytes random_bytes(std::size_t size);
std::string random_name();                            // "probe-" and 16 hex digits
std::string milliseconds_of(Duration duration);       // "12.3 ms"
std::string answer_text(const HttpResponse& answer);  // "400 InvalidArgument"

// What an attempt throws: the store does not have the feature, or has it wrong.
Error missing_feature(const std::string& text);
Error missing_feature(const std::string& text, const HttpResponse& answer);  // with its request id
Error wrong_answer(const std::string& text);
void expect_right(bool right, const char* text);  // throws wrong_answer

// Throws unless the answer says that the condition did not hold; tells a store that refuses the
// header from one that does not look at it.
void expect_failed_condition(const HttpResponse& answer, const char* ignored);

class ProbeBench {
 public:
  // All must outlive it.
  ProbeBench(S3Store& store, const std::function<void(const Feature&)>& seen);

  // Tries; true when it works. What `attempt` returns becomes the detail.
  bool feature(const std::string& name, bool needed, const std::string& consequence,
               const std::function<std::string()>& attempt);
  std::vector<Feature> take() { return std::move(features_); }

  S3Store& store() const { return store_; }
  S3Client& client() const { return client_; }
  // As the store is set, but for what would add headers to those that are tried.
  S3Client& bare() { return bare_; }

  // A name in our area, as S3Store and as S3Client know it.
  std::string key(const std::string& name) const { return area_ + name; }
  std::string full(const std::string& name) const { return store_.prefix() + area_ + name; }
  S3Request request(const char* method, const std::string& name) const;
  S3Request put(const std::string& name, ByteView data, HeaderList more = {}) const;

  // Uploads that are begun here are aborted at the end.
  std::string begin_upload(const S3Request& begin);
  std::string begin_upload(const std::string& name) { return begin_upload(request("POST", name)); }
  std::string send_part(const std::string& name, const std::string& upload, unsigned number,
                        ByteView data);  // its ETag
  S3Request completion(const std::string& name, const std::string& upload, ByteView body) const;
  void completed(const std::string& full_key, const std::string& upload);
  void abort_upload(const std::string& full_key, const std::string& upload);

  // Removes what the probe left, as far as the key may.
  void clean_up();

  const Bytes small = random_bytes(1000);
  const Bytes other = random_bytes(1200);
  Duration skew{};  // the store's clock minus ours
  Versioning versioning = Versioning::kNever;

 private:
  void remove_versions();
  void tell_remnants();

  S3Store& store_;
  S3Client& client_;
  S3Client bare_;
  const std::function<void(const Feature&)>& seen_;
  const std::string area_;
  std::vector<Feature> features_;
  std::vector<std::pair<std::string, std::string>> uploads_;  // full key, id
};

// The parts, in their order.
bool probe_reach(ProbeBench& bench);  // false: nothing else can be tried
void probe_objects(ProbeBench& bench);
void probe_writes(ProbeBench& bench);
void probe_bucket(ProbeBench& bench);
void probe_speed(ProbeBench& bench);

}  // namespace holdfast
