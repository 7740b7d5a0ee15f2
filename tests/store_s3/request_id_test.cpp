// Every error that an answer of the store led to names the request.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "store/expect_error.h"
#include "store/manual_clock.h"
#include "store/s3/bucket.h"
#include "store/s3/listing.h"
#include "store/s3/probe.h"
#include "store/s3/replication.h"
#include "store/s3/retention.h"
#include "store/s3/s3_store.h"
#include "store/s3/versions.h"
#include "store_s3/environment.h"
#include "support/mini_s3.h"
#include "vault/require_vault.h"

namespace holdfast {
namespace {

using ::testing::HasSubstr;

class RequestId : public ::testing::Test {
 protected:
  static MiniS3::Reply named(int status, const std::string& body) {
    return {.status = status, .headers = {{"x-amz-request-id", "r-9"}}, .body = body};
  }
  void answer(int status, const std::string& body) { answer(named(status, body)); }
  void answer(const MiniS3::Reply& reply) {
    server_.set_plan([reply](const MiniS3::Received&, unsigned) { return MiniS3::Fault{reply}; });
  }
  S3Store& store() {
    if (!store_) {
      S3Options options;
      options.endpoint = server_.url();
      options.region = "lab";
      store_ = std::make_unique<S3Store>("s3://bucket", options, clock_);
    }
    return *store_;
  }
  template <typename Step>
  static void expect_named(Code code, const Step& step) {
    const auto failure = error_of(step);
    ASSERT_TRUE(failure.has_value());
    EXPECT_EQ(failure->code(), code) << failure->message();
    EXPECT_THAT(failure->message(), HasSubstr("(request r-9)"));
  }

  MiniS3 server_;
  ManualClock clock_{parse_rfc3339("2025-11-10T12:00:00Z")};
  std::unique_ptr<S3Store> store_;
};

TEST_F(RequestId, NoBucketAndNoVault) {
  answer(404, "");
  expect_named(Code::kNotFound, [&] { require_bucket(store().client()); });
  expect_named(Code::kNotFound, [&] { require_vault(store(), "look elsewhere"); });
}

TEST_F(RequestId, ListsThatCannotBeUsed) {
  const std::string one =
      "<Contents><Key>b</Key><LastModified>2025-11-10T12:00:00Z</LastModified><Size>1</Size>"
      "</Contents>";
  std::string other = one;
  other.replace(other.find("<Key>b"), 6, "<Key>a");
  answer(200, "<ListBucketResult>" + one + other +
                  "<IsTruncated>false</IsTruncated></ListBucketResult>");
  expect_named(Code::kUnsupported, [&] { list_objects(store(), ""); });
  answer(200, "<ListBucketResult>");
  expect_named(Code::kCorrupt, [&] { list_objects(store(), ""); });
  answer(200,
         "<ListBucketResult><IsTruncated>true</IsTruncated>"
         "<NextContinuationToken>here</NextContinuationToken></ListBucketResult>");
  expect_named(Code::kUnsupported, [&] { list_objects(store(), ""); });
  answer(200, "no list");
  expect_named(Code::kCorrupt, [&] { list_versions(store().client(), "", [](const auto&) {}); });
  expect_named(Code::kCorrupt, [&] { store().clean_up(); });
}

TEST_F(RequestId, RangesThatCannotBeUsed) {
  Bytes ten(10);
  const auto read = [&] { store().read("object", 5, ten); };
  const auto pass = [&] { store().read_through("object", 10, [](ByteView) {}); };
  answer(200, "all of it, from the start");
  expect_named(Code::kCorrupt, read);  // longer than what there is room for
  answer(200, "from start");
  expect_named(Code::kUnsupported, read);
  answer(206, "short");
  expect_named(Code::kCorrupt, read);
  expect_named(Code::kCorrupt, pass);
  answer(206, "longer than ten");
  expect_named(Code::kCorrupt, read);
  expect_named(Code::kCorrupt, pass);
  answer(204, "");
  expect_named(Code::kUnsupported, read);
}

TEST_F(RequestId, ARangeThatIsAnother) {
  Bytes ten(10);
  MiniS3::Reply reply = named(206, "0123456789");
  reply.headers.emplace_back("content-range", "bytes 6-15/20");
  answer(reply);
  expect_named(Code::kCorrupt, [&] { store().read("object", 5, ten); });
  expect_named(Code::kCorrupt, [&] { store().read_through("object", 10, [](ByteView) {}); });
  reply.headers.back().second = "bytes 5-14/20";
  answer(reply);
  store().read("object", 5, ten);
}

TEST_F(RequestId, AnAnswerThatBreaksOffWheneverItIsAskedFor) {
  MiniS3::Reply reply = named(206, "0123456789");
  reply.cut_body_after = 4;
  answer(reply);
  Bytes ten(10);
  expect_named(Code::kUnavailable, [&] { store().read("object", 5, ten); });
  expect_named(Code::kUnavailable, [&] { store().get("object"); });
}

TEST_F(RequestId, SettingsOfTheBucketThatCannotBeRead) {
  answer(200, "no settings");
  S3Client& client = store().client();
  expect_named(Code::kCorrupt, [&] { bucket_versioning(client); });
  expect_named(Code::kCorrupt, [&] { bucket_lock(client); });
  for (const int status : {405, 501}) {
    answer(status, "");
    expect_named(Code::kUnsupported, [&] { bucket_replication(client); });
    expect_named(Code::kUnsupported, [&] { set_bucket_replication(client, "<a/>"); });
  }
}

TEST_F(RequestId, ALockUntilNoTime) {
  MiniS3::Reply reply = named(200, "");
  reply.headers.emplace_back("x-amz-object-lock-retain-until-date", "tomorrow");
  answer(reply);
  expect_named(Code::kInvalid, [&] { retention_of(store().client(), "object"); });
}

TEST_F(RequestId, WhatAProbeFindsMissing) {
  answer(200, "");
  for (const Feature& feature : probe_store(store(), {})) {
    if (feature.name != "create only if absent") continue;
    EXPECT_EQ(feature.state, Feature::State::kMissing);
    EXPECT_THAT(feature.detail, HasSubstr("(request r-9)"));
    return;
  }
  FAIL() << "it was not tried";
}

TEST_F(RequestId, AnObjectWithoutADate) {
  answer(200, "");
  expect_named(Code::kUnsupported, [&] { store().stat("object"); });
}

}  // namespace
}  // namespace holdfast
