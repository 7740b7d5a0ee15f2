#include "objective/lifecycle.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace holdfast {
namespace {

using std::chrono::days;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

// The runbook's policy.
LifecycleSettings runbook() {
  LifecycleSettings policy;
  policy.classes["database"] = {days{30}, days{90}, days{365}};
  policy.classes["files"] = {days{30}, {}, days{180}};
  return policy;
}

RetentionPolicy keep_for(int count) {
  RetentionPolicy policy;
  policy.keep_within = days{count};
  return policy;
}

LifecycleRequest request_of(LifecycleSettings policy, const std::vector<std::string>& classes) {
  LifecycleRequest request;
  request.policy = std::move(policy);
  for (const std::string& name : classes) request.sources.push_back({name + "1", name, {}});
  return request;
}

const PlannedRule* find(const LifecyclePlan& plan, const std::string& id) {
  const auto found = std::find_if(plan.rules.begin(), plan.rules.end(),
                                  [&](const PlannedRule& one) { return one.rule.id == id; });
  return found == plan.rules.end() ? nullptr : &*found;
}

std::vector<LifecycleTransition> moves_of(const LifecyclePlan& plan) {
  const PlannedRule* data = find(plan, "holdfast-data");
  return data == nullptr ? std::vector<LifecycleTransition>{} : data->rule.transitions;
}

TEST(LifecyclePlan, DatabasesAloneAreArchivedAsTheRunbookSays) {
  const LifecyclePlan plan = plan_lifecycle(request_of(runbook(), {"database"}));
  EXPECT_THAT(moves_of(plan), ElementsAre(LifecycleTransition{30, {}, "STANDARD_IA"},
                                          LifecycleTransition{90, {}, "GLACIER"}));
  EXPECT_EQ(find(plan, "holdfast-data")->rule.prefix, "data/");
}

TEST(LifecyclePlan, AClassWithoutArchiveKeepsThePacksReadable) {
  const LifecyclePlan plan = plan_lifecycle(request_of(runbook(), {"database", "files"}));
  EXPECT_THAT(moves_of(plan), ElementsAre(LifecycleTransition{30, {}, "STANDARD_IA"}));
  EXPECT_THAT(plan.notes, Contains(HasSubstr("class files are in use")));
  EXPECT_THAT(plan.notes, Contains(HasSubstr("set lifecycle.files.archive_after")).Times(0));
  EXPECT_THAT(plan.notes, Contains(HasSubstr("Set lifecycle.files.archive_after")));
}

TEST(LifecyclePlan, TheLatestDayOfAllClassesCounts) {
  LifecycleSettings policy = runbook();
  policy.classes["files"] = {days{60}, days{120}, {}};
  policy.classes["config"] = {days{400}, days{500}, {}};  // no source has this class
  const LifecyclePlan plan = plan_lifecycle(request_of(policy, {"database", "files"}));
  EXPECT_THAT(moves_of(plan), ElementsAre(LifecycleTransition{60, {}, "STANDARD_IA"},
                                          LifecycleTransition{120, {}, "GLACIER"}));
  EXPECT_THAT(find(plan, "holdfast-data")->reason, HasSubstr("files asks for 60 days"));
  EXPECT_THAT(plan.notes, Contains(HasSubstr("lifecycle.config has no effect yet")));
}

TEST(LifecyclePlan, KeepsTheLeastDaysOfTheStorageClasses) {
  LifecycleSettings policy;
  policy.classes["files"] = {days{10}, days{40}, {}};
  const LifecyclePlan plan = plan_lifecycle(request_of(policy, {"files"}));
  EXPECT_THAT(moves_of(plan), ElementsAre(LifecycleTransition{30, {}, "STANDARD_IA"},
                                          LifecycleTransition{60, {}, "GLACIER"}));
  policy.infrequent_access_class = "COLD";  // of a provider whose rules nobody knows
  EXPECT_THAT(
      moves_of(plan_lifecycle(request_of(policy, {"files"}))),
      ElementsAre(LifecycleTransition{10, {}, "COLD"}, LifecycleTransition{40, {}, "GLACIER"}));
}

TEST(LifecyclePlan, OnlyContentMovesAndNothingExpires) {
  for (const bool versioned : {false, true}) {
    LifecycleRequest request = request_of(runbook(), {"database"});
    request.versioned = versioned;
    const LifecyclePlan plan = plan_lifecycle(request);
    for (const PlannedRule& planned : plan.rules) {
      EXPECT_FALSE(planned.rule.expire_days) << planned.rule.id;
      EXPECT_EQ(planned.rule.expire_date, "");
      if (planned.rule.prefix != "data/") {
        EXPECT_THAT(planned.rule.transitions, IsEmpty()) << planned.rule.id;
      }
      EXPECT_THAT(planned.rule.version_transitions, IsEmpty());
      EXPECT_FALSE(planned.reason.empty()) << planned.rule.id;
    }
  }
}

TEST(LifecyclePlan, UnfinishedUploadsGoAfterADay) {
  const LifecyclePlan plan = plan_lifecycle({});
  ASSERT_EQ(plan.rules.size(), 1U);
  EXPECT_EQ(plan.rules[0].rule.abort_uploads_days, 1U);
  EXPECT_EQ(plan.rules[0].rule.prefix, "");
}

TEST(LifecyclePlan, OldVersionsStayAsLongAsAsOfMayLookBack) {
  LifecycleRequest request = request_of(runbook(), {"files"});
  request.versioned = true;
  request.locked = true;
  request.policy.keep_versions = days{45};
  const LifecyclePlan plan = plan_lifecycle(request);
  for (const char* name : {"data", "meta", "index", "doom", "database", "files", "config"}) {
    const PlannedRule* planned = find(plan, std::string("holdfast-") + name);
    ASSERT_NE(planned, nullptr) << name;
    EXPECT_EQ(planned->rule.expire_versions_days, 45U);
    EXPECT_TRUE(planned->rule.remove_delete_markers);
    EXPECT_THAT(planned->reason, HasSubstr("until their lock ends"));
  }
  EXPECT_EQ(find(plan, "holdfast-lease")->rule.expire_versions_days, 1U);
  for (const PlannedRule& planned : plan.rules) {
    EXPECT_FALSE(std::string("keys/").starts_with(planned.rule.prefix) &&
                 planned.rule.expire_versions_days)
        << planned.rule.id;
  }
}

TEST(LifecyclePlan, TheVaultsPrefixIsInIdsAndPrefixes) {
  LifecycleRequest request = request_of(runbook(), {"files"});
  request.prefix = "shop/vault/";
  const LifecyclePlan plan = plan_lifecycle(request);
  ASSERT_NE(find(plan, "holdfast-shop/vault/data"), nullptr);
  EXPECT_EQ(find(plan, "holdfast-shop/vault/data")->rule.prefix, "shop/vault/data/");
  EXPECT_EQ(find(plan, "holdfast-shop/vault/uploads")->rule.prefix, "shop/vault/");
}

TEST(LifecyclePlan, ExpiryIsComparedWithRetention) {
  LifecycleRequest request = request_of(runbook(), {"database", "files"});
  request.sources[1].retention = keep_for(180);
  const LifecyclePlan plan = plan_lifecycle(request);
  EXPECT_THAT(plan.notes,
              Contains("retention keeps database backups of database1 for 90 days; the policy "
                       "expires them after 365 days: set retention.database.keep_within to 365d"));
  EXPECT_THAT(plan.notes, Contains("retention keeps files backups of files1 for 180 days, as the "
                                   "policy wants"));
  request.sources[0].retention = {};
  request.sources[0].retention.keep_last = 5;
  EXPECT_THAT(plan_lifecycle(request).notes, Contains(HasSubstr("has no limit in days")));
  request.sources[0].retention.keep_monthly = 12;
  EXPECT_THAT(plan_lifecycle(request).notes, Contains(HasSubstr("for 360 days; the policy")));
}

TEST(LifecyclePlan, SaysWhenPacksGoBeforeTheArchivePays) {
  LifecycleRequest request = request_of(runbook(), {"database"});
  EXPECT_THAT(plan_lifecycle(request).notes, Contains(HasSubstr("billed for at least 90 days")));
  request.sources[0].retention = keep_for(365);
  EXPECT_THAT(plan_lifecycle(request).notes, Not(Contains(HasSubstr("billed for at least"))));
}

// ----------------------------------------------------------------------------- comparison

BucketRule bucket_rule(LifecycleRule rule) {
  BucketRule found;
  found.rule = std::move(rule);
  return found;
}

std::vector<BucketRule> bucket_of(const LifecyclePlan& plan) {
  std::vector<BucketRule> rules;
  for (const PlannedRule& planned : plan.rules) rules.push_back(bucket_rule(planned.rule));
  return rules;
}

class Compare : public testing::Test {
 protected:
  Compare() : request_(request_of(runbook(), {"database"})) {
    request_.versioned = true;
    plan_ = plan_lifecycle(request_);
    bucket_ = bucket_of(plan_);
  }
  LifecycleComparison compare() const { return compare_lifecycle(plan_, bucket_, request_); }
  // What is wrong with a foreign rule.
  std::vector<std::string> dangers(LifecycleRule rule) const {
    return dangers(bucket_rule(std::move(rule)));
  }
  std::vector<std::string> dangers(const BucketRule& rule) const {
    return compare_lifecycle(plan_, {rule}, request_).rules.back().dangers;
  }

  LifecycleRequest request_;
  LifecyclePlan plan_;
  std::vector<BucketRule> bucket_;
};

TEST_F(Compare, NothingIsToBeDoneWhenAllIsThere) {
  EXPECT_TRUE(compare().settled());
  EXPECT_FALSE(compare().dangerous());
  EXPECT_THAT(compare().foreign, IsEmpty());
}

TEST_F(Compare, FindsMissingChangedAndObsoleteRules) {
  bucket_.erase(bucket_.begin() + 1);
  bucket_[0].rule.transitions[0].days = 31;
  request_.policy.classes.clear();
  request_.versioned = false;
  LifecyclePlan less = plan_lifecycle(request_);  // uploads alone
  const LifecycleComparison comparison = compare();
  EXPECT_FALSE(comparison.settled());
  EXPECT_EQ(comparison.rules[0].state, RuleState::kDifferent);
  EXPECT_THAT(comparison.rules[0].found, HasSubstr("STANDARD_IA after 31 days"));
  EXPECT_EQ(comparison.rules[1].state, RuleState::kMissing);
  const LifecycleComparison after = compare_lifecycle(less, bucket_, request_);
  EXPECT_EQ(after.rules[0].state, RuleState::kSame);
  EXPECT_EQ(after.rules[1].state, RuleState::kObsolete);
  EXPECT_FALSE(after.settled());
  EXPECT_THAT(after.foreign, IsEmpty());
}

TEST_F(Compare, ARuleThatIsSwitchedOffOrNarrowedIsDifferent) {
  bucket_[0].enabled = false;
  bucket_[1].other = {"NewerNoncurrentVersions"};
  EXPECT_EQ(compare().rules[0].state, RuleState::kDifferent);
  EXPECT_EQ(compare().rules[1].state, RuleState::kDifferent);
}

TEST_F(Compare, RulesOfAnotherVaultInTheBucketAreForeign) {
  LifecycleRule other;
  other.id = "holdfast-other/data";
  other.prefix = "other/data/";
  other.transitions = {{1, {}, "GLACIER"}};
  bucket_.push_back(bucket_rule(other));
  const LifecycleComparison comparison = compare();
  EXPECT_TRUE(comparison.settled());
  EXPECT_FALSE(comparison.dangerous());
  EXPECT_EQ(comparison.foreign.size(), 1U);
}

TEST_F(Compare, TheRunbooksExpirationForgetsBackups) {
  LifecycleRule rule;
  rule.id = "files-backup-retention";
  rule.prefix = "files/";
  rule.expire_days = 180;
  EXPECT_THAT(dangers(rule), ElementsAre(HasSubstr("that is forgetting them")));
  EXPECT_THAT(dangers(rule)[0], HasSubstr("retention.files.keep_within"));
}

TEST_F(Compare, TheRunbooksArchivingMakesTheVaultUnreadable) {
  LifecycleRule rule;
  rule.id = "database-backup-retention";
  rule.prefix = "database/";
  rule.transitions = {{30, {}, "STANDARD_IA"}, {90, {}, "GLACIER"}};
  rule.expire_days = 365;
  EXPECT_THAT(dangers(rule), ElementsAre(HasSubstr("forgetting"), HasSubstr("GLACIER")));
}

TEST_F(Compare, ExpirationOfPacksIsTheWorst) {
  for (const char* prefix : {"", "d", "data/", "data/ab/", "index/", "keys/", "holdfast.json"}) {
    LifecycleRule rule;
    rule.id = "tidy";
    rule.prefix = prefix;
    rule.expire_date = "2027-01-01T00:00:00Z";
    EXPECT_THAT(dangers(rule), Contains(HasSubstr("could not be restored"))) << prefix;
  }
}

TEST_F(Compare, ArchivingPacksBehindThePolicysBack) {
  LifecycleRule rule;
  rule.id = "cold";
  rule.prefix = "data/";
  rule.transitions = {{1, {}, "DEEP_ARCHIVE"}};
  EXPECT_THAT(dangers(rule), ElementsAre(HasSubstr("whatever the policy says")));
  rule.transitions = {{30, {}, "STANDARD_IA"}};
  EXPECT_THAT(dangers(rule), IsEmpty());
}

TEST_F(Compare, VersionsThatGoTooSoon) {
  LifecycleRule rule;
  rule.id = "versions";
  rule.expire_versions_days = 29;
  EXPECT_THAT(dangers(rule), ElementsAre(HasSubstr("keep_versions")));
  rule.expire_versions_days = 30;
  EXPECT_THAT(dangers(rule), IsEmpty());
}

TEST_F(Compare, WhatDoesNotTouchTheVaultIsNoDanger) {
  LifecycleRule rule;
  rule.id = "logs";
  rule.expire_days = 1;
  for (const char* prefix : {"logs/", "datax/", "run/", "lease/"}) {
    rule.prefix = prefix;
    EXPECT_THAT(dangers(rule), IsEmpty()) << prefix;
  }
  rule.prefix = "";
  BucketRule tagged = bucket_rule(rule);
  EXPECT_THAT(dangers(tagged), Not(IsEmpty()));
  tagged.tagged = true;
  EXPECT_THAT(dangers(tagged), IsEmpty());
  tagged.tagged = false;
  tagged.enabled = false;
  EXPECT_THAT(dangers(tagged), IsEmpty());
}

}  // namespace
}  // namespace holdfast
