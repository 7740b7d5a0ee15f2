// holdfast store check and what init asks of a bucket, as a person types it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <set>

#include "cli/support.h"
#include "support/mini_s3.h"

namespace holdfast {
namespace {

using testing::HasSubstr;
using testing::Not;

class StoreCommand : public testing::Test {
 protected:
  explicit StoreCommand(const MiniS3::Behaviour& behaviour = {}) : server_(behaviour) {}

  Outcome run(std::vector<std::string> arguments) const {
    return shop_.run(std::move(arguments), {{"AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"},
                                            {"AWS_SECRET_ACCESS_KEY", "secret-example"},
                                            {"AWS_SESSION_TOKEN", ""},
                                            {"AWS_PROFILE", ""},
                                            {"AWS_CA_BUNDLE", ""},
                                            {"AWS_ENDPOINT_URL_S3", ""},
                                            {"AWS_ENDPOINT_URL", server_.url()},
                                            {"AWS_REGION", "us-east-1"},
                                            {"no_proxy", "127.0.0.1"}});
  }

  const Workshop shop_;
  MiniS3 server_;
};

TEST_F(StoreCommand, ChecksABucket) {
  const Outcome result = run({"store", "check", "s3://backups/vault"});
  EXPECT_EQ(result.code, 0) << result.out << result.err;
  EXPECT_THAT(result.out, HasSubstr("works    create only if absent: If-None-Match"));
  EXPECT_THAT(result.out, HasSubstr("missing  versioning\n"));
  EXPECT_THAT(result.out, HasSubstr("s3://backups/vault: good for: writer, operator, restorer"));
}

TEST_F(StoreCommand, WhatCouldNotBeRemovedIsToldAndSweptByTheNextCheck) {
  const auto refuse_some = [](const MiniS3::Received& received, unsigned) {
    const bool one = received.method == "DELETE" && received.target.ends_with("/many/11");
    return one ? std::optional(MiniS3::Fault{{.status = 403}}) : std::nullopt;
  };
  server_.set_plan(refuse_some);
  const Outcome first = run({"store", "check", "s3://backups"});
  EXPECT_EQ(first.code, 3) << first.out << first.err;
  EXPECT_THAT(first.out, HasSubstr("failed   remove what the check wrote"));
  EXPECT_THAT(first.out, HasSubstr("1 object stayed, as lease/probe-"));
  EXPECT_THAT(first.err, HasSubstr("the check left objects"));
  ASSERT_EQ(server_.keys().size(), 1u);
  server_.set_plan({});
  EXPECT_EQ(run({"store", "check", "s3://backups"}).code, 0);
  EXPECT_EQ(server_.keys().size(), 0u);
}

TEST_F(StoreCommand, InitIsNotStoppedByTheRemnantsOfACheck) {
  server_.set_plan([](const MiniS3::Received& received, unsigned) {
    const bool one = received.method == "DELETE" && received.target.ends_with("/many/11");
    return one ? std::optional(MiniS3::Fault{{.status = 403}}) : std::nullopt;
  });
  EXPECT_EQ(run({"store", "check", "s3://backups"}).code, 3);
  const Outcome made = run({"init", "--vault", "s3://backups", "--key-file", shop_ / "key"});
  EXPECT_EQ(made.code, 0) << made.err;
}

// A name that is misspelt makes a bucket, too.
class WithoutBucket : public StoreCommand {
 protected:
  WithoutBucket() {
    // A bucket is looked at and made before anything else is asked of it.
    const auto made = std::make_shared<std::set<std::string>>();
    server_.set_plan([made](const MiniS3::Received& received, unsigned) {
      const bool bucket = received.target.find('/', 1) == std::string::npos;
      const bool look = bucket && received.method == "HEAD";
      if (look && !made->contains(received.target)) {
        return std::optional(MiniS3::Fault{{.status = 404}});
      }
      if (!bucket || received.method != "PUT") return std::optional<MiniS3::Fault>();
      made->insert(received.target);
      return std::optional(MiniS3::Fault{MiniS3::Reply{}});
    });
  }
  // Once.
  void expect_named(const std::string& bucket, const std::vector<std::string>& arguments) const {
    const std::string note = "made the bucket " + bucket + " at " + server_.url();
    const Outcome first = run(arguments);
    EXPECT_EQ(first.code, 0) << first.out << first.err;
    EXPECT_THAT(first.err, HasSubstr(note));
    EXPECT_THAT(run(arguments).err, Not(HasSubstr("made the bucket")));
  }
};

TEST_F(WithoutBucket, InitNamesTheOneThatItMakes) {
  expect_named("backsup", {"init", "--vault", "s3://backsup", "--key-file", shop_ / "key"});
}

TEST_F(WithoutBucket, CopyAndSyncNameTheOneThatTheyMake) {
  shop_.init();
  shop_.write_config("copies: [{name: west, url: 's3://backsup-west'}]\n");
  expect_named("backsup", {"copy", "--vault", shop_ / "vault", "--to", "s3://backsup"});
  expect_named("backsup-west", {"sync", "--vault", shop_ / "vault"});
}

TEST_F(StoreCommand, ChecksAsADocument) {
  const json document = run({"store", "check", "--vault", "s3://backups", "--json"}).document();
  EXPECT_EQ(document.at("url"), "s3://backups");
  EXPECT_TRUE(document.at("usable").get<bool>());
  EXPECT_EQ(document.at("roles").size(), 3u);
  EXPECT_EQ(document.at("policies").size(), 4u);
  for (const json& feature : document.at("features")) {
    EXPECT_EQ(feature.contains("consequence"), feature.at("state") != "works");
  }
}

TEST_F(StoreCommand, PrintsPoliciesWithoutAskingAnybody) {
  const Outcome all = run({"store", "check", "s3://backups", "--policies"});
  EXPECT_EQ(all.code, 0) << all.err;
  for (const char* role : {"writer", "operator", "restorer", "copier"}) {
    EXPECT_THAT(all.out, HasSubstr(std::string("# ") + role + "\n{"));
  }
  const Outcome one = run({"store", "check", "s3://backups", "--role", "writer"});
  const json policy = json::parse(one.out);
  EXPECT_EQ(policy.at("Version"), "2012-10-17");
  const json document = run({"store", "check", "s3://backups", "--policies", "--json"}).document();
  EXPECT_EQ(document.at("policies").at("writer"), policy);
  EXPECT_EQ(server_.requests(), 0u);
}

TEST_F(StoreCommand, RefusesWhatIsNoBucket) {
  EXPECT_EQ(run({"store", "check", shop_ / "vault"}).code, 2);
  EXPECT_EQ(run({"store", "check", "s3://backups", "--role", "thief"}).code, 2);
  EXPECT_EQ(run({"store", "check", "s3://backups", "--as-of", "1h"}).code, 2);
  EXPECT_EQ(run({"store"}).code, 2);
}

constexpr const char* kEncrypted = "stores: [{url: 's3://', encryption: sse-s3}]\n";

TEST_F(StoreCommand, AStoreThatEncryptsIsTakenAtItsWord) {
  shop_.write_config(kEncrypted);
  const Outcome made = run({"init", "--vault", "s3://backups", "--key-file", shop_ / "key"});
  EXPECT_EQ(made.code, 0) << made.err;
  EXPECT_EQ(made.err.find("encrypt"), std::string::npos) << made.err;
  const Outcome checked = run({"check", "--vault", "s3://backups", "--key-file", shop_ / "key"});
  EXPECT_EQ(checked.code, 0) << checked.out;
  EXPECT_THAT(checked.out, HasSubstr("ok      the store encrypts what is written"));
}

class WithoutEncryption : public StoreCommand {
 protected:
  WithoutEncryption() : StoreCommand({.encrypts = false}) { shop_.write_config(kEncrypted); }
};

TEST_F(WithoutEncryption, InitWarnsAndCheckAdvises) {
  const Outcome made = run({"init", "--vault", "s3://backups", "--key-file", shop_ / "key"});
  EXPECT_EQ(made.code, 3) << made.err;
  EXPECT_THAT(made.err, HasSubstr("s3://backups ignores 'encryption: sse-s3'"));
  EXPECT_THAT(made.err, HasSubstr("remove 'encryption'"));
  const auto keys = server_.keys();
  EXPECT_TRUE(std::none_of(keys.begin(), keys.end(), [](const std::string& key) {
    return key.starts_with("lease/");
  })) << "the probe left something";
  const Outcome checked = run({"check", "--vault", "s3://backups", "--key-file", shop_ / "key"});
  EXPECT_EQ(checked.code, 0) << checked.out;
  EXPECT_THAT(checked.out, HasSubstr("advice  s3://backups ignores 'encryption: sse-s3'"));
}

TEST_F(WithoutEncryption, TheFirstCopyWarns) {
  shop_.write("data/a", "content");
  shop_.init();
  shop_.backup();
  for (const bool first : {true, false}) {
    const Outcome copied = run({"copy", "--vault", shop_ / "vault", "--to", "s3://backups"});
    EXPECT_EQ(copied.code, 0) << copied.err;
    EXPECT_EQ(copied.err.find("ignores 'encryption") != std::string::npos, first) << copied.err;
  }
}

class WithoutConditions : public StoreCommand {
 protected:
  WithoutConditions() : StoreCommand({.honours_conditions = false}) {}

  Outcome init() const {
    return run({"init", "--vault", "s3://backups", "--key-file", shop_ / "key"});
  }
};

TEST_F(WithoutConditions, TheCheckFails) {
  const Outcome result = run({"store", "check", "s3://backups"});
  EXPECT_EQ(result.code, 11) << result.out;
  EXPECT_THAT(result.out, HasSubstr("missing  create only if absent (needed)"));
  EXPECT_THAT(result.out, HasSubstr("not good for Holdfast"));
}

TEST_F(WithoutConditions, InitRefusesUntilTheWeakerModeIsAccepted) {
  const Outcome refused = init();
  EXPECT_EQ(refused.code, 11) << refused.err;
  EXPECT_THAT(refused.err, HasSubstr("conditional_writes: emulated"));
  EXPECT_EQ(shop_.listing("key"), "(nothing)");
  shop_.write_config("stores: [{url: 's3://', conditional_writes: emulated}]\n");
  EXPECT_EQ(init().code, 0);
}

// A copy makes a vault, too.
TEST_F(WithoutConditions, CopyRefusesUntilTheWeakerModeIsAccepted) {
  shop_.write("data/a", "content");
  shop_.init();
  shop_.backup();
  const auto copy = [this] {
    return run({"copy", "--vault", shop_ / "vault", "--to", "s3://backups"});
  };
  const Outcome refused = copy();
  EXPECT_EQ(refused.code, 11) << refused.out << refused.err;
  EXPECT_THAT(refused.err, HasSubstr("conditional_writes: emulated"));
  EXPECT_TRUE(server_.keys().empty()) << server_.keys().front();
  shop_.write_config("stores: [{url: 's3://', conditional_writes: emulated}]\n");
  EXPECT_EQ(copy().code, 0);
  // What a copy is made of is there now; nobody asks again.
  shop_.write_config("");
  const Outcome again = copy();
  EXPECT_EQ(again.code, 0) << again.err;
}

TEST_F(StoreCommand, ACopyTriesConditionsOnce) {
  shop_.write("data/a", "content");
  shop_.init();
  shop_.backup();
  const auto refused_writes = [this] {
    const auto all = server_.received();
    return std::count_if(all.begin(), all.end(), [](const MiniS3::Received& one) {
      return one.method == "PUT" && one.header("if-match") == "\"" + std::string(32, '0') + "\"";
    });
  };
  for (int i = 0; i < 2; ++i) {
    const Outcome copied = run({"copy", "--vault", shop_ / "vault", "--to", "s3://backups"});
    EXPECT_EQ(copied.code, 0) << copied.err;
    EXPECT_EQ(refused_writes(), 1);
  }
}

TEST_F(StoreCommand, InitWithConditions) {
  const Outcome made = run({"init", "--vault", "s3://backups", "--key-file", shop_ / "key"});
  EXPECT_EQ(made.code, 0) << made.err;
}

}  // namespace
}  // namespace holdfast
