// Policies are data: what each role may do, and above all what it may not.
#include "store/s3/policy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

namespace holdfast {
namespace {

using nlohmann::json;
using ::testing::Contains;
using ::testing::Each;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;
using ::testing::UnorderedElementsAre;

PolicyPlace place() { return {"b", "p/", true, {}, {}}; }

// Action -> the resources it is allowed for, under whatever condition.
std::map<std::string, std::set<std::string>> rights(PolicyRole role, const PolicyPlace& where) {
  std::map<std::string, std::set<std::string>> all;
  for (const PolicyStatement& statement : least_policy(role, where)) {
    if (statement.deny) continue;
    for (const std::string& action : statement.actions) {
      all[action].insert(statement.resources.begin(), statement.resources.end());
    }
  }
  return all;
}

std::set<std::string> actions(PolicyRole role, const PolicyPlace& where = place()) {
  std::set<std::string> names;
  for (const auto& [action, resources] : rights(role, where)) names.insert(action);
  return names;
}

std::set<std::string> below(const std::vector<std::string>& names) {
  std::set<std::string> resources;
  for (const std::string& name : names) resources.insert("arn:aws:s3:::b/p/" + name);
  return resources;
}

TEST(Policy, EachRoleHasTheseActionsAndNoOther) {
  EXPECT_THAT(actions(PolicyRole::kWriter),
              UnorderedElementsAre("s3:ListBucket", "s3:GetObject", "s3:PutObject",
                                   "s3:AbortMultipartUpload", "s3:DeleteObject"));
  EXPECT_THAT(actions(PolicyRole::kCopier),
              UnorderedElementsAre("s3:ListBucket", "s3:GetObject", "s3:RestoreObject",
                                   "s3:PutObject", "s3:AbortMultipartUpload", "s3:DeleteObject"));
  EXPECT_THAT(actions(PolicyRole::kRestorer),
              UnorderedElementsAre("s3:ListBucket", "s3:ListBucketVersions", "s3:GetObject",
                                   "s3:GetObjectVersion", "s3:RestoreObject", "s3:PutObject",
                                   "s3:AbortMultipartUpload", "s3:DeleteObject"));
  EXPECT_THAT(actions(PolicyRole::kOperator),
              UnorderedElementsAre("s3:ListBucket", "s3:ListBucketMultipartUploads",
                                   "s3:GetBucketVersioning", "s3:GetBucketObjectLockConfiguration",
                                   "s3:GetLifecycleConfiguration", "s3:GetReplicationConfiguration",
                                   "s3:GetObject", "s3:GetObjectRetention", "s3:RestoreObject",
                                   "s3:PutObject", "s3:AbortMultipartUpload", "s3:DeleteObject"));
}

TEST(Policy, OnlyTheOperatorRemovesMoreThanLeases) {
  for (const PolicyRole role : {PolicyRole::kWriter, PolicyRole::kRestorer, PolicyRole::kCopier}) {
    EXPECT_EQ(rights(role, place()).at("s3:DeleteObject"), below({"lease/*"}))
        << policy_role_name(role);
  }
  EXPECT_EQ(rights(PolicyRole::kOperator, place()).at("s3:DeleteObject"),
            below({"data/*", "meta/*", "index/*", "database/*", "files/*", "config/*", "log/*",
                   "doom/*", "run/*", "lease/*"}));
}

TEST(Policy, NobodyMayDestroyVersionsLiftLocksOrChangeTheBucket) {
  PolicyPlace locked = place();
  locked.lock_days = 30;
  for (const PolicyRole role : policy_roles()) {
    for (const std::string& action : actions(role, locked)) {
      EXPECT_THAT(action, Not(::testing::AnyOf("s3:*", "s3:DeleteObjectVersion",
                                               "s3:BypassGovernanceRetention")));
      EXPECT_THAT(action, Not(::testing::HasSubstr("DeleteBucket")));
      if (action.starts_with("s3:Put")) {
        EXPECT_THAT(action, ::testing::AnyOf("s3:PutObject", "s3:PutObjectRetention"));
      }
    }
  }
}

TEST(Policy, KeysAndTheConfigurationAreWrittenByCopiersAlone) {
  for (const PolicyRole role : policy_roles()) {
    const auto written = rights(role, place()).at("s3:PutObject");
    const bool copier = role == PolicyRole::kCopier;
    EXPECT_EQ(written.contains("arn:aws:s3:::b/p/holdfast.json"), copier);
    EXPECT_EQ(written.contains("arn:aws:s3:::b/p/keys/*"), copier);
    EXPECT_FALSE(written.contains("arn:aws:s3:::b/p/*"));
  }
}

TEST(Policy, WhatIsNoLeaseCanOnlyBeCreated) {
  for (const PolicyRole role : policy_roles()) {
    for (const PolicyStatement& statement : least_policy(role, place())) {
      if (!std::count(statement.actions.begin(), statement.actions.end(), "s3:PutObject")) continue;
      if (statement.sid == "Lease") {
        EXPECT_THAT(statement.resources, Each(StartsWith("arn:aws:s3:::b/p/lease/")));
        continue;
      }
      ASSERT_EQ(statement.conditions.size(), 1u) << statement.sid;
      EXPECT_THAT(statement.conditions[0].key,
                  ::testing::AnyOf("s3:if-none-match", "s3:ObjectCreationOperation"));
      EXPECT_THAT(statement.conditions[0].values, ::testing::ElementsAre("false"));
    }
  }
}

// Where the store does not know these conditions, it would refuse every write.
TEST(Policy, WithoutAwsConditionsThereAreNone) {
  PolicyPlace where{"b", "p/", false, 30, {}};
  for (const PolicyRole role : policy_roles()) {
    for (const PolicyStatement& statement : least_policy(role, where)) {
      EXPECT_THAT(statement.conditions, IsEmpty()) << statement.sid;
    }
  }
}

TEST(Policy, ALockIsLimitedToItsPeriod) {
  PolicyPlace where = place();
  EXPECT_THAT(actions(PolicyRole::kWriter, where), Not(Contains("s3:PutObjectRetention")));
  where.lock_days = 30;
  for (const PolicyStatement& statement : least_policy(PolicyRole::kWriter, where)) {
    if (statement.sid != "Lock") continue;
    EXPECT_EQ(statement.conditions.at(0).key, "s3:object-lock-remaining-retention-days");
    EXPECT_EQ(statement.conditions.at(0).values.at(0), "31");
    EXPECT_THAT(statement.resources, Not(Contains("arn:aws:s3:::b/p/lease/*")));
    return;
  }
  FAIL() << "no statement for the lock";
}

// There the writer of an object owns it, and ownership is a right to bypass.
TEST(Policy, ElsewhereTheRightToLiftLocksIsTakenAway) {
  const PolicyPlace where{"b", "", false, 30, {}};
  for (const PolicyRole role : policy_roles()) {
    const json policy = json::parse(policy_json(least_policy(role, where)));
    const bool denied =
        std::any_of(policy["Statement"].begin(), policy["Statement"].end(), [](const json& s) {
          return s["Effect"] == "Deny" && s["Action"][0] == "s3:BypassGovernanceRetention" &&
                 s["Resource"][0] == "arn:aws:s3:::b/*";
        });
    EXPECT_TRUE(denied) << policy_role_name(role);
  }
}

TEST(Policy, IsJsonInTheSyntaxOfAws) {
  const auto statements = least_policy(PolicyRole::kWriter, place());
  const json user = json::parse(policy_json(statements));
  EXPECT_EQ(user.at("Version"), "2012-10-17");
  ASSERT_EQ(user.at("Statement").size(), statements.size());
  for (const json& statement : user.at("Statement")) {
    EXPECT_EQ(statement.at("Effect"), "Allow");
    EXPECT_FALSE(statement.contains("Principal"));
  }
  EXPECT_EQ(user["Statement"][0]["Condition"]["StringLikeIfExists"]["s3:prefix"], "p/*");
  const json bucket = json::parse(policy_json(statements, "arn:aws:iam:::user/writer"));
  EXPECT_EQ(bucket["Statement"][0]["Principal"]["AWS"][0], "arn:aws:iam:::user/writer");
}

// A managed policy of AWS may have 6,144 characters, white space not counted.
TEST(Policy, FitsIntoWhatAwsTakes) {
  const PolicyPlace where{std::string(63, 'b'), std::string(30, 'p') + "/", true, 30, "key"};
  for (const PolicyRole role : policy_roles()) {
    EXPECT_LT(json::parse(policy_json(least_policy(role, where))).dump().size(), 6144u)
        << policy_role_name(role);
  }
}

TEST(Policy, FollowsTheOptionsOfTheStore) {
  S3Options options;
  options.lock = LockMode::kGovernance;
  options.lock_period = std::chrono::hours{36};
  options.encryption = S3Encryption::kSseKms;
  options.kms_key = "arn:aws:kms:eu-central-1:1:key/k";
  const auto aws = policy_place("b", "", options, "https://s3.eu-central-1.amazonaws.com");
  EXPECT_TRUE(aws.aws_conditions);
  EXPECT_EQ(aws.lock_days, 2u);
  EXPECT_THAT(rights(PolicyRole::kWriter, aws).at("kms:Decrypt"), Contains(options.kms_key));
  EXPECT_FALSE(policy_place("b", "", options, "http://127.0.0.1:7480").aws_conditions);
}

}  // namespace
}  // namespace holdfast
