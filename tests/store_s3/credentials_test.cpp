#include "store/s3/credentials.h"

#include <atomic>
#include <latch>
#include <thread>
#include <vector>

#include "store_s3/credential_fixture.h"

namespace holdfast {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

// All the services at once, told apart by what is asked for.
Reply every_service(const Received& request) {
  if (request.target == "/container") return ok(metadata_json("CONTAINER"));
  if (request.target == "/latest/api/token") return ok("imds-token");
  if (request.target.ends_with("/security-credentials/")) return ok("role\n");
  if (request.target.ends_with("/role")) return ok(metadata_json("INSTANCE"));
  if (request.method == "POST") return ok(token_xml("WEB"));
  return status(404);
}

class Chain : public CredentialTest {
 protected:
  // Every place has credentials.
  void fill(const std::string& url) {
    set_keys("ENVIRONMENT");
    variables_["AWS_WEB_IDENTITY_TOKEN_FILE"] = write("token", "HUSH-JWT");
    variables_["AWS_ROLE_ARN"] = "arn:aws:iam::1:role/web";
    variables_["AWS_ENDPOINT_URL_STS"] = url;
    write(".aws/credentials",
          "[default]\naws_access_key_id = PROFILE\naws_secret_access_key = HUSH-P\n"
          "[other]\naws_access_key_id = OTHER\naws_secret_access_key = HUSH-O\n");
    variables_["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = url + "/container";
    variables_.erase("AWS_EC2_METADATA_DISABLED");
    variables_["AWS_EC2_METADATA_SERVICE_ENDPOINT"] = url;
  }
};

TEST_F(Chain, PlacesAreAskedInOrder) {
  ScriptedServer server(every_service);
  fill(server.url());
  EXPECT_EQ(get().access_key, "ENVIRONMENT");
  EXPECT_TRUE(server.requests().empty());
  variables_.erase("AWS_ACCESS_KEY_ID");
  variables_.erase("AWS_SECRET_ACCESS_KEY");
  EXPECT_EQ(get().access_key, "WEB");
  variables_.erase("AWS_WEB_IDENTITY_TOKEN_FILE");
  EXPECT_EQ(get().access_key, "PROFILE");
  write(".aws/credentials", "");
  EXPECT_EQ(get().access_key, "CONTAINER");
  variables_.erase("AWS_CONTAINER_CREDENTIALS_FULL_URI");
  EXPECT_EQ(get().access_key, "INSTANCE");
  variables_["AWS_EC2_METADATA_DISABLED"] = "TRUE";
  EXPECT_EQ(failure().code(), Code::kDenied);
}

TEST_F(Chain, ANamedProfileCountsMoreThanTheEnvironment) {
  ScriptedServer server(every_service);
  fill(server.url());
  EXPECT_EQ(get("other").access_key, "OTHER");
  variables_["AWS_PROFILE"] = "other";
  EXPECT_EQ(get().access_key, "ENVIRONMENT") << "a variable is not stronger than its like";
  EXPECT_EQ(get("default").access_key, "PROFILE");
}

TEST_F(Chain, AProfileWithoutCredentialsIsPassedOver) {
  ScriptedServer server(every_service);
  fill(server.url());
  write(".aws/credentials", "");
  write(".aws/config", "[profile region-only]\nregion = eu-west-1\n");
  EXPECT_EQ(get("region-only").access_key, "CONTAINER");
}

TEST_F(Chain, NothingAnywhereListsEveryPlace) {
  const Error error = failure();
  EXPECT_EQ(error.code(), Code::kDenied);
  EXPECT_THAT(error.message(),
              AllOf(HasSubstr("the environment: AWS_ACCESS_KEY_ID is not set"),
                    HasSubstr("web identity: AWS_WEB_IDENTITY_TOKEN_FILE is not set"),
                    HasSubstr("the profile: there is no profile 'default'"),
                    HasSubstr("the container service: "),
                    HasSubstr("instance metadata: AWS_EC2_METADATA_DISABLED is true")));
  EXPECT_THAT(error.hint(), HasSubstr("AWS_ACCESS_KEY_ID"));
}

TEST_F(Chain, APlaceThatIsSetUpButBrokenEndsTheSearch) {
  ScriptedServer server([](const Received& request) {
    return request.target == "/container" ? status(503) : every_service(request);
  });
  fill(server.url());
  variables_.erase("AWS_ACCESS_KEY_ID");
  variables_.erase("AWS_SECRET_ACCESS_KEY");
  variables_.erase("AWS_WEB_IDENTITY_TOKEN_FILE");
  write(".aws/credentials", "");
  const Error error = failure();
  EXPECT_EQ(error.code(), Code::kUnavailable);
  EXPECT_THAT(error.message(), AllOf(HasSubstr("container service"), HasSubstr("503")));
  for (const Received& request : server.requests()) EXPECT_EQ(request.target, "/container");
}

TEST_F(Chain, SessionTokenOfTheEnvironment) {
  set_keys("KEY");
  variables_["AWS_SESSION_TOKEN"] = "TOKEN";
  const S3Credentials credentials = get();
  EXPECT_EQ(credentials.secret_key, "HUSH-KEY");
  EXPECT_EQ(credentials.session_token, "TOKEN");
  EXPECT_FALSE(credentials.expires);
}

TEST_F(Chain, HalfSetOrBrokenEnvironmentIsInvalid) {
  set_keys("KEY");
  variables_["AWS_ACCESS_KEY_ID"] = "";
  EXPECT_EQ(failure().code(), Code::kInvalid);
  set_keys("KEY");
  variables_.erase("AWS_SECRET_ACCESS_KEY");
  EXPECT_EQ(failure().code(), Code::kInvalid);
  variables_["AWS_SECRET_ACCESS_KEY"] = "HUSH\n";
  const Error error = failure();
  EXPECT_EQ(error.code(), Code::kInvalid);
  EXPECT_THAT(error.message(), HasSubstr("line break"));
}

// A container service that gives KEY-1, KEY-2, ... for an hour each, and can be switched off.
class Refresh : public CredentialTest {
 protected:
  Refresh() {
    variables_["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = server_.url() + "/";
    source_.emplace(http_, clock_, options());
  }
  void pass(Duration duration) { clock_.sleep_for(duration, {}); }
  std::size_t asked() const { return server_.requests().size(); }

  std::atomic<bool> down_ = false;
  std::atomic<int> given_ = 0;
  std::atomic<Duration::rep> lifetime_{Duration(std::chrono::hours{1}).count()};
  ScriptedServer server_{[this](const Received&) {
    if (down_) return status(403);
    const Timestamp expires = clock_.now() + Duration{lifetime_.load()};
    return ok(metadata_json("KEY-" + std::to_string(++given_), format_rfc3339(expires)));
  }};
  std::optional<CredentialSource> source_;
};

TEST_F(Refresh, FiveMinutesBeforeTheEnd) {
  EXPECT_EQ(source_->get().access_key, "KEY-1");
  EXPECT_EQ(source_->get().expires, noon() + std::chrono::hours{1});
  pass(std::chrono::minutes{54});
  EXPECT_EQ(source_->get().access_key, "KEY-1");
  EXPECT_EQ(asked(), 1u);
  pass(std::chrono::minutes{1});
  EXPECT_EQ(source_->get().access_key, "KEY-2");
  EXPECT_EQ(source_->get().access_key, "KEY-2");
  EXPECT_EQ(asked(), 2u);
}

TEST_F(Refresh, OldOnesServeWhileTheSourceIsDown) {
  EXPECT_EQ(source_->get().access_key, "KEY-1");
  down_ = true;
  pass(std::chrono::minutes{56});
  EXPECT_EQ(source_->get().access_key, "KEY-1");
  EXPECT_EQ(source_->get().access_key, "KEY-1");
  EXPECT_EQ(asked(), 2u) << "not at every request";
  pass(std::chrono::seconds{30});
  EXPECT_EQ(source_->get().access_key, "KEY-1");
  EXPECT_EQ(asked(), 3u);
  pass(std::chrono::minutes{4});
  expect_error(Code::kDenied, [&] { source_->get(); });
  down_ = false;
  EXPECT_EQ(source_->get().access_key, "KEY-2");
}

TEST_F(Refresh, ShortLivedOnesAreNotAskedForAtEveryRequest) {
  lifetime_ = Duration(std::chrono::minutes{2}).count();
  EXPECT_EQ(source_->get().access_key, "KEY-1");
  EXPECT_EQ(source_->get().access_key, "KEY-1");
  pass(std::chrono::seconds{31});
  EXPECT_EQ(source_->get().access_key, "KEY-2");
}

TEST_F(Refresh, RefusedOnesAreAskedForAgain) {
  const S3Credentials first = source_->get();
  source_->refuse(first);
  EXPECT_EQ(source_->get().access_key, "KEY-2");
  source_->refuse(first);  // by another thread, later
  EXPECT_EQ(source_->get().access_key, "KEY-2");
  EXPECT_EQ(asked(), 2u);
}

TEST_F(Refresh, RefusedOnesDoNotServeAgain) {
  source_->refuse(source_->get());
  down_ = true;
  expect_error(Code::kDenied, [&] { source_->get(); });
}

TEST_F(Refresh, ExpiredAtOnceIsAnError) {
  lifetime_ = 0;
  const Error error = failure();
  EXPECT_EQ(error.code(), Code::kDenied);
  EXPECT_THAT(error.message(), HasSubstr("have expired at 2025-11-10T12:00:00Z"));
  EXPECT_THAT(error.hint(), HasSubstr("clock"));
}

TEST_F(Refresh, ManyThreadsMakeOneRequest) {
  constexpr int kThreads = 8;
  std::latch start(kThreads);
  std::vector<std::string> keys(kThreads);
  {
    std::vector<std::jthread> threads;
    for (std::string& key : keys) {
      threads.emplace_back([&] {
        start.arrive_and_wait();
        key = source_->get().access_key;
      });
    }
  }
  EXPECT_THAT(keys, ::testing::Each("KEY-1"));
  EXPECT_EQ(asked(), 1u);
}

TEST_F(CredentialTest, PermanentOnesAreReadAgainOnlyWhenRefused) {
  write(".aws/credentials", "[default]\naws_access_key_id=A\naws_secret_access_key=HUSH\n");
  CredentialSource source(http_, clock_, options());
  const S3Credentials first = source.get();
  write(".aws/credentials", "[default]\naws_access_key_id=B\naws_secret_access_key=HUSH\n");
  clock_.sleep_for(std::chrono::hours{1000}, {});
  EXPECT_EQ(source.get().access_key, "A");
  source.refuse(first);
  EXPECT_EQ(source.get().access_key, "B");
}

TEST(ProcessEnvironment, TellsUnsetFromSet) {
  const Environment environment = process_environment();
  EXPECT_TRUE(environment("PATH").has_value());
  EXPECT_FALSE(environment("HOLDFAST_TEST_NO_SUCH_VARIABLE").has_value());
}

}  // namespace
}  // namespace holdfast
