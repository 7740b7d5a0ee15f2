// Replication that the store does by itself, as rules of a bucket.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "store/s3/client.h"

namespace holdfast {

struct ReplicationRule {
  std::string id;
  bool enabled = true;
  unsigned priority = 0;
  std::string prefix;       // of the keys; empty: all
  std::string destination;  // ARN of the bucket
  bool delete_markers = true;
  std::string kms_key;  // encrypts at the destination; empty: objects under KMS stay behind
};

struct ReplicationConfiguration {
  std::string role;
  std::vector<ReplicationRule> rules;
};

// Throws Error(kCorrupt).
ReplicationConfiguration parse_replication(std::string_view document);

// The document with `rule` for the one of its id; all others stay as they are. `document` empty:
// there is none yet; `role` empty: the one that it has. A priority of 0 becomes one that no other
// rule has. Throws Error(kConflict) when other rules use another role, since there is one for all.
std::string with_replication_rule(std::string_view document, const std::string& role,
                                  ReplicationRule rule);

// "arn:aws:s3:::BUCKET", in the partition of the region.
std::string bucket_arn(const std::string& bucket, const std::string& region);

// The answer whose body is the document of the bucket; nothing when it has no rule. To be looked at
// within reading(). Throws Error(kUnsupported) when the store knows no rules.
std::optional<HttpResponse> bucket_replication(S3Client& client);
void set_bucket_replication(S3Client& client, const std::string& document);

// Versions are kept from now on.
void enable_versioning(S3Client& client);

// Now, by the store's clock, to the second.
Timestamp store_clock(S3Client& client);

}  // namespace holdfast
