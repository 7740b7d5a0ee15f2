// What can be set of an S3 store, as plain data.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/time.h"

namespace holdfast {

enum class S3Addressing {
  kAuto,     // virtual-host style for AWS, path style for every other endpoint
  kPath,     // https://endpoint/bucket/key
  kVirtual,  // https://bucket.endpoint/key
};
// How a store can tell that an upload arrived as it was sent.
enum class S3Checksum {
  kSha256,  // signed with the request; every store checks it
  kMd5,     // Content-MD5, beside the signed hash
  kCrc32,   // x-amz-checksum-crc32, body unsigned; for stores that know it
  kNone,    // body unsigned; for TLS alone
};
enum class S3Encryption { kNone, kSseS3, kSseKms };
enum class LockMode { kNone, kGovernance, kCompliance };

struct S3Options {
  std::string endpoint;  // "https://host[:port]"; empty: AWS's own for the region
  std::string region;    // empty: as the environment and the profile say, else us-east-1
  S3Addressing addressing = S3Addressing::kAuto;
  std::string profile;  // of ~/.aws; empty: $AWS_PROFILE, else "default"
  std::string ca_file;  // PEM; empty: $AWS_CA_BUNDLE, else the system's
  std::string proxy;    // empty: as the environment says
  // Of objects of 1 MiB and more, which are packs; empty: the bucket's default.
  std::string storage_class;
  S3Encryption encryption = S3Encryption::kNone;
  std::string kms_key;  // with kSseKms; empty: the account's default
  S3Checksum checksum = S3Checksum::kSha256;
  LockMode lock = LockMode::kNone;
  Duration lock_period{};  // of every object written, from its writing
  // Prefixes of what protects nothing and has to go again soon.
  std::vector<std::string> never_locked = {"lease/", "doom/"};
  std::uint64_t upload_limit = 0;         // bytes a second; 0: none
  std::uint64_t download_limit = 0;       // bytes a second; 0: none
  std::uint64_t upload_part = 16u << 20;  // of what is larger; S3 takes no less than 5 MiB
  // Up to which size an object whose hash is known goes with one request: packs, and what may
  // follow their end.
  std::uint64_t upload_whole = 96u << 20;
  unsigned connections = 16;                            // requests at once
  Duration request_timeout = std::chrono::seconds{60};  // beside what the body's size adds
  Duration retry_for = std::chrono::minutes{5};         // in all, for one operation
  // Without If-None-Match and If-Match: look, then write. Two writers at one instant can defeat it.
  bool emulate_conditions = false;
  // Read the bucket as it was then (needs versioning); unset: as it is now. Such a store only
  // reads.
  std::optional<Timestamp> as_of;
  // Told now and then, by any thread, what is being waited for; unset: nobody is told.
  std::function<void(const std::string&)> notice;
  // Told at once, by any thread, why the store is waited for; empty: it answers again.
  std::function<void(const std::string&)> outage;
};

}  // namespace holdfast
