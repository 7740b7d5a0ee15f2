// The probe against a real store: all of it works there, and each role's least policy is enough.
#include "store/s3/probe.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "lab/tenants.h"
#include "store/s3/versions.h"

namespace holdfast::test {
namespace {

using State = Feature::State;
using ::testing::ElementsAre;

std::vector<Feature> probe(S3Store& store) {
  std::vector<Feature> features = probe_store(store, {});
  for (const Feature& feature : features) {
    if (!feature.needed) continue;
    EXPECT_EQ(feature.state, State::kWorks) << feature.name << ": " << feature.detail;
  }
  return features;
}

State state_of(const std::vector<Feature>& features, const std::string& name) {
  const auto found = std::find_if(features.begin(), features.end(),
                                  [&](const Feature& f) { return f.name == name; });
  if (found != features.end()) return found->state;
  ADD_FAILURE() << "no feature " << name;
  return State::kFailed;
}

std::size_t versions_in(S3Store& store) {
  std::size_t count = 0;
  list_versions(store.client(), store.prefix(), [&](const ObjectVersion&) { ++count; });
  return count;
}

TEST(Probe, TheOwnerOfALockedBucketMayAll) {
  S3Store store = tenant_store(new_bucket(BucketKind::kLocked),
                               tenant_options(kLabOwner, LockMode::kGovernance));
  const auto features = probe(store);
  EXPECT_THAT(judge_features(features).roles, ElementsAre("writer", "operator", "restorer"));
  for (const char* name : {"versioning", "Object Lock", "locks hold", kDestroyRight}) {
    EXPECT_EQ(state_of(features, name), State::kWorks) << name;
  }
  EXPECT_EQ(versions_in(store), 0u) << "something was left";
}

TEST(Probe, APlainBucketIsGoodEnough) {
  S3Store store = tenant_store(new_bucket(), tenant_options(kLabOwner));
  const auto features = probe(store);
  EXPECT_TRUE(judge_features(features).usable);
  EXPECT_EQ(state_of(features, "versioning"), State::kMissing);
  EXPECT_EQ(state_of(features, "Object Lock"), State::kMissing);
  EXPECT_EQ(versions_in(store), 0u) << "something was left";
}

// What init asks and what the check tells is the same, whatever this store does.
TEST(Probe, AgreesWithInitAboutConditions) {
  for (const BucketKind kind : {BucketKind::kPlain, BucketKind::kVersioned}) {
    S3Store store = tenant_store(new_bucket(kind), tenant_options(kLabOwner));
    bool accepted = true;
    try {
      require_conditions(store);
    } catch (const Error& refused) {
      EXPECT_EQ(refused.code(), Code::kUnsupported);
      accepted = false;
    }
    EXPECT_EQ(judge_features(probe_store(store, {})).usable, accepted);
    if (kind == BucketKind::kPlain) {
      EXPECT_TRUE(accepted);
    }
  }
}

class LeastPolicy : public ::testing::Test {
 protected:
  // As the lab's writer, with that policy and no other right.
  std::vector<Feature> probe_as(PolicyRole role) {
    const std::string bucket = new_bucket(BucketKind::kLocked);
    const S3Store owner = tenant_store(bucket, tenant_options(kLabOwner));
    allow_writer(owner.client(), least_policy(role, lab_place(bucket)));
    S3Store store = tenant_store(bucket, tenant_options(kLabWriter, LockMode::kGovernance));
    return probe(store);
  }
};

// Only a restorer may read old versions, which the restorer of a bucket with versions has to.
TEST_F(LeastPolicy, IsEnoughForAWriter) {
  const auto features = probe_as(PolicyRole::kWriter);
  EXPECT_THAT(judge_features(features).roles, ElementsAre("writer"));
  EXPECT_EQ(state_of(features, kRemoveRight), State::kDenied);
  EXPECT_EQ(state_of(features, kDestroyRight), State::kDenied);
}

TEST_F(LeastPolicy, IsEnoughForAnOperator) {
  const auto features = probe_as(PolicyRole::kOperator);
  EXPECT_THAT(judge_features(features).roles, ElementsAre("writer", "operator"));
  EXPECT_EQ(state_of(features, kDestroyRight), State::kDenied);
}

TEST_F(LeastPolicy, IsEnoughForARestorer) {
  const auto features = probe_as(PolicyRole::kRestorer);
  EXPECT_THAT(judge_features(features).roles, ElementsAre("restorer"));
  EXPECT_EQ(state_of(features, kCreateRight), State::kDenied);
  EXPECT_EQ(state_of(features, kDestroyRight), State::kDenied);
}

TEST_F(LeastPolicy, IsEnoughForACopier) {
  const auto features = probe_as(PolicyRole::kCopier);
  EXPECT_THAT(judge_features(features).roles, ElementsAre("writer"));
  EXPECT_EQ(state_of(features, kRemoveRight), State::kDenied);
}

}  // namespace
}  // namespace holdfast::test
