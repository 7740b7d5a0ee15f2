#include "store/s3/policy.h"

#include <nlohmann/json.hpp>
#include <utility>

namespace holdfast {
namespace {

using Json = nlohmann::ordered_json;
using Texts = std::vector<std::string>;

// What lies where: docs/FORMAT.md, "Objects".
const Texts kBackups = {"database/*", "files/*", "config/*"};
const Texts kContent = {"data/*", "meta/*", "index/*"};
const Texts kLogs = {"log/*"};
const Texts kNotes = {"doom/*", "run/*"};
const Texts kEverything = {"*"};
const Texts kLeases = {"lease/*"};

Texts operator+(Texts a, const Texts& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

class Builder {
 public:
  explicit Builder(const PolicyPlace& place) : place_(place) {}

  std::vector<PolicyStatement> take() { return std::move(statements_); }

  void list(const Texts& more) {
    PolicyStatement statement{"List", Texts{"s3:ListBucket"} + more, {arn("")}};
    if (place_.aws_conditions && !place_.prefix.empty()) {
      // IfExists: whether a missing object is a 404 or a 403 also depends on ListBucket, and that
      // question has no prefix.
      statement.conditions = {{"StringLikeIfExists", "s3:prefix", {place_.prefix + "*"}}};
    }
    statements_.push_back(std::move(statement));
  }
  void bucket(const std::string& sid, const Texts& actions) {
    statements_.push_back({sid, actions, {arn("")}});
  }
  void objects(const std::string& sid, const Texts& actions, const Texts& names) {
    statements_.push_back({sid, actions, arns(names)});
  }
  // New objects, never in the place of others. The parts of a large one carry no condition; its
  // completion does.
  void create(const Texts& names) {
    PolicyStatement statement{"Create", {"s3:PutObject"}, arns(names)};
    if (place_.aws_conditions) {
      statement.conditions = {{"Null", "s3:if-none-match", {"false"}}};
      statements_.push_back(statement);
      statement.sid = "CreateParts";
      statement.conditions = {{"Bool", "s3:ObjectCreationOperation", {"false"}}};
    }
    statements_.push_back(std::move(statement));
    objects("Abort", {"s3:AbortMultipartUpload"}, kEverything);
  }
  // The retain-until date comes with each object. Without a ceiling, a thief could lock for ever.
  void lock(const Texts& names) {
    if (!place_.lock_days) return;
    bucket("LockSettings", {"s3:GetBucketObjectLockConfiguration"});
    PolicyStatement statement{"Lock", {"s3:PutObjectRetention"}, arns(names)};
    if (place_.aws_conditions) {
      statement.conditions = {{"NumericLessThanEquals",
                               "s3:object-lock-remaining-retention-days",
                               {std::to_string(*place_.lock_days + 1)}}};
    }
    statements_.push_back(std::move(statement));
    if (place_.aws_conditions) return;
    // In Ceph, who wrote an object owns it, and may lift a governance lock without being allowed
    // to.
    objects("KeepLocks", {"s3:BypassGovernanceRetention"}, kEverything);
    statements_.back().deny = true;
  }
  // Who is at work; the one place where everybody overwrites and removes.
  void leases() { objects("Lease", {"s3:PutObject", "s3:DeleteObject"}, kLeases); }
  void encryption() {
    if (!place_.kms_key) return;
    const std::string& key = *place_.kms_key;
    std::string resource = key.starts_with("arn:") ? key : "arn:aws:kms:*:*:key/" + key;
    if (key.empty() || key.starts_with("alias/")) resource = "arn:aws:kms:*:*:key/*";
    statements_.push_back({"Encrypt", {"kms:GenerateDataKey", "kms:Decrypt"}, {resource}});
  }

 private:
  std::string arn(const std::string& name) const {
    const std::string bucket = "arn:aws:s3:::" + place_.bucket;
    return name.empty() ? bucket : bucket + "/" + place_.prefix + name;
  }
  Texts arns(const Texts& names) const {
    Texts all;
    for (const std::string& name : names) all.push_back(arn(name));
    return all;
  }

  const PolicyPlace& place_;
  std::vector<PolicyStatement> statements_;
};

void add_writer(Builder& policy) {
  policy.list({});
  // Sealed for the restorer: who reads it knows no more than before. A large object is looked for
  // before it is sent, which is a right to read.
  policy.objects("Read", {"s3:GetObject"}, kEverything);
  const Texts written = kContent + kBackups + kLogs + kNotes;
  policy.create(written);
  policy.lock(written);
}

void add_operator(Builder& policy) {
  policy.list({"s3:ListBucketMultipartUploads"});
  policy.bucket("Settings", {"s3:GetBucketVersioning", "s3:GetBucketObjectLockConfiguration",
                             "s3:GetLifecycleConfiguration", "s3:GetReplicationConfiguration"});
  policy.objects("Read", {"s3:GetObject", "s3:GetObjectRetention", "s3:RestoreObject"},
                 kEverything);
  // `repair --from` brings back what is damaged, of every kind.
  policy.create(kContent + kBackups + kLogs + kNotes);
  policy.lock(kEverything);  // lock extend
  policy.objects("Remove", {"s3:DeleteObject"}, kContent + kBackups + kLogs + kNotes);
}

void add_restorer(Builder& policy) {
  policy.list({"s3:ListBucketVersions"});
  policy.objects("Read", {"s3:GetObject", "s3:GetObjectVersion", "s3:RestoreObject"}, kEverything);
  policy.create(kNotes);
  policy.lock(kNotes);
}

void add_copier(Builder& policy) {
  policy.list({});
  policy.objects("Read", {"s3:GetObject", "s3:RestoreObject"}, kEverything);
  const Texts written = Texts{"holdfast.json", "keys/*"} + kContent + kBackups + kLogs + kNotes;
  policy.create(written);
  policy.lock(written);
}

}  // namespace

std::vector<PolicyRole> policy_roles() {
  return {PolicyRole::kWriter, PolicyRole::kOperator, PolicyRole::kRestorer, PolicyRole::kCopier};
}

std::string_view policy_role_name(PolicyRole role) {
  switch (role) {
    case PolicyRole::kWriter:
      return "writer";
    case PolicyRole::kOperator:
      return "operator";
    case PolicyRole::kRestorer:
      return "restorer";
    case PolicyRole::kCopier:
      break;
  }
  return "copier";
}

PolicyPlace policy_place(const std::string& bucket, const std::string& prefix,
                         const S3Options& options, std::string_view endpoint) {
  PolicyPlace place{
      bucket, prefix, endpoint.find(".amazonaws.com") != std::string_view::npos, {}, {}};
  if (options.lock != LockMode::kNone) {
    const auto days = std::chrono::ceil<std::chrono::days>(options.lock_period);
    place.lock_days = static_cast<unsigned>(days.count());
  }
  if (options.encryption == S3Encryption::kSseKms) place.kms_key = options.kms_key;
  return place;
}

std::vector<PolicyStatement> least_policy(PolicyRole role, const PolicyPlace& place) {
  Builder policy(place);
  switch (role) {
    case PolicyRole::kWriter:
      add_writer(policy);
      break;
    case PolicyRole::kOperator:
      add_operator(policy);
      break;
    case PolicyRole::kRestorer:
      add_restorer(policy);
      break;
    case PolicyRole::kCopier:
      add_copier(policy);
      break;
  }
  policy.leases();
  policy.encryption();
  return policy.take();
}

std::string policy_json(const std::vector<PolicyStatement>& statements,
                        const std::string& principal) {
  Json list = Json::array();
  for (const PolicyStatement& statement : statements) {
    Json json{{"Sid", statement.sid}, {"Effect", statement.deny ? "Deny" : "Allow"}};
    if (!principal.empty()) json["Principal"] = {{"AWS", Json::array({principal})}};
    json["Action"] = statement.actions;
    json["Resource"] = statement.resources;
    for (const PolicyCondition& condition : statement.conditions) {
      json["Condition"][condition.test][condition.key] =
          condition.values.size() == 1 ? Json(condition.values[0]) : Json(condition.values);
    }
    list.push_back(std::move(json));
  }
  return Json{{"Version", "2012-10-17"}, {"Statement", list}}.dump(2);
}

}  // namespace holdfast
