// The probe tells what a store lacks, and a key; over a store that lacks it on demand.
#include "store/s3/probe.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "store/expect_error.h"
#include "store/manual_clock.h"
#include "store/s3/s3_store.h"
#include "support/mini_s3.h"

namespace holdfast {
namespace {

using State = Feature::State;
using Fault = MiniS3::Fault;
using Reply = MiniS3::Reply;
using Received = MiniS3::Received;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

Reply error(int status, const std::string& code) {
  Reply reply;
  reply.status = status;
  reply.body = "<Error><Code>" + code + "</Code></Error>";
  return reply;
}

class ProbeTest : public ::testing::Test {
 protected:
  explicit ProbeTest(const MiniS3::Behaviour& behaviour = {.page = 2}) : server_(behaviour) {
    options_.endpoint = server_.url();
    options_.region = "lab";
    options_.retry_for = std::chrono::seconds{1};
  }

  S3Store store() { return {"s3://bucket/pre", options_, clock_}; }
  const std::vector<Feature>& probe() {
    S3Store tried = store();
    features_ =
        probe_store(tried, [this](const Feature& feature) { seen_.push_back(feature.name); });
    return features_;
  }
  const Feature& feature(const std::string& name) {
    const auto found = std::find_if(features_.begin(), features_.end(),
                                    [&](const Feature& f) { return f.name == name; });
    if (found != features_.end()) return *found;
    ADD_FAILURE() << "no feature " << name;
    static const Feature kNone{};
    return kNone;
  }
  std::string needed_trouble() const {
    std::string text;
    for (const Feature& f : features_) {
      if (f.needed && f.state != State::kWorks) text += f.name + ": " + f.detail + "\n";
    }
    return text;
  }
  // `reply` to every request that `which` picks; carried out first when `takes_effect`.
  template <typename Which>
  void answer(Which which, const Reply& reply, bool takes_effect = false) {
    server_.set_plan([=](const Received& received, unsigned) -> std::optional<Fault> {
      if (!which(received)) return std::nullopt;
      return Fault{reply, takes_effect};
    });
  }

  MiniS3 server_;
  ManualClock clock_{parse_rfc3339("2025-11-10T12:00:00Z")};
  S3Options options_;
  std::vector<Feature> features_;
  std::vector<std::string> seen_;
};

TEST_F(ProbeTest, AnHonestStoreIsGoodForAllAndLeftClean) {
  probe();
  EXPECT_EQ(needed_trouble(), "");
  const StoreVerdict verdict = judge_features(features_);
  EXPECT_TRUE(verdict.usable);
  EXPECT_THAT(verdict.roles, ElementsAre("writer", "operator", "restorer"));
  EXPECT_EQ(seen_.size(), features_.size());
  EXPECT_EQ(feature("versioning").state, State::kMissing);
  S3Store left = store();
  EXPECT_THAT(list_objects(left, ""), IsEmpty());
  EXPECT_EQ(server_.pending_uploads(), 0u);
}

TEST_F(ProbeTest, WritesNothingOutsideItsArea) {
  probe();
  for (const Received& received : server_.received()) {
    if (received.method != "PUT") continue;
    EXPECT_THAT(received.target, HasSubstr("/pre/lease/probe-"));
  }
}

TEST_F(ProbeTest, AStoreThatRefusesIfMatch) {
  answer([](const Received& r) { return !r.header("if-match").empty(); },
         error(501, "NotImplemented"));
  probe();
  EXPECT_EQ(feature("create only if absent").state, State::kWorks);
  EXPECT_EQ(feature("replace only if unchanged").state, State::kMissing);
  EXPECT_EQ(judge_features(features_).code, Code::kUnsupported);
}

TEST_F(ProbeTest, AStoreThatIgnoresIfMatch) {
  Reply fine;
  fine.headers = {{"ETag", "\"x\""}};
  answer([](const Received& r) { return !r.header("if-match").empty(); }, fine, true);
  probe();
  EXPECT_THAT(feature("replace only if unchanged").detail, HasSubstr("ignored"));
  EXPECT_FALSE(judge_features(features_).usable);
}

TEST_F(ProbeTest, AStoreThatAcceptsDamage) {
  answer([](const Received& r) { return r.target.find("damaged") != r.target.npos; }, Reply{});
  probe();
  EXPECT_EQ(feature("wrong SHA-256 refused").state, State::kMissing);
  EXPECT_FALSE(judge_features(features_).usable);
  // Whoever checks in another way needs not mind.
  options_.checksum = S3Checksum::kNone;
  probe();
  EXPECT_FALSE(feature("wrong SHA-256 refused").needed);
}

TEST_F(ProbeTest, AStoreThatReturnsOtherBytes) {
  Reply other;
  other.body = "other";
  answer([](const Received& r) { return r.method == "GET" && r.target.ends_with("/a"); }, other);
  probe();
  EXPECT_EQ(feature("write, read back").state, State::kFailed);
  EXPECT_EQ(judge_features(features_).code, Code::kCorrupt);
}

TEST_F(ProbeTest, AWritersKeyIsGoodForWritersAndMayNotRemove) {
  answer(
      [](const Received& r) {
        return r.method == "DELETE" && r.target.find("/data/") != r.target.npos &&
               r.target.find("uploadId") == r.target.npos;
      },
      error(403, "AccessDenied"));
  probe();
  EXPECT_EQ(feature(kRemoveRight).state, State::kDenied);
  const StoreVerdict verdict = judge_features(features_);
  EXPECT_TRUE(verdict.usable);
  EXPECT_THAT(verdict.roles, ElementsAre("writer", "restorer"));
}

// The least policy of a writer: it may not ask for the versioning, and not read old versions.
TEST_F(ProbeTest, AWriterOfAVersionedBucketIsNoRestorer) {
  server_.set_plan([](const Received& r, unsigned) -> std::optional<Fault> {
    if (r.target.find("?version") != r.target.npos || r.target.find("versions=") != r.target.npos ||
        r.target.find("versioning=") != r.target.npos) {
      return Fault{error(403, "AccessDenied")};
    }
    if (r.method != "PUT" || !r.target.ends_with("/versioned")) return std::nullopt;
    Reply stored;
    stored.headers = {{"x-amz-version-id", "v1"}, {"ETag", "\"e\""}};
    return Fault{stored, true};
  });
  probe();
  EXPECT_EQ(feature("versioning").state, State::kWorks) << feature("versioning").detail;
  EXPECT_EQ(feature(kHistoryRight).state, State::kDenied);
  const StoreVerdict verdict = judge_features(features_);
  EXPECT_TRUE(verdict.usable) << needed_trouble();
  EXPECT_THAT(verdict.roles, ElementsAre("writer", "operator"));
  EXPECT_THAT(verdict.text, HasSubstr("--as-of"));
}

TEST_F(ProbeTest, AKeyThatMayOnlyReadContentIsGoodForRestorers) {
  answer(
      [](const Received& r) {
        return r.target.find("/data/") != r.target.npos && r.method != "GET";
      },
      error(403, "AccessDenied"));
  probe();
  EXPECT_THAT(judge_features(features_).roles, ElementsAre("restorer"));
}

TEST_F(ProbeTest, WithoutABucketNothingElseIsTried) {
  answer([](const Received&) { return true; }, error(404, "NoSuchBucket"));
  ASSERT_EQ(probe().size(), 1u);
  const StoreVerdict verdict = judge_features(features_);
  EXPECT_FALSE(verdict.usable);
  EXPECT_EQ(verdict.code, Code::kNotFound);
}

TEST_F(ProbeTest, AWrongClockIsTold) {
  Reply late;
  late.headers = {{"Date", "Mon, 10 Nov 2025 12:10:00 GMT"}};
  late.body = "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>";
  answer([](const Received& r) { return r.target.find("max-keys=1") != r.target.npos; }, late);
  probe();
  EXPECT_EQ(feature("clock").state, State::kFailed);
  EXPECT_THAT(feature("clock").detail, HasSubstr("10m00s ahead"));
}

TEST_F(ProbeTest, AStopEndsIt) {
  std::stop_source stop;
  stop.request_stop();
  S3Store stopped("s3://bucket", options_, clock_, stop.get_token());
  expect_error(Code::kCancelled, [&] { probe_store(stopped, {}); });
}

TEST_F(ProbeTest, ConditionsAreThere) {
  S3Store bucket = store();
  EXPECT_NO_THROW(require_conditions(bucket));
  EXPECT_THAT(list_objects(bucket, ""), IsEmpty());
}

class IgnorantStore : public ProbeTest {
 protected:
  IgnorantStore() : ProbeTest({.honours_conditions = false}) {}
};

TEST_F(IgnorantStore, IsFoundOut) {
  probe();
  EXPECT_EQ(feature("create only if absent").state, State::kMissing);
  EXPECT_THAT(feature("create only if absent").detail, HasSubstr("ignored"));
  EXPECT_EQ(feature("replace only if unchanged").state, State::kMissing);
  EXPECT_FALSE(feature("create only if absent, in parts").needed);
  const StoreVerdict verdict = judge_features(features_);
  EXPECT_FALSE(verdict.usable);
  EXPECT_EQ(verdict.code, Code::kUnsupported);
  EXPECT_THAT(verdict.text, HasSubstr("create only if absent"));
}

TEST_F(IgnorantStore, IsRefusedUntilTheWeakerModeIsAccepted) {
  S3Store strict = store();
  try {
    require_conditions(strict);
    FAIL() << "it was accepted";
  } catch (const Error& refused) {
    EXPECT_EQ(refused.code(), Code::kUnsupported);
    EXPECT_THAT(refused.hint(), HasSubstr("conditional_writes: emulated"));
    EXPECT_THAT(refused.hint(), HasSubstr("docs/S3.md"));
  }
  EXPECT_THAT(list_objects(strict, ""), IsEmpty());
  options_.emulate_conditions = true;
  S3Store weaker = store();
  EXPECT_NO_THROW(require_conditions(weaker));
  probe();
  EXPECT_TRUE(judge_features(features_).usable);
}

class StoreThatKeepsAll : public ProbeTest {
 protected:
  StoreThatKeepsAll() : ProbeTest({.denies_removal = true}) {}
};

TEST_F(StoreThatKeepsAll, IsNoGoodBecauseLeasesStay) {
  probe();
  EXPECT_EQ(feature("remove").state, State::kDenied);
  EXPECT_EQ(judge_features(features_).code, Code::kDenied);
}

}  // namespace
}  // namespace holdfast
