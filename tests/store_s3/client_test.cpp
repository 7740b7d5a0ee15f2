// What the S3 store makes of a store that is slow, overloaded, lying or gone.
#include "store/s3/client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <latch>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "store/contract.h"
#include "store/expect_error.h"
#include "store/manual_clock.h"
#include "store/s3/s3_store.h"
#include "store/s3/upload.h"
#include "store_s3/environment.h"
#include "support/mini_s3.h"

namespace holdfast {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;
using Fault = MiniS3::Fault;
using Reply = MiniS3::Reply;
using Received = MiniS3::Received;

const auto* const kEnvironment =
    ::testing::AddGlobalTestEnvironment(std::make_unique<test::S3Environment>().release());

S3Options options_for(const std::string& endpoint) {
  S3Options options;
  options.endpoint = endpoint;
  options.region = "lab";
  return options;
}

class S3Test : public ::testing::Test {
 protected:
  explicit S3Test(const MiniS3::Behaviour& behaviour = {}) : server_(behaviour) {}

  S3Store& store() {
    if (!store_) {
      store_ = std::make_unique<S3Store>("s3://bucket/pre", options_for(server_.url()), clock_);
    }
    return *store_;
  }
  std::string text(std::string_view key) { return std::string(as_text(store().get(key))); }
  // The first `times` requests that match get the reply.
  void fail_first(unsigned times, const Reply& reply, bool takes_effect = false) {
    auto left = std::make_shared<std::atomic<int>>(static_cast<int>(times));
    server_.set_plan(
        [left, reply, takes_effect](const Received&, unsigned) -> std::optional<Fault> {
          if (left->fetch_sub(1) <= 0) return std::nullopt;
          return Fault{reply, takes_effect};
        });
  }
  static Reply error(int status, const std::string& code = {}) {
    Reply reply;
    reply.status = status;
    if (!code.empty()) {
      reply.body = "<Error><Code>" + code + "</Code><RequestId>r-77</RequestId></Error>";
    }
    return reply;
  }

  MiniS3 server_;
  ManualClock clock_{parse_rfc3339("2025-11-10T12:00:00Z")};
  std::unique_ptr<S3Store> store_;
};

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

// What a listing says of each object, a line each.
std::string listed(ObjectStore& store) {
  std::string text;
  for (const ObjectInfo& info : list_objects(store, "")) {
    text += info.key + " " + std::to_string(info.size) + " " + format_rfc3339(info.modified) + " " +
            info.etag + "\n";
  }
  return text;
}

class ChangedBytes : public S3Test {
 protected:
  ChangedBytes() : ChangedBytes(MiniS3::Behaviour{}) {}
  explicit ChangedBytes(const MiniS3::Behaviour& behaviour) : S3Test(behaviour) {}

  // Changes bits of one byte of the answers to the first `times` of the requests that match.
  void change(std::size_t at, char bits, bool (*matches)(const Received&), int times = 1) {
    auto left = std::make_shared<std::atomic<int>>(times);
    server_.set_plan([=](const Received& received, unsigned) -> std::optional<Fault> {
      if (!matches(received) || left->fetch_sub(1) <= 0) return std::nullopt;
      return Fault{{}, false, at, bits};
    });
  }
  static bool is_list(const Received& received) {
    return received.target.find("list-type=2") != received.target.npos;
  }
  static bool is_get(const Received& received) {
    return received.method == "GET" && !is_list(received);
  }
  void put_some() {
    for (const char* key : {"data/58/58a1", "files/2025-11-10/backup-1.hfb", "lease/8.json"}) {
      store().put(key, as_bytes(key));
    }
  }
};

// A key that becomes another one must not make prune think that a backup or a lease is gone.
TEST_F(ChangedBytes, NoByteOfAListMakesAnObjectVanish) {
  put_some();
  const std::string truth = listed(store());
  const std::size_t size = 700;  // a little more than the list has
  for (std::size_t at = 0; at < size; ++at) {
    for (const char bits : {'\x01', '\x04'}) {
      change(at, bits, is_list);
      ASSERT_EQ(listed(store()), truth) << at << " " << int{bits};
    }
  }
}

TEST_F(ChangedBytes, AListThatIsNeverWhatWasSentIsAnError) {
  put_some();
  change(3, 1, is_list, 1000);  // the root has another name
  expect_error(Code::kCorrupt, [&] { listed(store()); });
}

class ChangedPages : public ChangedBytes {
 protected:
  ChangedPages() : ChangedBytes({.page = 2}) {}
};

// With a page's token changed the rest of that reading is at another place.
TEST_F(ChangedPages, TheTruthOrAnError) {
  put_some();
  store().put("meta/58/58b1", as_bytes("x"));
  store().put("run/1", as_bytes("x"));
  const std::string truth = listed(store());
  unsigned errors = 0;
  for (std::size_t at = 0; at < 600; ++at) {
    change(at, 4, is_list);
    try {
      ASSERT_EQ(listed(store()), truth) << at;
    } catch (const Error& error) {
      EXPECT_FALSE(error.hint().empty()) << error.what();
      ++errors;
    }
  }
  EXPECT_LT(errors, 60u);
}

TEST_F(ChangedBytes, WhatIsWrittenMeanwhileIsListedOnce) {
  put_some();
  const std::string truth = listed(store());
  bool done = false;
  S3Store other("s3://bucket/pre", options_for(server_.url()), clock_);
  server_.set_plan([&](const Received& received, unsigned number) -> std::optional<Fault> {
    if (is_list(received) && number > 1 && !std::exchange(done, true)) {
      other.put("data/58/58a2", as_bytes("new"));
    }
    return std::nullopt;
  });
  const auto objects = list_objects(store(), "");
  EXPECT_TRUE(done);
  EXPECT_EQ(objects.size(), 4u);
}

TEST_F(ChangedBytes, AnObjectIsReadAgain) {
  store().put("holdfast.json", as_bytes("content"));
  change(3, 1, is_get);
  EXPECT_EQ(text("holdfast.json"), "content");
  EXPECT_EQ(server_.requests(), 2u) << "the ETag told which one was right";
  change(3, 1, is_get, 0);
  EXPECT_EQ(text("holdfast.json"), "content");
  EXPECT_EQ(server_.requests(), 1u);
}

// What lies in the store is for whoever opens it to judge.
TEST_F(ChangedBytes, AnObjectThatIsDamagedInTheStoreIsGivenAsItIs) {
  store().put("holdfast.json", as_bytes("content"));
  change(3, 1, is_get, 1000);
  EXPECT_EQ(text("holdfast.json"), "conuent");
}

TEST_F(ChangedBytes, AnObjectThatIsAnotherEachTimeIsAnError) {
  store().put("holdfast.json", as_bytes("content"));
  server_.set_plan([&](const Received&, unsigned number) -> std::optional<Fault> {
    return Fault{{}, false, number, 1};
  });
  expect_error(Code::kCorrupt, [&] { text("holdfast.json"); });
}

class OtherEtags : public ChangedBytes {
 protected:
  OtherEtags() : ChangedBytes({.etags_are_hashes = false}) {}
};

TEST_F(OtherEtags, TwoReadingsHaveToAgree) {
  store().put("holdfast.json", as_bytes("content"));
  for (const unsigned change_first : {0u, 1u, 1u}) {
    change(3, 1, is_get, static_cast<int>(change_first));
    EXPECT_EQ(text("holdfast.json"), "content");
    EXPECT_EQ(server_.requests(), 2u + change_first);
  }
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

// Every fault at every request of a run of operations: each ends as if nothing had happened.
struct FaultKind {
  const char* name;
  Fault fault;
};

class S3FaultSweep : public ::testing::TestWithParam<FaultKind> {};

void run_of_operations(S3Store& store) {
  store.put("a/put", as_bytes("1"));
  EXPECT_TRUE(store.put_new("a/new", as_bytes("2")));
  EXPECT_FALSE(store.put_new("a/new", as_bytes("3")));
  const std::string etag = store.stat("a/new").value().etag;
  EXPECT_TRUE(store.replace("a/new", as_bytes("4"), etag));
  EXPECT_FALSE(store.replace("a/new", as_bytes("5"), etag));
  const Bytes large(S3Options{}.upload_part + 5, 9);
  const auto staged = store.stage();
  staged->append(large);
  EXPECT_TRUE(staged->commit("b/large"));
  const auto again = store.stage();
  again->append(large);
  EXPECT_FALSE(again->commit("b/large"));
  store.remove("a/put");
  EXPECT_FALSE(store.stat("a/put").has_value());
  Bytes tail(10);
  store.read("b/large", S3Options{}.upload_part - 5, tail);
  EXPECT_EQ(tail, Bytes(10, 9));
  std::vector<std::string> keys;
  store.list("", [&](const ObjectInfo& info) { keys.push_back(info.key); });
  EXPECT_THAT(keys, ElementsAre("a/new", "b/large"));
  EXPECT_EQ(as_text(store.get("a/new")), "4");
}

TEST_P(S3FaultSweep, EveryRequest) {
  unsigned requests = 0;
  {
    MiniS3 server;
    ManualClock clock{parse_rfc3339("2025-11-10T12:00:00Z")};
    S3Store store("s3://bucket", options_for(server.url()), clock);
    server.set_plan({});
    run_of_operations(store);
    requests = server.requests();
  }
  ASSERT_GT(requests, 15u);
  for (unsigned at = 1; at <= requests; at += HOLDFAST_SWEEP_STRIDE) {
    SCOPED_TRACE(at);
    MiniS3 server;
    ManualClock clock{parse_rfc3339("2025-11-10T12:00:00Z")};
    S3Store store("s3://bucket", options_for(server.url()), clock);
    server.set_plan([&](const Received&, unsigned number) -> std::optional<Fault> {
      if (number == at) return GetParam().fault;
      return std::nullopt;
    });
    run_of_operations(store);
    EXPECT_GT(server.requests(), requests) << "the fault was not noticed";
    // A lost answer to the begin of an upload leaves one that nobody knows.
    EXPECT_LE(server.pending_uploads(), GetParam().fault.takes_effect ? 1u : 0u);
    store.clean_up();
    EXPECT_EQ(server.pending_uploads(), 0u);
  }
}

void PrintTo(const FaultKind& kind, std::ostream* out) { *out << kind.name; }

INSTANTIATE_TEST_SUITE_P(
    Faults, S3FaultSweep,
    ::testing::Values(FaultKind{"Overload", {{.status = 503}, false}},
                      FaultKind{"Internal", {{.status = 500}, false}},
                      FaultKind{"InternalAfterEffect", {{.status = 500}, true}},
                      FaultKind{"LostAcknowledgement", {{.close_before_answer = true}, true}},
                      FaultKind{"ResetBefore", {{.reset = true}, false}},
                      FaultKind{"ResetAfterEffect", {{.reset = true}, true}}),
    [](const auto& parameter) { return parameter.param.name; });

// The contract over the scripted server, with small pages.
class MiniFixture : public StoreFixture {
 public:
  ObjectStore& store() override { return store_; }

 private:
  MiniS3 server_{{.page = 3}};
  S3Store store_{"s3://bucket/some/prefix", options_for(server_.url()), system_clock()};
};

// Ceph takes the quotes of an etag for a part of it.
class BareEtagFixture : public StoreFixture {
 public:
  ObjectStore& store() override { return store_; }

 private:
  MiniS3 server_{{.wants_bare_etags = true}};
  S3Store store_{"s3://bucket", options_for(server_.url()), system_clock()};
};

INSTANTIATE_TEST_SUITE_P(Scripted, StoreContract,
                         ::testing::Values(backend<MiniFixture>("S3"),
                                           backend<BareEtagFixture>("S3WithBareEtags")),
                         [](const auto& parameter) { return parameter.param.name; });

}  // namespace
}  // namespace holdfast
