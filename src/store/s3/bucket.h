// The bucket itself: whether it is there, and its settings.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "store/s3/client.h"

namespace holdfast {

// Throws Error(kNotFound) when there is no such bucket; a key without the right to look may go on.
void require_bucket(S3Client& client);
// Makes the bucket when there is none, with Object Lock when the options want a lock. Throws
// kInvalid when a lock is wanted and the bucket that is there has none.
void ensure_bucket(S3Client& client);

// The answer whose body is the XML of a setting: "lifecycle", "versioning", "replication",
// "object-lock", "policy". Nothing when the bucket has none. To be looked at within reading().
std::optional<HttpResponse> bucket_setting(S3Client& client, std::string_view name);
void set_bucket_setting(S3Client& client, std::string_view name, const std::string& document);
void remove_bucket_setting(S3Client& client, std::string_view name);

enum class Versioning { kNever, kEnabled, kSuspended };
Versioning bucket_versioning(S3Client& client);

// Whether Object Lock can be used, and the bucket's own default for new objects.
struct BucketLock {
  bool enabled = false;
  LockMode mode = LockMode::kNone;
  unsigned days = 0;  // years count 365
};
BucketLock bucket_lock(S3Client& client);

}  // namespace holdfast
