// What the S3 store makes of a store that is slow, overloaded, lying or gone.
#include "store/s3/client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "store/expect_error.h"
#include "store/s3/upload.h"
#include "store_s3/environment.h"
#include "store_s3/s3_fixture.h"

namespace holdfast {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

const auto* const kEnvironment =
    ::testing::AddGlobalTestEnvironment(std::make_unique<test::S3Environment>().release());

TEST_F(S3Test, AddressesAndSigns) {
  store().put("a/b+c=1", as_bytes("content"));
  const auto sent = server_.received();
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(sent[0].target, "/bucket/pre/a/b%2Bc%3D1");
  EXPECT_THAT(sent[0].header("authorization"),
              StartsWith("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20251110/lab/s3/aws4_request"));
  EXPECT_EQ(sent[0].header("x-amz-date"), "20251110T120000Z");
  EXPECT_EQ(text("a/b+c=1"), "content");
}

TEST_F(S3Test, SendsWhatTheOptionsAskFor) {
  S3Options options = options_for(server_.url());
  options.storage_class = "STANDARD_IA";
  options.encryption = S3Encryption::kSseKms;
  options.kms_key = "key-1";
  options.lock = LockMode::kCompliance;
  options.lock_period = std::chrono::days{30};
  S3Store locked("s3://bucket", options, clock_);
  locked.put("small", as_bytes("x"));
  locked.put("data/large", Bytes(2u << 20));
  locked.put("lease/1.json", as_bytes("x"));
  const auto sent = server_.received();
  EXPECT_EQ(sent[0].header("x-amz-storage-class"), "");
  EXPECT_EQ(sent[1].header("x-amz-storage-class"), "STANDARD_IA");
  EXPECT_EQ(sent[0].header("x-amz-server-side-encryption"), "aws:kms");
  EXPECT_EQ(sent[0].header("x-amz-server-side-encryption-aws-kms-key-id"), "key-1");
  EXPECT_EQ(sent[0].header("x-amz-object-lock-mode"), "COMPLIANCE");
  EXPECT_EQ(sent[0].header("x-amz-object-lock-retain-until-date"), "2025-12-10T12:00:00Z");
  EXPECT_EQ(sent[0].header("content-md5"), "ndTkYSaMgDT1yFZOFVxnpg==") << "locks demand it";
  EXPECT_EQ(sent[2].header("x-amz-object-lock-mode"), "") << "a lease lives for minutes";
}

TEST_F(S3Test, ChecksumModes) {
  S3Options options = options_for(server_.url());
  options.checksum = S3Checksum::kCrc32;
  S3Store crc("s3://bucket", options, clock_);
  const std::string large(100'000, 'a');
  crc.put("object", as_bytes("123456789"));
  crc.put("large", as_bytes(large));
  const auto sent = server_.received();
  EXPECT_EQ(sent[0].header("x-amz-content-sha256"), "UNSIGNED-PAYLOAD");
  EXPECT_EQ(sent[0].header("x-amz-checksum-crc32"), "y/Q5Jg==");  // cbf43926, the check value
  EXPECT_EQ(sent[1].header("content-md5"), "");
}

TEST_F(S3Test, TriesAgainWhatPasses) {
  store().put("object", as_bytes("content"));
  for (const auto& reply :
       {error(500), error(502), error(503, "SlowDown"), error(504), error(429, "TooManyRequests"),
        error(400, "RequestTimeout"), error(500, "InternalError"),
        Reply{.close_before_answer = true}, Reply{.reset = true}}) {
    fail_first(2, reply);
    EXPECT_EQ(text("object"), "content") << reply.status;
    EXPECT_EQ(server_.requests(), 3u) << reply.status;
  }
}

TEST_F(S3Test, WaitsAsLongAsTheStoreAsks) {
  store().put("object", as_bytes("content"));
  Reply busy = error(503, "SlowDown");
  busy.headers = {{"Retry-After", "7"}};
  fail_first(1, busy);
  const Duration before = clock_.monotonic();
  EXPECT_EQ(text("object"), "content");
  EXPECT_GE(clock_.monotonic() - before, std::chrono::seconds{7});
}

TEST_F(S3Test, ABodyThatIsCutIsReadAgain) {
  const std::string content(300'000, 'c');
  store().put("object", as_bytes(content));
  for (const bool reset : {false, true}) {
    fail_first(2, {.cut_body_after = 1000, .reset = reset}, true);
    EXPECT_EQ(text("object"), content);
    fail_first(2, {.cut_body_after = 1000, .reset = reset}, true);
    Bytes out(200'000);
    store().read("object", 50'000, out);
    EXPECT_EQ(as_text(out), content.substr(50'000, 200'000));
  }
}

TEST_F(S3Test, GivesUpAfterAWhileAndSaysWhatTheStoreSaid) {
  fail_first(100'000, error(503, "SlowDown"));
  const Duration before = clock_.monotonic();
  const auto failure = error_of([&] { store().get("object"); });
  ASSERT_TRUE(failure.has_value());
  EXPECT_EQ(failure->code(), Code::kUnavailable);
  EXPECT_THAT(failure->message(), HasSubstr("SlowDown"));
  EXPECT_THAT(failure->message(), HasSubstr("r-77"));
  EXPECT_FALSE(failure->hint().empty());
  EXPECT_LE(clock_.monotonic() - before, std::chrono::minutes{6});
}

TEST_F(S3Test, TheCircuitOpensWhenTheStoreStaysAway) {
  fail_first(100'000, error(503));
  expect_error(Code::kUnavailable, [&] { store().get("object"); });
  const unsigned asked = server_.requests();
  // From here on it has been away for longer than a request may take in all.
  clock_.sleep_for(std::chrono::minutes{1}, {});
  const auto refused = error_of([&] { store().get("object"); });
  ASSERT_TRUE(refused.has_value());
  EXPECT_EQ(refused->code(), Code::kUnavailable);
  // At most the one request that opens it.
  EXPECT_LE(server_.requests(), asked + 1);
}

TEST_F(S3Test, EmptyErrorBodiesStillHaveAMeaning) {
  const std::pair<int, Code> cases[] = {{403, Code::kDenied},      {404, Code::kNotFound},
                                        {409, Code::kConflict},    {412, Code::kConflict},
                                        {416, Code::kCorrupt},     {400, Code::kDenied},
                                        {501, Code::kUnsupported}, {507, Code::kExhausted}};
  for (const auto& [status, code] : cases) {
    fail_first(2, error(status));
    const auto failure = error_of([&] { store().get("object"); });
    ASSERT_TRUE(failure.has_value()) << status;
    EXPECT_EQ(failure->code(), code) << status;
    EXPECT_THAT(failure->message(), HasSubstr("s3://bucket/pre/object"));
  }
}

TEST_F(S3Test, NoSecretInAMessage) {
  fail_first(1, error(403, "SignatureDoesNotMatch"));
  const auto failure = error_of([&] { store().get("object"); });
  ASSERT_TRUE(failure.has_value());
  EXPECT_EQ((failure->message() + failure->hint()).find("secret-example"), std::string::npos);
}

// The write worked and nobody heard of it: the next try meets its own object.
TEST_F(S3Test, LostAcknowledgementsAreClearedUp) {
  const Reply lost{.close_before_answer = true};
  fail_first(1, lost, true);
  EXPECT_TRUE(store().put_new("new", as_bytes("mine")));
  EXPECT_EQ(text("new"), "mine");

  const std::string etag = store().stat("new").value().etag;
  fail_first(1, lost, true);
  EXPECT_TRUE(store().replace("new", as_bytes("next"), etag));
  EXPECT_EQ(text("new"), "next");

  fail_first(1, lost, true);
  store().remove("new");
  EXPECT_FALSE(store().stat("new").has_value());
}

TEST_F(S3Test, SomebodyElsesObjectIsNotTakenForOurs) {
  store().put("taken", as_bytes("theirs"));
  fail_first(1, error(503));
  EXPECT_FALSE(store().put_new("taken", as_bytes("mine!!")));
  EXPECT_EQ(text("taken"), "theirs");
  const std::string etag = store().stat("taken").value().etag;
  store().put("taken", as_bytes("other!"));
  fail_first(1, error(503));
  EXPECT_FALSE(store().replace("taken", as_bytes("mine!!"), etag));
  EXPECT_EQ(text("taken"), "other!");
}

TEST_F(S3Test, BytesThatArriveDamagedAreSentAgainAndThenReported) {
  fail_first(1, error(400, "BadDigest"));
  store().put("object", as_bytes("content"));
  EXPECT_EQ(text("object"), "content");
  fail_first(100, error(400, "XAmzContentSHA256Mismatch"));
  expect_error(Code::kCorrupt, [&] { store().put("object", as_bytes("content")); });
  EXPECT_EQ(server_.requests(), 3u);
}

TEST_F(S3Test, AListThatNamesTheSamePageForEverIsAnError) {
  Reply again;
  again.body =
      "<ListBucketResult><IsTruncated>true</IsTruncated>"
      "<NextContinuationToken>here</NextContinuationToken></ListBucketResult>";
  fail_first(1000, again);
  expect_error(Code::kUnsupported, [&] { list_objects(store(), ""); });
  EXPECT_LT(server_.requests(), 20u);
}

TEST_F(S3Test, SignsByTheStoresClockWhenOursIsWrong) {
  Reply skewed = error(403, "RequestTimeTooSkewed");
  skewed.headers = {{"Date", "Mon, 10 Nov 2025 15:30:00 GMT"}};
  fail_first(1, skewed);
  store().put("object", as_bytes("content"));
  EXPECT_THAT(server_.received().back().header("x-amz-date"), StartsWith("20251110T1530"));
}

TEST_F(S3Test, ARangeThatTheStoreIgnoresIsNoAnswer) {
  Reply whole;
  whole.body = "0123456789";
  fail_first(1, whole);
  Bytes out(4);
  EXPECT_TRUE(error_of([&] { store().read("object", 3, out); }).has_value());
}

TEST_F(S3Test, ListsOutOfOrderAreRefused) {
  Reply wild;
  wild.body =
      "<ListBucketResult><Contents><Key>pre/b</Key><LastModified>2025-11-10T12:00:00Z"
      "</LastModified><Size>1</Size></Contents><Contents><Key>pre/a</Key><LastModified>"
      "2025-11-10T12:00:00Z</LastModified><Size>1</Size></Contents><IsTruncated>false</"
      "IsTruncated></ListBucketResult>";
  fail_first(20, wild);
  expect_error(Code::kUnsupported, [&] { list_objects(store(), ""); });
}

TEST_F(S3Test, AStopEndsTheWaiting) {
  std::stop_source stop;
  S3Store stoppable("s3://bucket", options_for(server_.url()), clock_, stop.get_token());
  stop.request_stop();
  fail_first(100, error(503));
  expect_error(Code::kCancelled, [&] { stoppable.get("object"); });
}

TEST_F(S3Test, AbandonedUploadsAreEnded) {
  server_.set_plan([](const Received& received, unsigned) -> std::optional<Fault> {
    if (received.method == "DELETE" || received.target.find("partNumber=2") != std::string::npos) {
      return Fault{error(403, "AccessDenied"), false};
    }
    return std::nullopt;
  });
  const auto staged = store().stage();
  staged->append(Bytes(S3Options{}.upload_part + 1));
  expect_error(Code::kDenied, [&] { staged->commit("data/pack"); });
  ASSERT_EQ(server_.pending_uploads(), 1u);
  server_.set_plan({});
  store().clean_up();
  EXPECT_EQ(server_.pending_uploads(), 0u);
}

// An object that is replaced is there at every moment.
TEST_F(S3Test, WhatIsStagedOverTakesThePlaceInOneStep) {
  const Bytes small(100, 3);
  const Bytes large(S3Options{}.upload_part + 1000, 7);
  bool removed = false;
  server_.set_plan([&](const Received& received, unsigned) -> std::optional<Fault> {
    removed |= received.method == "DELETE";
    return std::nullopt;
  });
  for (const Bytes& content : {small, large}) {
    store().put("x.tar", as_bytes("old"));
    const auto staged = store().stage_over();
    staged->append(content);
    EXPECT_EQ(text("x.tar"), "old");
    EXPECT_TRUE(staged->commit("x.tar"));
    EXPECT_TRUE(store().get("x.tar") == content);
    EXPECT_FALSE(removed);
  }
}

// What goes wrong before leaves the old one.
TEST_F(S3Test, AReplacementThatFailsChangesNothing) {
  store().put("x.tar", as_bytes("old"));
  server_.set_plan([](const Received& received, unsigned) -> std::optional<Fault> {
    if (received.target.find("partNumber=2") == std::string::npos) return std::nullopt;
    return Fault{error(403, "AccessDenied"), false};
  });
  const auto staged = store().stage_over();
  staged->append(Bytes(S3Options{}.upload_part + 1));
  expect_error(Code::kDenied, [&] { staged->commit("x.tar"); });
  EXPECT_EQ(text("x.tar"), "old");
  EXPECT_EQ(server_.pending_uploads(), 0u);
}

class LateFailure : public S3Test {
 protected:
  LateFailure() : S3Test({.completes_with_error = true}) {}
};

TEST_F(LateFailure, AnErrorInTheBodyOfASuccessIsNoSuccess) {
  const auto staged = store().stage();
  const Bytes content(S3Options{}.upload_part + 1000, 7);
  staged->append(content);
  EXPECT_TRUE(staged->commit("data/pack"));
  EXPECT_TRUE(store().get("data/pack") == content);
  EXPECT_EQ(server_.pending_uploads(), 0u);
}
}  // namespace
}  // namespace holdfast
