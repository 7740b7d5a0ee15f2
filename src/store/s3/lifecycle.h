// The lifecycle rules of a bucket, both ways. Source: S3 API reference,
// PutBucketLifecycleConfiguration.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"

namespace holdfast {

struct LifecycleTransition {
  unsigned days = 0;
  std::string date;  // instead of days; as the store writes it
  std::string storage_class;
  bool operator==(const LifecycleTransition&) const = default;
};

// What the store does by itself with the objects below a prefix. Days count from the writing of an
// object; for versions, from when they were overwritten or deleted.
struct LifecycleRule {
  std::string id;
  std::string prefix;                            // empty: every object of the bucket
  std::vector<LifecycleTransition> transitions;  // by days
  std::optional<unsigned> expire_days;
  std::string expire_date;                               // instead of expire_days
  bool remove_delete_markers = false;                    // that have no version below them
  std::vector<LifecycleTransition> version_transitions;  // by days
  std::optional<unsigned> expire_versions_days;
  std::optional<unsigned> abort_uploads_days;
  bool operator==(const LifecycleRule&) const = default;
};

// A rule that a bucket has.
struct BucketRule {
  LifecycleRule rule;
  bool enabled = true;
  bool tagged = false;             // only for objects with certain tags
  std::vector<std::string> other;  // elements that LifecycleRule has no place for
  std::string xml;                 // the whole <Rule>, without namespaces
};

// The rules of a LifecycleConfiguration, in its order. Throws Error(kCorrupt).
std::vector<BucketRule> parse_lifecycle(ByteView document);

// The document with `kept` as they were and then `rules`. A prefix that a kept rule names beside
// its filter, as was done before 2016, is put into one: AWS takes no mixture.
std::string lifecycle_document(const std::vector<BucketRule>& kept,
                               const std::vector<LifecycleRule>& rules);

// Whether the bucket's rule does exactly what `wanted` says.
bool is_same(const BucketRule& rule, const LifecycleRule& wanted);

// "STANDARD_IA after 30 days, GLACIER after 90 days; old versions are removed after 30 days".
std::string describe(const LifecycleRule& rule);
std::string describe(const BucketRule& rule);

}  // namespace holdfast
