#include "store/s3/lifecycle.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "store/expect_error.h"

namespace holdfast {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

std::vector<BucketRule> parse(
    const std::string& rules,
    const std::string& attributes = " xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"") {
  return parse_lifecycle(as_bytes("<?xml version=\"1.0\"?>\n<LifecycleConfiguration" + attributes +
                                  ">" + rules + "</LifecycleConfiguration>"));
}

LifecycleRule full_rule() {
  LifecycleRule rule;
  rule.id = "holdfast-a&b/<data>";
  rule.prefix = "a&b/data/";
  rule.transitions = {{30, {}, "STANDARD_IA"}, {90, {}, "GLACIER"}};
  rule.remove_delete_markers = true;
  rule.version_transitions = {{10, {}, "GLACIER"}};
  rule.expire_versions_days = 30;
  rule.abort_uploads_days = 1;
  return rule;
}

TEST(S3Lifecycle, WhatIsWrittenIsReadAsTheSame) {
  LifecycleRule dated;
  dated.id = "dated";
  dated.transitions = {{0, "2027-01-01T00:00:00.000Z", "GLACIER"}};
  dated.expire_date = "2028-01-01T00:00:00.000Z";
  LifecycleRule expiring;
  expiring.id = "days";
  expiring.expire_days = 365;
  const std::vector<LifecycleRule> rules = {full_rule(), dated, expiring};
  const auto read = parse_lifecycle(as_bytes(lifecycle_document({}, rules)));
  ASSERT_EQ(read.size(), rules.size());
  for (std::size_t i = 0; i < rules.size(); ++i) {
    EXPECT_TRUE(is_same(read[i], rules[i])) << lifecycle_document({}, rules);
  }
}

// As aws s3api puts it.
TEST(S3Lifecycle, ReadsTheRunbooksRule) {
  const auto rules = parse(R"(
<Rule><Expiration><Days>365</Days></Expiration><ID>database-backup-retention</ID>
<Filter><Prefix>database/</Prefix></Filter><Status>Enabled</Status>
<Transition><Days>90</Days><StorageClass>GLACIER</StorageClass></Transition>
<Transition><Days>30</Days><StorageClass>STANDARD_IA</StorageClass></Transition></Rule>)");
  ASSERT_EQ(rules.size(), 1U);
  const LifecycleRule& rule = rules[0].rule;
  EXPECT_EQ(rule.id, "database-backup-retention");
  EXPECT_EQ(rule.prefix, "database/");
  EXPECT_EQ(rule.expire_days, 365U);
  EXPECT_THAT(rule.transitions, ElementsAre(LifecycleTransition{30, {}, "STANDARD_IA"},
                                            LifecycleTransition{90, {}, "GLACIER"}));
  EXPECT_TRUE(rules[0].enabled);
  EXPECT_FALSE(rules[0].tagged);
}

TEST(S3Lifecycle, ReadsPrefixesWhereverTheyStand) {
  EXPECT_EQ(parse("<Rule><Prefix>old/</Prefix></Rule>")[0].rule.prefix, "old/");
  EXPECT_EQ(parse("<Rule><Filter/></Rule>")[0].rule.prefix, "");
  const auto both = parse(
      "<Rule><Filter><And><Prefix>p/</Prefix><Tag><Key>a</Key><Value>b</Value></Tag></And>"
      "</Filter><Status>Disabled</Status></Rule>");
  EXPECT_EQ(both[0].rule.prefix, "p/");
  EXPECT_TRUE(both[0].tagged);
  EXPECT_FALSE(both[0].enabled);
}

TEST(S3Lifecycle, NamesOfNamespacesDoNotMatter) {
  const auto rules = parse_lifecycle(
      as_bytes("<s:LifecycleConfiguration xmlns:s='urn:x'><s:Rule><s:ID>i</s:ID><s:Filter>"
               "<s:Prefix>p</s:Prefix></s:Filter></s:Rule></s:LifecycleConfiguration>"));
  ASSERT_EQ(rules.size(), 1U);
  EXPECT_EQ(rules[0].rule.id, "i");
  EXPECT_EQ(rules[0].xml, "<Rule><ID>i</ID><Filter><Prefix>p</Prefix></Filter></Rule>");
}

TEST(S3Lifecycle, RulesOfOthersAreKeptWithWhatWeDoNotKnow) {
  const std::string theirs =
      "<Rule><ID>x &amp; y</ID><Filter><And><ObjectSizeGreaterThan>500</ObjectSizeGreaterThan>"
      "<Prefix>logs/</Prefix></And></Filter><Status>Enabled</Status><NoncurrentVersionExpiration>"
      "<NewerNoncurrentVersions>3</NewerNoncurrentVersions><NoncurrentDays>7</NoncurrentDays>"
      "</NoncurrentVersionExpiration></Rule>";
  const auto before = parse(theirs);
  EXPECT_THAT(before[0].other, ElementsAre("ObjectSizeGreaterThan", "NewerNoncurrentVersions"));
  const std::string document = lifecycle_document(before, {full_rule()});
  EXPECT_THAT(document, HasSubstr(theirs));
  const auto after = parse_lifecycle(as_bytes(document));
  ASSERT_EQ(after.size(), 2U);
  EXPECT_EQ(after[0].xml, before[0].xml);
  EXPECT_FALSE(is_same(after[0], before[0].rule));  // it does more than the rule says
}

TEST(S3Lifecycle, AnOldPrefixOfOthersMovesIntoAFilter) {
  const auto rules = parse("<Rule><ID>i</ID><Prefix>p/</Prefix><Status>Enabled</Status></Rule>");
  EXPECT_EQ(rules[0].xml,
            "<Rule><ID>i</ID><Filter><Prefix>p/</Prefix></Filter><Status>Enabled</Status></Rule>");
}

TEST(S3Lifecycle, EveryDifferenceCounts) {
  const BucketRule same{full_rule(), true, false, {}, {}};
  EXPECT_TRUE(is_same(same, full_rule()));
  const auto differs = [&](auto change) {
    BucketRule changed = same;
    change(changed);
    EXPECT_FALSE(is_same(changed, full_rule()));
  };
  differs([](BucketRule& rule) { rule.enabled = false; });
  differs([](BucketRule& rule) { rule.tagged = true; });
  differs([](BucketRule& rule) { rule.other = {"X"}; });
  differs([](BucketRule& rule) { rule.rule.prefix += "x"; });
  differs([](BucketRule& rule) { rule.rule.transitions.pop_back(); });
  differs([](BucketRule& rule) { rule.rule.expire_days = 1; });
  differs([](BucketRule& rule) { rule.rule.remove_delete_markers = false; });
  differs([](BucketRule& rule) { rule.rule.expire_versions_days.reset(); });
  differs([](BucketRule& rule) { rule.rule.abort_uploads_days = 2; });
}

TEST(S3Lifecycle, SaysWhatARuleDoes) {
  EXPECT_EQ(describe(full_rule()),
            "STANDARD_IA after 30 days, GLACIER after 90 days; old versions to GLACIER after 10 "
            "days; old versions are removed after 30 days; delete markers without versions are "
            "removed; unfinished uploads are removed after 1 day");
  EXPECT_EQ(describe(LifecycleRule{}), "nothing");
  EXPECT_THAT(describe(BucketRule{full_rule(), false, false, {"Tag"}, {}}),
              testing::AllOf(HasSubstr("with Tag"), HasSubstr("switched off")));
}

TEST(S3Lifecycle, RefusesWhatIsNoConfiguration) {
  for (const char* text : {"", "x", "<LifecycleConfiguration>", "<html></html>",
                           "<LifecycleConfiguration><Rule><Expiration><Days>x</Days></Expiration>"
                           "</Rule></LifecycleConfiguration>",
                           "<LifecycleConfiguration><Rule><Transition><Days>-1</Days></Transition>"
                           "</Rule></LifecycleConfiguration>",
                           "<LifecycleConfiguration><Rule><Transition><Days/></Transition>"
                           "</Rule></LifecycleConfiguration>"}) {
    expect_error(Code::kCorrupt, [&] { parse_lifecycle(as_bytes(std::string_view(text))); });
  }
  EXPECT_THAT(parse(""), IsEmpty());
}

TEST(S3Lifecycle, RefusesWhatIsNestedWithoutEnd) {
  std::string open;
  std::string close;
  for (int i = 0; i < 100'000; ++i) {
    open += "<And>";
    close += "</And>";
  }
  expect_error(Code::kCorrupt,
               [&] { parse("<Rule><Filter>" + open + close + "</Filter></Rule>"); });
}

TEST(S3Lifecycle, EntitiesAreNotExpanded) {
  const std::string bomb =
      "<!DOCTYPE x [<!ENTITY a \"aaaaaaaaaa\">]><LifecycleConfiguration><Rule><ID>&a;</ID></Rule>"
      "</LifecycleConfiguration>";
  const auto rules = parse_lifecycle(as_bytes(bomb));
  EXPECT_THAT(rules[0].rule.id, Not(HasSubstr("aa")));
}

}  // namespace
}  // namespace holdfast
