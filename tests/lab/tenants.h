// A bucket of the lab's owner that other users may work in by the least policies of their roles.
#pragma once

#include <string>

#include "os/clock.h"
#include "store/s3/bucket.h"
#include "store/s3/policy.h"
#include "store/s3/s3_store.h"
#include "support/lab.h"

namespace holdfast::test {

inline constexpr const char* kWriterArn = "arn:aws:iam:::user/writer";
inline constexpr const char* kReaderArn = "arn:aws:iam:::user/reader";

// Ceph has no AWS conditions.
inline PolicyPlace lab_place(const std::string& bucket) {
  return {bucket, "vault/", false, 1u, {}};
}

// The vault's place in the bucket, as `user`; with a lock of an hour on what is written when
// `locked`.
inline S3Options tenant_options(const std::string& user, LockMode lock = LockMode::kNone) {
  S3Options options = lab_options(Region::kEast, user);
  options.lock = lock;
  options.lock_period = std::chrono::hours{1};
  return options;
}

inline S3Store tenant_store(const std::string& bucket, const S3Options& options) {
  return {"s3://" + bucket + "/vault", options, system_clock()};
}

inline void allow(S3Client& owner, const std::string& policy) {
  set_bucket_setting(owner, "policy", policy);
}

}  // namespace holdfast::test
