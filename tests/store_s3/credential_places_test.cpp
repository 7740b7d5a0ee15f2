#include "store/s3/credential_places.h"

#include <atomic>

#include "store/s3/credential_answers.h"
#include "store_s3/credential_fixture.h"

namespace holdfast {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr auto* kFullUri = "AWS_CONTAINER_CREDENTIALS_FULL_URI";
constexpr auto* kRelativeUri = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI";

class Container : public CredentialTest {
 protected:
  std::string url_for(const std::string& full) {
    variables_[kFullUri] = full;
    return container_url(options().environment);
  }
};

TEST_F(Container, UrlOfTheVariables) {
  EXPECT_EQ(container_url(options().environment), "");
  variables_[kRelativeUri] = "/v2/credentials/x?y=1";
  EXPECT_EQ(url_for("http://127.0.0.1/"), "http://169.254.170.2/v2/credentials/x?y=1");
  variables_[kRelativeUri] = "@example.org/";
  EXPECT_EQ(failure().code(), Code::kInvalid);
}

TEST_F(Container, PlainHttpStaysNear) {
  for (const std::string url :
       {"http://127.0.0.1:80/x", "http://127.9.8.7", "http://localhost/x", "http://[::1]:81/x",
        "http://169.254.170.2/x", "http://169.254.170.23/v1/credentials", "http://[fd00:ec2::23]/x",
        "https://example.org/x"}) {
    EXPECT_EQ(url_for(url), url);
  }
  for (const std::string url :
       {"http://example.org/x", "http://169.254.169.254/x", "http://10.0.0.1/x",
        "http://127.0.0.1.example.org/x", "http://127.0.0.1@example.org/x", "http://[::2]/x",
        "http://localhost.example.org/", "http://[::1", "http://user@localhost/x", "http://",
        "ftp://127.0.0.1/x", "/x"}) {
    expect_error(Code::kInvalid, [&] { url_for(url); });
  }
}

TEST_F(Container, SendsTheTokenOfTheVariableOrTheFile) {
  ScriptedServer server([](const Received&) { return ok(metadata_json("KEY")); });
  variables_[kFullUri] = server.url() + "/path?query";
  EXPECT_EQ(get().session_token, "TOKEN-KEY");
  variables_["AWS_CONTAINER_AUTHORIZATION_TOKEN"] = "Basic variable";
  get();
  variables_["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"] = write("token", "file-token\n");
  const S3Credentials credentials = get();
  EXPECT_EQ(credentials.access_key, "KEY");
  EXPECT_EQ(credentials.secret_key, "HUSH-KEY");
  EXPECT_EQ(credentials.expires, parse_rfc3339("2025-11-10T18:00:00Z"));
  const auto requests = server.requests();
  ASSERT_EQ(requests.size(), 3u);
  EXPECT_EQ(requests[0].method, "GET");
  EXPECT_EQ(requests[0].target, "/path?query");
  EXPECT_EQ(requests[0].header("authorization"), "");
  EXPECT_EQ(requests[1].header("authorization"), "Basic variable");
  EXPECT_EQ(requests[2].header("authorization"), "file-token");
}

// The proxy that reaches the store would ask the service of its own machine, or show it our token.
TEST_F(Container, NeverThroughAProxy) {
  ScriptedServer server([](const Received&) { return ok(metadata_json("KEY")); });
  ScriptedServer proxy([](const Received&) { return ok(metadata_json("PROXY")); });
  HttpClient http({.proxy = proxy.url()});
  variables_[kFullUri] = server.url();
  EXPECT_EQ(ask_container(http, options().environment).credentials->access_key, "KEY");
  variables_.erase(kFullUri);
  CredentialOptions instance = options();
  variables_.erase("AWS_EC2_METADATA_DISABLED");
  instance.metadata_endpoint = server.url();
  ask_instance(http, instance);
  EXPECT_TRUE(proxy.requests().empty());
  EXPECT_EQ(server.requests().size(), 2u);
  HttpRequest request;
  request.url = server.url();
  http.send(request);
  EXPECT_EQ(proxy.requests().size(), 1u) << "what is not for this machine goes through it";
}

TEST_F(Container, TokensThatAreNone) {
  ScriptedServer server([](const Received&) { return ok(metadata_json("KEY")); });
  variables_[kFullUri] = server.url();
  variables_["AWS_CONTAINER_AUTHORIZATION_TOKEN"] = "HUSH\r\nx: y";
  EXPECT_EQ(failure().code(), Code::kInvalid);
  variables_["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"] = write("token", " \n");
  EXPECT_EQ(failure().code(), Code::kInvalid);
  write("token", "HUSH\nHUSH\n");
  EXPECT_EQ(failure().code(), Code::kInvalid);
  variables_["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"] = home_ / "absent";
  EXPECT_EQ(failure().code(), Code::kNotFound);
  EXPECT_TRUE(server.requests().empty());
}

TEST_F(Container, TriesAgainWhatMayPass) {
  std::atomic<int> count = 0;
  ScriptedServer server([&](const Received&) {
    Reply reply = ok(metadata_json("KEY"));
    if (++count == 1) return status(503);
    reply.close_before_answer = count == 2;
    return reply;
  });
  variables_[kFullUri] = server.url();
  EXPECT_EQ(get().access_key, "KEY");
  EXPECT_EQ(count, 3);
}

TEST_F(Container, RefusalsAndMalformedAnswers) {
  Reply reply = status(403, "HUSH");
  ScriptedServer server([&](const Received&) { return reply; });
  variables_[kFullUri] = server.url();
  EXPECT_EQ(failure().code(), Code::kDenied);
  reply = status(429);
  EXPECT_EQ(failure().code(), Code::kUnavailable);
  for (const std::string body :
       {"", "HUSH", "[\"HUSH\"]", R"({"SecretAccessKey": "HUSH"})",
        R"({"AccessKeyId": "A", "SecretAccessKey": 7})",
        R"({"AccessKeyId": "A", "SecretAccessKey": "HUSH\nHUSH"})",
        R"({"AccessKeyId": "A", "SecretAccessKey": "HUSH", "Expiration": "HUSH"})"}) {
    reply = ok(body);
    EXPECT_EQ(failure().code(), Code::kInvalid) << body;
  }
  reply = ok(R"({"code": "NoRole", "message": "HUSH"})");
  const Error error = failure();
  EXPECT_EQ(error.code(), Code::kDenied);
  EXPECT_THAT(error.message(), HasSubstr("'NoRole'"));
}

class Instance : public CredentialTest {
 protected:
  Instance() { variables_.erase("AWS_EC2_METADATA_DISABLED"); }
  Error failure_at(const ScriptedServer& server) {
    variables_["AWS_EC2_METADATA_SERVICE_ENDPOINT"] = server.url();
    return failure();
  }
};

TEST_F(Instance, TokenThenRoleThenCredentials) {
  ScriptedServer server([](const Received& request) {
    if (request.method == "PUT") return ok("the-token==");
    if (request.target.ends_with('/')) return ok("my role\nanother");
    return ok(metadata_json("KEY"));
  });
  CredentialOptions asked = options();
  asked.metadata_endpoint = server.url() + "/";
  variables_["AWS_EC2_METADATA_SERVICE_ENDPOINT"] = "http://127.0.0.1:1";
  expect_error(Code::kInvalid, [&] { ask_instance(http_, asked); });  // "my role" is no word
  ASSERT_EQ(server.requests().size(), 2u);
  ScriptedServer good([](const Received& request) {
    if (request.method == "PUT") return ok("the-token==");
    if (request.target.ends_with('/')) return ok("role+x@y\nanother");
    return ok(metadata_json("KEY"));
  });
  asked.metadata_endpoint = good.url() + "/";
  const PlaceAnswer answer = ask_instance(http_, asked);
  ASSERT_TRUE(answer.credentials);
  EXPECT_EQ(answer.credentials->access_key, "KEY");
  const auto requests = good.requests();
  ASSERT_EQ(requests.size(), 3u);
  EXPECT_EQ(requests[0].target, "/latest/api/token");
  EXPECT_EQ(requests[0].header("x-aws-ec2-metadata-token-ttl-seconds"), "21600");
  EXPECT_EQ(requests[1].target, "/latest/meta-data/iam/security-credentials/");
  EXPECT_EQ(requests[1].header("x-aws-ec2-metadata-token"), "the-token==");
  EXPECT_EQ(requests[2].target, "/latest/meta-data/iam/security-credentials/role%2Bx%40y");
  EXPECT_EQ(requests[2].header("x-aws-ec2-metadata-token"), "the-token==");
}

TEST_F(Instance, NeverFallsBackToVersionOne) {
  for (const int code : {403, 404, 405, 503}) {
    ScriptedServer server([&](const Received& request) {
      return request.method == "PUT" ? status(code) : ok(metadata_json("KEY"));
    });
    const Error error = failure_at(server);
    EXPECT_EQ(error.code(), Code::kDenied);
    EXPECT_THAT(error.message(), HasSubstr(std::to_string(code)));
    for (const Received& request : server.requests()) EXPECT_EQ(request.method, "PUT");
  }
}

TEST_F(Instance, SilenceIsNoInstance) {
  ScriptedServer server([](const Received&) {
    Reply reply;
    reply.stall = true;
    return reply;
  });
  const auto begin = std::chrono::steady_clock::now();
  const Error error = failure_at(server);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds{20});
  EXPECT_EQ(error.code(), Code::kDenied);
  EXPECT_THAT(error.message(), HasSubstr("instance metadata: "));
  EXPECT_EQ(server.requests().size(), 2u);
}

TEST_F(Instance, APortalInItsPlaceIsNoInstance) {
  ScriptedServer server([](const Received&) { return ok("<html>HUSH log in</html>"); });
  const Error error = failure_at(server);
  EXPECT_EQ(error.code(), Code::kDenied);
  EXPECT_THAT(error.message(), HasSubstr("not the service"));
  EXPECT_EQ(server.requests().size(), 1u);
}

TEST_F(Instance, WithoutARole) {
  for (const Reply& reply : {status(404), ok("")}) {
    ScriptedServer server(
        [&](const Received& request) { return request.method == "PUT" ? ok("token") : reply; });
    const Error error = failure_at(server);
    EXPECT_EQ(error.code(), Code::kDenied);
    EXPECT_THAT(error.message(), HasSubstr("no role is attached"));
  }
}

TEST_F(Instance, TroubleOnceItIsThereIsAnError) {
  ScriptedServer server([](const Received& request) {
    return request.method == "PUT" ? ok("HUSH-token") : status(500, "HUSH");
  });
  EXPECT_EQ(failure_at(server).code(), Code::kUnavailable);
  EXPECT_EQ(server.requests().size(), 3u);
}

class WebIdentity : public CredentialTest {
 protected:
  WebIdentity() {
    variables_["AWS_WEB_IDENTITY_TOKEN_FILE"] = write("token", "HUSH/JWT-1234567890\n");
    variables_["AWS_ROLE_ARN"] = "arn:aws:iam::1:role/r";
    variables_["AWS_ENDPOINT_URL_STS"] = server_.url() + "/";
  }
  Reply reply_ = ok(token_xml("KEY"));
  ScriptedServer server_{[this](const Received&) { return reply_; }};
};

TEST_F(WebIdentity, ExchangesTheTokenUnsigned) {
  variables_["AWS_ROLE_SESSION_NAME"] = "me";
  const S3Credentials credentials = get();
  EXPECT_EQ(credentials.access_key, "KEY");
  EXPECT_EQ(credentials.secret_key, "HUSH-KEY");
  EXPECT_EQ(credentials.session_token, "TOKEN-KEY");
  EXPECT_EQ(credentials.expires, parse_rfc3339("2025-11-10T18:00:00Z"));
  ASSERT_EQ(server_.requests().size(), 1u);
  const Received request = server_.requests()[0];
  EXPECT_EQ(request.method, "POST");
  EXPECT_EQ(request.target, "/");
  EXPECT_EQ(request.header("content-type"), "application/x-www-form-urlencoded");
  EXPECT_EQ(request.header("authorization"), "");
  EXPECT_EQ(request.body,
            "Action=AssumeRoleWithWebIdentity&RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fr&"
            "RoleSessionName=me&Version=2011-06-15&WebIdentityToken=HUSH%2FJWT-1234567890");
}

TEST_F(WebIdentity, RefusalsSayWhyAndNotTheToken) {
  reply_ = status(400,
                  "<ErrorResponse><Error><Code>ExpiredTokenException</Code><Message>Token expired"
                  "</Message></Error></ErrorResponse>");
  Error error = failure();
  EXPECT_EQ(error.code(), Code::kDenied);
  EXPECT_THAT(error.message(),
              AllOf(HasSubstr("web identity"), HasSubstr("ExpiredTokenException: Token expired")));
  reply_ = status(400, "<Error><Code>C</Code><Message>bad: HUSH/JWT-12345</Message></Error>");
  EXPECT_THAT(failure().message(), HasSubstr("400, C"));
  reply_ = status(400, "HUSH");
  EXPECT_EQ(failure().code(), Code::kDenied);
}

TEST_F(WebIdentity, TroubleThatMayPass) {
  reply_ = status(503);
  EXPECT_EQ(failure().code(), Code::kUnavailable);
  EXPECT_EQ(server_.requests().size(), 2u);
  reply_ = status(400, "<Error><Code>Throttling</Code></Error>");
  EXPECT_EQ(failure().code(), Code::kUnavailable);
}

TEST_F(WebIdentity, MalformedAnswers) {
  for (const std::string body :
       {"", "HUSH", "<a>", "<a/>", "<Credentials><AccessKeyId>A</AccessKeyId></Credentials>",
        "<Credentials><AccessKeyId>A</AccessKeyId><SecretAccessKey>HUSH</SecretAccessKey>"
        "<Expiration>HUSH</Expiration></Credentials>"}) {
    reply_ = ok(body);
    EXPECT_EQ(failure().code(), Code::kInvalid) << body;
  }
}

TEST_F(WebIdentity, HalfSetUpIsInvalid) {
  write("token", "");
  EXPECT_EQ(failure().code(), Code::kInvalid);
  variables_.erase("AWS_ROLE_ARN");
  const Error error = failure();
  EXPECT_EQ(error.code(), Code::kInvalid);
  EXPECT_THAT(error.message(), HasSubstr("AWS_ROLE_ARN"));
  EXPECT_TRUE(server_.requests().empty());
}

TEST(TokenError, AnythingCanBeRead) {
  EXPECT_EQ(parse_token_error(as_bytes("no xml <")).code, "");
  EXPECT_EQ(parse_token_error({}).message, "");
  const auto error = parse_token_error(as_bytes("<Error><Code>a&#10;b</Code></Error>"));
  EXPECT_THAT(error.code, Not(HasSubstr("\n")));
}

}  // namespace
}  // namespace holdfast
