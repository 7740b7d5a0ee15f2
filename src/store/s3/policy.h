// What a key may do in a bucket, at the least, so that each role can do its work: policies in the
// language of AWS IAM, which Ceph and MinIO speak too.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "store/s3/options.h"

namespace holdfast {

enum class PolicyRole {
  kWriter,    // backs up: creates; changes and removes nothing but leases
  kOperator,  // lists, copies from here, applies retention, prunes; never touches keys
  kRestorer,  // reads everything, old versions too; notes what a validation found
  kCopier,    // writes a copy here: creates, removes nothing but leases
};
std::vector<PolicyRole> policy_roles();
std::string_view policy_role_name(PolicyRole role);

struct PolicyPlace {
  std::string bucket;
  std::string prefix;  // empty, or with a '/' at its end
  // The store has AWS's condition keys (s3:if-none-match, s3:prefix, ...). Without them nobody can
  // be held to creating only; versions and Object Lock have to make up for it.
  bool aws_conditions = true;
  std::optional<unsigned> lock_days;   // objects are written with a lock of so many days
  std::optional<std::string> kms_key;  // encrypted with this key; empty: the account's default
};
// As the options and the endpoint of a store say.
PolicyPlace policy_place(const std::string& bucket, const std::string& prefix,
                         const S3Options& options, std::string_view endpoint);

struct PolicyCondition {
  std::string test;  // "Null", "Bool", ...
  std::string key;
  std::vector<std::string> values;
};
struct PolicyStatement {
  std::string sid;
  std::vector<std::string> actions;
  std::vector<std::string> resources;
  std::vector<PolicyCondition> conditions = {};
  bool deny = false;
};
// What is not mentioned is denied.
std::vector<PolicyStatement> least_policy(PolicyRole role, const PolicyPlace& place);

// The document. With a `principal` it is one for a bucket, else for a user or role.
std::string policy_json(const std::vector<PolicyStatement>& statements,
                        const std::string& principal = {});

}  // namespace holdfast
