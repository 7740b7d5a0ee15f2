// A bucket of the lab's owner in which other users work by the least policies of their roles.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "os/clock.h"
#include "store/s3/bucket.h"
#include "store/s3/policy.h"
#include "store/s3/s3_store.h"
#include "support/lab.h"

namespace holdfast::test {

inline constexpr const char* kOwnerArn = "arn:aws:iam:::user/operator";
inline constexpr const char* kWriterArn = "arn:aws:iam:::user/writer";

// Ceph has none of AWS's conditions.
inline PolicyPlace lab_place(const std::string& bucket) {
  return {bucket, "vault/", false, 1u, {}};
}

// For the vault's place in the bucket, as `user`; with a lock of an hour on what is written.
// Buckets with versions know no conditional writes in Ceph 16.
inline S3Options tenant_options(const std::string& user, LockMode lock = LockMode::kNone) {
  S3Options options = lab_options(Region::kEast, user);
  options.lock = lock;
  options.lock_period = std::chrono::hours{1};
  options.emulate_conditions = lock != LockMode::kNone;
  return options;
}

inline S3Store tenant_store(const std::string& bucket, const S3Options& options) {
  return {"s3://" + bucket + "/vault", options, system_clock()};
}

// Lets the lab's writer do that. An object belongs to who wrote it, so the bucket's owner has to be
// let in too.
inline void allow_writer(S3Client& owner, const std::vector<PolicyStatement>& statements) {
  using Json = nlohmann::ordered_json;
  const std::string bucket = "arn:aws:s3:::" + owner.bucket();
  Json policy = Json::parse(policy_json(statements, kWriterArn));
  const Json all =
      Json::parse(policy_json({{"Owner", {"s3:*"}, {bucket, bucket + "/*"}}}, kOwnerArn));
  policy["Statement"].push_back(all["Statement"][0]);
  set_bucket_setting(owner, "policy", policy.dump());
}

}  // namespace holdfast::test
