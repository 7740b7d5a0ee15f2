#include "store/s3/profile_credentials.h"

#include "store/s3/sign.h"
#include "store/s3/token_service.h"
#include "store_s3/credential_fixture.h"

namespace holdfast {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class Profile : public CredentialTest {
 protected:
  void config(std::string_view text) { write(".aws/config", text); }
  // A process that prints `answer`.
  void process(const std::string& answer) {
    write("answer", answer);
    config("[default]\ncredential_process = cat '" + (home_ / "answer") + "'\n");
  }
};

TEST_F(Profile, StaticKeys) {
  config(
      "[profile a]\naws_access_key_id = A\naws_secret_access_key = HUSH\n"
      "aws_session_token = T=\n");
  const S3Credentials credentials = get("a");
  EXPECT_EQ(credentials.access_key, "A");
  EXPECT_EQ(credentials.secret_key, "HUSH");
  EXPECT_EQ(credentials.session_token, "T=");
  EXPECT_FALSE(credentials.expires);
}

TEST_F(Profile, HalfOfTheKeysIsInvalid) {
  config(
      "[profile a]\naws_access_key_id = A\n[profile b]\naws_secret_access_key = HUSH\n"
      "[profile c]\naws_access_key_id = A\naws_secret_access_key = HUSH x\n");
  EXPECT_EQ(failure("a").code(), Code::kInvalid);
  EXPECT_EQ(failure("b").code(), Code::kInvalid);
  EXPECT_EQ(failure("c").code(), Code::kInvalid);
}

TEST_F(Profile, AMissingOneIsInvalidAndTheOthersAreListed) {
  config("[default]\nregion = a\n[profile work]\nregion = b\n");
  write(".aws/credentials", "[home]\naws_access_key_id = A\naws_secret_access_key = HUSH\n");
  for (const Error& error : {failure("wrok"), [&] {
                               variables_["AWS_PROFILE"] = "wrok";
                               return failure();
                             }()}) {
    EXPECT_EQ(error.code(), Code::kInvalid);
    EXPECT_THAT(error.message(),
                AllOf(HasSubstr("no profile 'wrok'"), HasSubstr("there are: default, home, work")));
  }
  config("");
  write(".aws/credentials", "");
  EXPECT_THAT(failure().message(), HasSubstr("no profiles at all"));
}

TEST_F(Profile, FilesThatAreNoneAreInvalid) {
  config("[default\n");
  EXPECT_EQ(failure().code(), Code::kInvalid);
  EXPECT_THAT(failure().message(), HasSubstr(".aws/config:1: "));
}

TEST_F(Profile, CredentialProcess) {
  process(R"({"Version": 1, "AccessKeyId": "P", "SecretAccessKey": "HUSH",
              "SessionToken": "T", "Expiration": "2025-11-10T19:00:00+01:00"})");
  const S3Credentials credentials = get();
  EXPECT_EQ(credentials.access_key, "P");
  EXPECT_EQ(credentials.session_token, "T");
  EXPECT_EQ(credentials.expires, parse_rfc3339("2025-11-10T18:00:00Z"));
  process(R"({"Version": 1, "AccessKeyId": "P", "SecretAccessKey": "HUSH"})");
  EXPECT_FALSE(get().expires);
}

TEST_F(Profile, CredentialProcessThatFailsShowsItsErrorsAndNothingElse) {
  config("[default]\ncredential_process = echo HUSH; printf 'not\\nallowed\\n' >&2; exit 7\n");
  const Error error = failure();
  EXPECT_EQ(error.code(), Code::kDenied);
  EXPECT_THAT(error.message(), HasSubstr("exit code 7: not allowed"));
}

TEST_F(Profile, CredentialProcessThatTalksNonsense) {
  for (const std::string answer :
       {"HUSH", "{}", R"({"Version": 2, "AccessKeyId": "P", "SecretAccessKey": "HUSH"})",
        R"({"Version": "1", "AccessKeyId": "P", "SecretAccessKey": "HUSH"})",
        R"({"Version": 1, "AccessKeyId": "P"})",
        R"({"Version": 1, "AccessKeyId": "P", "SecretAccessKey": "HUSH", "Expiration": "x"})"}) {
    process(answer);
    const Error error = failure();
    EXPECT_EQ(error.code(), Code::kInvalid) << answer;
    EXPECT_THAT(error.message(), HasSubstr("credential_process"));
  }
}

TEST_F(Profile, SingleSignOnIsRefusedWithAWayOut) {
  config(
      "[profile a]\nsso_session = s\nsso_account_id = 1\nsso_role_name = r\n"
      "[profile b]\nsso_start_url = https://x\n[sso-session s]\nsso_region = r\n");
  for (const char* name : {"a", "b"}) {
    const Error error = failure(name);
    EXPECT_EQ(error.code(), Code::kUnsupported);
    EXPECT_THAT(error.hint(),
                HasSubstr(std::string("credential_process = aws configure export-credentials "
                                      "--profile ") +
                          name + " --format process"));
  }
}

class Role : public Profile {
 protected:
  Role() { variables_["AWS_ENDPOINT_URL_STS"] = server_.url(); }
  Reply reply_ = ok(token_xml("ROLE"));
  ScriptedServer server_{[this](const Received&) { return reply_; }};
};

const std::string kSource =
    "[profile source]\naws_access_key_id = SRC\n"
    "aws_secret_access_key = HUSH-SRC\n";

TEST_F(Role, IsTakenWithASignedRequest) {
  config(kSource +
         "[profile role]\nrole_arn = arn:aws:iam::1:role/r\nsource_profile = source\n"
         "external_id = x y\nduration_seconds = 900\nrole_session_name = me\n"
         "region = eu-central-1\n");
  EXPECT_EQ(get("role").access_key, "ROLE");
  EXPECT_EQ(get("role").session_token, "TOKEN-ROLE");
  const Received request = server_.requests().at(0);
  EXPECT_EQ(request.method, "POST");
  EXPECT_EQ(request.body,
            "Action=AssumeRole&DurationSeconds=900&ExternalId=x%20y&"
            "RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fr&RoleSessionName=me&Version=2011-06-15");
  EXPECT_EQ(request.header("x-amz-date"), "20251110T120000Z");
  SignableRequest expected{
      "POST",
      "/",
      {},
      {{"host", request.header("host")}, {"content-type", "application/x-www-form-urlencoded"}},
      sha256_hex(as_bytes(request.body))};
  sign(expected, {"SRC", "HUSH-SRC", {}, {}}, {"eu-central-1", "sts", true}, noon());
  EXPECT_EQ(request.header("authorization"), expected.headers.back().second);
}

TEST_F(Role, CountsMoreThanKeysOfTheSameProfile) {
  config(
      "[default]\nrole_arn = arn:r\nsource_profile = default\naws_access_key_id = SRC\n"
      "aws_secret_access_key = HUSH\naws_session_token = SESSION\n");
  EXPECT_EQ(get().access_key, "ROLE");
  ASSERT_EQ(server_.requests().size(), 1u);
  EXPECT_THAT(server_.requests()[0].header("authorization"), HasSubstr("Credential=SRC/20251110/"));
  EXPECT_EQ(server_.requests()[0].header("x-amz-security-token"), "SESSION");
}

TEST_F(Role, OfARole) {
  config(kSource +
         "[profile a]\nrole_arn = arn:a\nsource_profile = b\n"
         "[profile b]\nrole_arn = arn:b\nsource_profile = source\n");
  EXPECT_EQ(get("a").access_key, "ROLE");
  const auto requests = server_.requests();
  ASSERT_EQ(requests.size(), 2u);
  EXPECT_THAT(requests[0].body, HasSubstr("RoleArn=arn%3Ab&RoleSessionName=holdfast"));
  EXPECT_THAT(requests[1].body, HasSubstr("RoleArn=arn%3Aa"));
  EXPECT_EQ(requests[1].header("x-amz-security-token"), "TOKEN-ROLE");
}

TEST_F(Role, OfTheEnvironmentOrAContainer) {
  config(
      "[profile e]\nrole_arn = arn:r\ncredential_source = Environment\n"
      "[profile c]\nrole_arn = arn:r\ncredential_source = EcsContainer\n"
      "[profile i]\nrole_arn = arn:r\ncredential_source = Ec2InstanceMetadata\n"
      "[profile x]\nrole_arn = arn:r\ncredential_source = Elsewhere\n");
  EXPECT_EQ(failure("e").code(), Code::kDenied);
  EXPECT_EQ(failure("c").code(), Code::kDenied);
  EXPECT_EQ(failure("i").code(), Code::kDenied);
  EXPECT_EQ(failure("x").code(), Code::kInvalid);
  set_keys("ENV");
  EXPECT_EQ(get("e").access_key, "ROLE");
  ScriptedServer container([](const Received&) { return ok(metadata_json("CONT")); });
  variables_["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = container.url();
  EXPECT_EQ(get("c").access_key, "ROLE");
  const auto requests = server_.requests();
  ASSERT_EQ(requests.size(), 2u);
  EXPECT_THAT(requests[0].header("authorization"), HasSubstr("Credential=ENV/"));
  EXPECT_THAT(requests[1].header("authorization"), HasSubstr("Credential=CONT/"));
}

TEST_F(Role, OfAProcess) {
  process(R"({"Version": 1, "AccessKeyId": "P", "SecretAccessKey": "HUSH"})");
  write(".aws/credentials", "[role]\nrole_arn = arn:r\nsource_profile = default\n");
  EXPECT_EQ(get("role").access_key, "ROLE");
  EXPECT_THAT(server_.requests().at(0).header("authorization"), HasSubstr("Credential=P/"));
}

TEST_F(Role, WithAWebIdentityToken) {
  write("token", "JWT");
  config("[default]\nrole_arn = arn:r\nweb_identity_token_file = " + (home_ / "token") + "\n");
  EXPECT_EQ(get().access_key, "ROLE");
  EXPECT_THAT(server_.requests().at(0).body,
              AllOf(HasSubstr("Action=AssumeRoleWithWebIdentity"), HasSubstr("=JWT")));
}

TEST_F(Role, RefusalsSayWhyAndNoSecret) {
  config(kSource + "[profile role]\nrole_arn = arn:r\nsource_profile = source\n");
  reply_ = status(403,
                  "<ErrorResponse><Error><Code>AccessDenied</Code><Message>not you"
                  "</Message></Error><RequestId>r-9</RequestId></ErrorResponse>");
  const Error error = failure("role");
  EXPECT_EQ(error.code(), Code::kDenied);
  EXPECT_THAT(error.message(), HasSubstr("AccessDenied: not you (request r-9)"));
}

TEST_F(Role, SettingsThatMakeNoSense) {
  config(
      "[profile a]\nrole_arn = arn:a\nsource_profile = b\n"
      "[profile b]\nrole_arn = arn:b\nsource_profile = a\n"
      "[profile none]\nrole_arn = arn:x\n"
      "[profile both]\nrole_arn = arn:x\nsource_profile = a\ncredential_source = Environment\n"
      "[profile lost]\nrole_arn = arn:x\nsource_profile = absent\n"
      "[profile empty]\nregion = r\n"
      "[profile dry]\nrole_arn = arn:x\nsource_profile = empty\n");
  EXPECT_THAT(failure("a").message(), HasSubstr("a -> b -> a"));
  for (const char* name : {"a", "none", "both", "lost", "dry"}) {
    EXPECT_EQ(failure(name).code(), Code::kInvalid) << name;
  }
  EXPECT_TRUE(server_.requests().empty());
}

TEST_F(Role, ThatNeedsAPersonIsUnsupported) {
  config(kSource + "[profile role]\nrole_arn = arn:r\nsource_profile = source\nmfa_serial = m\n");
  EXPECT_EQ(failure("role").code(), Code::kUnsupported);
}

TEST_F(CredentialTest, EndpointOfTheTokenService) {
  const auto endpoint = [&](const CredentialOptions& asked, const std::string& region) {
    return TokenService(http_, clock_, asked, region).endpoint();
  };
  EXPECT_EQ(endpoint(options(), ""), "https://sts.us-east-1.amazonaws.com");
  EXPECT_EQ(endpoint(options(), "cn-north-1"), "https://sts.cn-north-1.amazonaws.com.cn");
  variables_["AWS_DEFAULT_REGION"] = "eu-west-1";
  EXPECT_EQ(endpoint(options(), "us-west-2"), "https://sts.eu-west-1.amazonaws.com");
  variables_["AWS_REGION"] = "eu-west-2";
  EXPECT_EQ(endpoint(options(), "us-west-2"), "https://sts.eu-west-2.amazonaws.com");
  variables_["AWS_ENDPOINT_URL_STS"] = "http://127.0.0.1:9/";
  EXPECT_EQ(endpoint(options(), ""), "http://127.0.0.1:9");
  CredentialOptions own = options();
  own.sts_endpoint = "https://sts.example.org";
  EXPECT_EQ(endpoint(own, ""), "https://sts.example.org");
  own.sts_endpoint = "sts.example.org";
  expect_error(Code::kInvalid, [&] { endpoint(own, ""); });
}

}  // namespace
}  // namespace holdfast
