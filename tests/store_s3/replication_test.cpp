// Replication rules as S3 writes them down.
#include "store/s3/replication.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "store/expect_error.h"

namespace holdfast {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr std::string_view kForeign =
    R"(<?xml version="1.0" encoding="UTF-8"?>
<ReplicationConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/">
  <Role>arn:aws:iam::1:role/theirs</Role>
  <Rule>
    <ID>logs &amp; more</ID>
    <Priority>1</Priority>
    <Status>Disabled</Status>
    <Filter><And><Prefix>logs/</Prefix><Tag><Key>k</Key><Value>v</Value></Tag></And></Filter>
    <DeleteMarkerReplication><Status>Disabled</Status></DeleteMarkerReplication>
    <Destination>
      <Bucket>arn:aws:s3:::elsewhere</Bucket><StorageClass>GLACIER</StorageClass>
      <ReplicationTime><Status>Enabled</Status><Time><Minutes>15</Minutes></Time></ReplicationTime>
    </Destination>
  </Rule>
  <Rule>
    <ID>old</ID><Prefix>old/</Prefix><Status>Enabled</Status>
    <Destination><Bucket>arn:aws:s3:::third</Bucket></Destination>
  </Rule>
</ReplicationConfiguration>)";

ReplicationRule our_rule() {
  ReplicationRule rule;
  rule.id = "holdfast-west";
  rule.prefix = "vault/";
  rule.destination = "arn:aws:s3:::backups-west";
  return rule;
}

TEST(Replication, WritesARuleThatItReads) {
  const std::string role = "arn:aws:iam::1:role/ours";
  const std::string document = with_replication_rule("", role, our_rule());
  EXPECT_THAT(document,
              testing::StartsWith("<ReplicationConfiguration "
                                  "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Role>"));
  const ReplicationConfiguration read = parse_replication(document);
  EXPECT_EQ(read.role, role);
  ASSERT_EQ(read.rules.size(), 1u);
  const ReplicationRule& rule = read.rules[0];
  EXPECT_EQ(rule.id, "holdfast-west");
  EXPECT_TRUE(rule.enabled);
  EXPECT_TRUE(rule.delete_markers);
  EXPECT_EQ(rule.priority, 1u);
  EXPECT_EQ(rule.prefix, "vault/");
  EXPECT_EQ(rule.destination, "arn:aws:s3:::backups-west");
  EXPECT_THAT(document, Not(HasSubstr("SourceSelectionCriteria")));
}

TEST(Replication, ReadsTheRulesOfOthers) {
  const ReplicationConfiguration read = parse_replication(kForeign);
  ASSERT_EQ(read.rules.size(), 2u);
  EXPECT_EQ(read.rules[0].id, "logs & more");
  EXPECT_FALSE(read.rules[0].enabled);
  EXPECT_FALSE(read.rules[0].delete_markers);
  EXPECT_EQ(read.rules[0].prefix, "logs/");
  EXPECT_EQ(read.rules[1].prefix, "old/");
  EXPECT_TRUE(read.rules[1].enabled);
  EXPECT_EQ(read.rules[1].destination, "arn:aws:s3:::third");
}

TEST(Replication, LeavesTheRulesOfOthersAsTheyAre) {
  const std::string document = with_replication_rule(kForeign, "", our_rule());
  const ReplicationConfiguration read = parse_replication(document);
  EXPECT_EQ(read.role, "arn:aws:iam::1:role/theirs");
  ASSERT_EQ(read.rules.size(), 3u);
  EXPECT_EQ(read.rules[2].id, "holdfast-west");
  EXPECT_EQ(read.rules[2].priority, 2u);
  for (const char* part : {"<StorageClass>GLACIER</StorageClass>", "<Minutes>15</Minutes>",
                           "<Tag><Key>k</Key><Value>v</Value></Tag>", "<ID>logs &amp; more</ID>",
                           "<Prefix>old/</Prefix>"}) {
    EXPECT_THAT(document, HasSubstr(part));
  }
}

TEST(Replication, ReplacesItsOwnRuleOnly) {
  const std::string before = with_replication_rule(kForeign, "", our_rule());
  ReplicationRule rule = our_rule();
  rule.destination = "arn:aws:s3:::moved";
  const ReplicationConfiguration read = parse_replication(with_replication_rule(before, "", rule));
  ASSERT_EQ(read.rules.size(), 3u);
  EXPECT_EQ(read.rules[2].destination, "arn:aws:s3:::moved");
  EXPECT_EQ(read.rules[2].priority, 2u);
}

TEST(Replication, DoesNotTakeTheRoleAwayFromOthers) {
  expect_error(Code::kConflict,
               [] { with_replication_rule(kForeign, "arn:aws:iam::1:role/ours", our_rule()); });
  // Alone it may.
  const std::string alone = with_replication_rule("", "arn:aws:iam::1:role/ours", our_rule());
  const std::string changed = with_replication_rule(alone, "arn:aws:iam::1:role/new", our_rule());
  EXPECT_EQ(parse_replication(changed).role, "arn:aws:iam::1:role/new");
}

TEST(Replication, TakesObjectsUnderKmsAlong) {
  ReplicationRule rule = our_rule();
  rule.kms_key = "arn:aws:kms:us-west-2:1:key/k";
  const std::string document = with_replication_rule("", "", rule);
  EXPECT_THAT(document, HasSubstr("<SourceSelectionCriteria><SseKmsEncryptedObjects>"
                                  "<Status>Enabled</Status>"));
  EXPECT_EQ(parse_replication(document).rules[0].kms_key, rule.kms_key);
}

TEST(Replication, RefusesWhatIsNoConfiguration) {
  for (const char* text : {"", "hello", "<Error><Code>x</Code></Error>", "<Replication"}) {
    expect_error(Code::kCorrupt, [&] { parse_replication(text); });
  }
  expect_error(Code::kCorrupt, [] { with_replication_rule("<html></html>", "", our_rule()); });
}

TEST(Replication, NamesBucketsInTheirPartition) {
  EXPECT_EQ(bucket_arn("b", "us-west-2"), "arn:aws:s3:::b");
  EXPECT_EQ(bucket_arn("b", "cn-north-1"), "arn:aws-cn:s3:::b");
  EXPECT_EQ(bucket_arn("b", "us-gov-west-1"), "arn:aws-us-gov:s3:::b");
}

}  // namespace
}  // namespace holdfast
