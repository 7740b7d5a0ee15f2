// Every error that an answer of the store led to names the request.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "store/expect_error.h"
#include "store/manual_clock.h"
#include "store/s3/bucket.h"
#include "store/s3/listing.h"
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
  void answer(int status, const std::string& body) {
    MiniS3::Reply reply;
    reply.status = status;
    reply.headers = {{"x-amz-request-id", "r-9"}};
    reply.body = body;
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

TEST_F(RequestId, AnObjectWithoutADate) {
  answer(200, "");
  expect_named(Code::kUnsupported, [&] { store().stat("object"); });
}

}  // namespace
}  // namespace holdfast
