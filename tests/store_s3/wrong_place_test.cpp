// Stores that are elsewhere, and what answers that is no store.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <latch>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "store/expect_error.h"
#include "store_s3/s3_fixture.h"

namespace holdfast {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

TEST_F(S3Test, FollowsTheBucketToItsRegion) {
  Reply moved = error(400, "AuthorizationHeaderMalformed");
  moved.body =
      "<Error><Code>AuthorizationHeaderMalformed</Code><Region>eu-north-9</Region></Error>";
  fail_first(1, moved);
  store().put("object", as_bytes("content"));
  EXPECT_THAT(server_.received().back().header("authorization"), HasSubstr("/eu-north-9/s3/"));
  // From then on at once.
  server_.set_plan({});
  store().put("object", as_bytes("again"));
  EXPECT_EQ(server_.requests(), 1u);
  EXPECT_THAT(server_.received().back().header("authorization"), HasSubstr("/eu-north-9/s3/"));
}

// AWS has an endpoint for each region and the bucket's name in the host; seen by a proxy.
TEST_F(S3Test, FollowsTheBucketToAnotherEndpointOfAws) {
  ScriptedServer aws([](const Received& received) {
    Reply reply;
    if (received.target.find("eu-north-1") != std::string::npos) return reply;
    reply.status = 301;
    reply.headers = {{"x-amz-bucket-region", "eu-north-1"}};
    return reply;
  });
  S3Options options = options_for("http://s3.us-east-1.amazonaws.com");
  options.region = "us-east-1";
  options.proxy = aws.url();
  S3Store store("s3://bucket", options, clock_);
  store.put("object", as_bytes("content"));
  store.put("object", as_bytes("again"));
  std::vector<std::string> targets;
  for (const Received& received : aws.requests()) targets.push_back(received.target);
  const std::string here = "http://bucket.s3.us-east-1.amazonaws.com/object";
  const std::string there = "http://bucket.s3.eu-north-1.amazonaws.com/object";
  EXPECT_THAT(targets, ElementsAre(here, there, there));
}

TEST_F(S3Test, FollowsATemporaryRedirectOnce) {
  MiniS3 other;
  Reply elsewhere = error(307, "TemporaryRedirect");
  elsewhere.headers = {{"Location", other.url() + "/bucket/pre/object?x=1"}};
  fail_first(1, elsewhere);
  store().put("object", as_bytes("content"));
  EXPECT_EQ(other.received().size(), 1u);
  EXPECT_EQ(other.received()[0].target, "/bucket/pre/object");

  Reply loop = error(307, "TemporaryRedirect");
  loop.headers = {{"Location", server_.url() + "/bucket/pre/object"}};
  fail_first(100, loop);
  EXPECT_TRUE(error_of([&] { store().put("object", as_bytes("content")); }).has_value());
  EXPECT_EQ(server_.requests(), 2u);
}

TEST_F(S3Test, ExpiredCredentialsAreAskedForOnceMore) {
  fail_first(1, error(400, "ExpiredToken"));
  store().put("object", as_bytes("content"));
  EXPECT_EQ(server_.requests(), 2u);
  fail_first(100, error(400, "ExpiredToken"));
  expect_error(Code::kDenied, [&] { store().get("object"); });
  EXPECT_EQ(server_.requests(), 2u);
}

// AWS answers so to HEAD when the token has expired: there is no body that could say why.
TEST_F(S3Test, ARefusalWithoutAWordIsTakenForExpiredCredentialsOnce) {
  store().put("object", as_bytes("content"));
  fail_first(1, error(400));
  EXPECT_TRUE(store().stat("object"));
  EXPECT_EQ(server_.requests(), 2u);
  fail_first(100, error(400));
  expect_error(Code::kDenied, [&] { store().stat("object"); });
  EXPECT_EQ(server_.requests(), 2u);
}

// AWS's answer to HEAD with the signature of another region: no body, but a header.
TEST_F(S3Test, ARefusalThatNamesARegionIsFollowedThere) {
  store().put("object", as_bytes("content"));
  Reply moved = error(400);
  moved.body.clear();
  moved.headers = {{"x-amz-bucket-region", "eu-north-9"}};
  fail_first(1, moved);
  EXPECT_TRUE(store().stat("object"));
  EXPECT_THAT(server_.received().back().header("authorization"), HasSubstr("/eu-north-9/s3/"));
  // The region is right now, so it is the credentials.
  fail_first(1, moved);
  EXPECT_TRUE(store().stat("object"));
  EXPECT_EQ(server_.requests(), 2u);
}

TEST_F(S3Test, AMoveThatCannotBeFollowedIsNamed) {
  Reply moved = error(301);
  moved.headers = {{"x-amz-bucket-region", "eu-north-9"}};
  fail_first(100, moved);
  const auto failure = error_of([&] { store().get("object"); });
  ASSERT_TRUE(failure.has_value());
  EXPECT_THAT(failure->message(), HasSubstr("the bucket is in region eu-north-9"));
}

TEST_F(S3Test, AGatewayThatSendsElsewhereIsNamed) {
  Reply sso = error(302);
  sso.headers = {{"Location", "https://login.example/sso?secret=1"}};
  fail_first(100, sso);
  const auto failure = error_of([&] { store().get("object"); });
  ASSERT_TRUE(failure.has_value());
  EXPECT_EQ(failure->code(), Code::kInvalid);
  EXPECT_THAT(failure->message(), HasSubstr("go to https://login.example"));
  EXPECT_EQ(failure->message().find("secret"), std::string::npos);
  EXPECT_THAT(failure->hint(), HasSubstr("gateway"));
}

TEST_F(S3Test, APortThatWantsTlsSaysSoAndIsNotAskedAgain) {
  for (const char* words : {"<center>The plain HTTP request was sent to HTTPS port</center>",
                            "Client sent an HTTP request to an HTTPS server.\n"}) {
    Reply reply;
    reply.status = 400;
    reply.body = words;
    fail_first(100, reply);
    const auto failure = error_of([&] { store().get("object"); });
    ASSERT_TRUE(failure.has_value());
    EXPECT_EQ(failure->code(), Code::kInvalid);
    EXPECT_THAT(failure->hint(), HasSubstr("https://"));
    EXPECT_EQ(server_.requests(), 1u);
  }
}

// As a port that speaks TLS does, by ending the connection.
TEST_F(S3Test, AnEmptyAnswerMayComeOfAPortThatWantsTls) {
  const auto hint_of = [this](const Reply& reply) {
    fail_first(100'000, reply);
    const auto failure = error_of([&] { store().get("object"); });
    EXPECT_EQ(failure ? failure->code() : Code::kInternal, Code::kUnavailable);
    return failure ? failure->hint() : "";
  };
  EXPECT_THAT(hint_of({.close_before_answer = true}),
              HasSubstr(server_.url() + " (if that port speaks TLS, write https://)"));
  // Here the connection broke.
  store_.reset();
  EXPECT_THAT(hint_of({.reset = true}), Not(HasSubstr("TLS")));
}

// As a port that speaks TLS does, by an alert; or any other server.
TEST_F(S3Test, AnAnswerThatIsNoHttpIsExplained) {
  for (const char* answer : {"\x15\x03\x01\x02\x02\x02\x46", "220 mail.example ESMTP\r\n"}) {
    Reply reply{.close_after = true};
    reply.raw = answer;
    fail_first(100'000, reply);
    store_.reset();
    const auto failure = error_of([&] { store().get("object"); });
    ASSERT_TRUE(failure.has_value());
    EXPECT_EQ(failure->code(), Code::kInvalid);
    EXPECT_EQ(server_.requests(), 1u);
    EXPECT_THAT(failure->hint(), HasSubstr("check the port; if it speaks TLS, write https://"));
  }
}

// A login page, or the wrong web server.
TEST_F(S3Test, AWebPageIsNoStore) {
  Reply page;
  page.headers = {{"Content-Type", "text/html; charset=utf-8"}};
  page.body = "\n<!DOCTYPE html><html><body>sign in</body></html>";
  fail_first(100, page);
  const auto failure = error_of([&] { store().get("object"); });
  ASSERT_TRUE(failure.has_value());
  EXPECT_EQ(failure->code(), Code::kInvalid);
  EXPECT_THAT(failure->message(), HasSubstr(server_.url() + " is no S3 store"));
  expect_error(Code::kInvalid, [&] { list_objects(store(), ""); });
  expect_error(Code::kInvalid, [&] { store().put_new("object", as_bytes("content")); });

  // An object of that kind in a store is one, whatever its type.
  page.headers.emplace_back("x-amz-request-id", "r-1");
  fail_first(100, page);
  EXPECT_EQ(text("object"), page.body);
  page.headers = {{"Content-Type", "text/html"}};
  page.body = "{}";
  fail_first(100, page);
  EXPECT_EQ(text("object"), "{}");
}

// Two requests are under way when the store says where it is; the second one hears it too late.
TEST_F(S3Test, ARegionThatAnotherRequestHasLearnedIsNoError) {
  Reply moved = error(400, "AuthorizationHeaderMalformed");
  moved.body =
      "<Error><Code>AuthorizationHeaderMalformed</Code><Region>eu-north-9</Region></Error>";
  S3Store& shared = store();
  std::latch both(2);
  server_.set_plan([&](const Received& received, unsigned) -> std::optional<Fault> {
    if (received.header("authorization").find("/eu-north-9/") != std::string::npos) {
      return std::nullopt;
    }
    both.arrive_and_wait();
    return Fault{moved, false};
  });
  std::thread other([&] { EXPECT_NO_THROW(shared.put("one", as_bytes("1"))); });
  EXPECT_NO_THROW(shared.put("two", as_bytes("2")));
  other.join();
  EXPECT_EQ(text("one") + text("two"), "12");
}

}  // namespace
}  // namespace holdfast
