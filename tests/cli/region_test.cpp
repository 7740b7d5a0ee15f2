// region status and setup, sync.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <optional>

#include "cli/support.h"
#include "os/file.h"
#include "os/mutex.h"
#include "support/mini_s3.h"

namespace holdfast {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class Regions : public testing::Test {
 protected:
  void SetUp() override {
    shop_.write("data/a", std::string(20'000, 'a'));
    shop_.init();
    first_ = shop_.backup();
    configure("");
  }
  void configure(const std::string& more) const {
    shop_.write_config("copies:\n  - {name: second, url: " + (shop_ / "copy") +
                       ", region: dr-1}\n" + more);
  }
  std::string next_backup() const {
    shop_.wait_for_a_new_second();
    shop_.write("data/b", std::string(30'000, 'b'));
    return shop_.backup();
  }
  json status(int code = 0) const {
    return shop_.expect_json(code, {"region", "status"}).at("regions");
  }
  Workshop shop_;
  std::string first_;
};

TEST_F(Regions, ACopyIsBehindUntilItIsNot) {
  shop_.expect(0, {"sync"});
  const json even = status();
  ASSERT_EQ(even.size(), 2u);
  EXPECT_EQ(even[0].at("name"), "primary");
  EXPECT_EQ(even[0].at("filled_by"), "backups");
  EXPECT_EQ(even[1].at("name"), "second");
  EXPECT_EQ(even[1].at("region"), "dr-1");
  EXPECT_EQ(even[1].at("filled_by"), "holdfast");
  EXPECT_EQ(even[1].at("lag_seconds"), 0);
  EXPECT_EQ(even[1].at("missing_objects"), 0);
  EXPECT_EQ(even[1].at("recovery_points").at("files").at("id"), first_);
  EXPECT_TRUE(even[1].at("recovery_points").at("files").at("within_rpo").get<bool>());
  EXPECT_EQ(even[1].at("recovery_points").at("files").at("rpo_seconds"), 4 * 3600);

  const std::string second = next_backup();
  const json behind = status();
  EXPECT_EQ(behind[0].at("recovery_points").at("files").at("id"), second);
  EXPECT_EQ(behind[1].at("recovery_points").at("files").at("id"), first_);
  EXPECT_EQ(behind[1].at("late_backups"), 1);
  EXPECT_GT(behind[1].at("lag_seconds").get<double>(), 0);
  EXPECT_GT(behind[1].at("lag_bytes"), 0);

  const json synced = shop_.expect_json(0, {"sync", "--verify"});
  EXPECT_EQ(synced.at("copies")[0].at("backups"), 1);
  EXPECT_EQ(synced.at("copies")[0].at("name"), "second");
  EXPECT_EQ(synced.at("regions")[1].at("lag_seconds"), 0);
  EXPECT_EQ(synced.at("regions")[1].at("late_backups"), 0);
  EXPECT_THAT(shop_.expect(0, {"region", "status"}).out, HasSubstr("has every backup"));
}

TEST_F(Regions, ABackupWithoutItsPackHasNotArrived) {
  shop_.expect(0, {"sync"});
  fs::remove(shop_.find_file("copy", "/data/"));
  const json late = status();
  EXPECT_EQ(late[1].at("late_backups"), 1);
  EXPECT_EQ(late[1].at("backups"), 1);
  EXPECT_TRUE(late[1].at("recovery_points").empty());
  EXPECT_THAT(shop_.expect(0, {"region", "status"}).out, HasSubstr("1 backup on the way"));
}

TEST_F(Regions, ThePolicyOfASourceCounts) {
  configure("sources:\n  - {name: data, class: files, paths: [" + (shop_ / "data") +
            "], rpo: 1s}\n");
  shop_.wait_for_a_new_second();
  shop_.wait_for_a_new_second();
  shop_.wait_for_a_new_second();
  shop_.expect(0, {"sync"});
  const json points = status()[1].at("recovery_points").at("files");
  EXPECT_EQ(points.at("rpo_seconds"), 1);
  EXPECT_FALSE(points.at("within_rpo").get<bool>());
  EXPECT_THAT(shop_.expect(0, {"region", "status"}).out, HasSubstr("over"));
}

TEST_F(Regions, WhatIsAwayIsSaid) {
  shop_.expect(0, {"sync"});
  fs::rename(shop_ / "copy", shop_ / "elsewhere");
  const json away = status(3);
  EXPECT_TRUE(away[0].at("reachable").get<bool>());
  EXPECT_FALSE(away[1].at("reachable").get<bool>());
  EXPECT_EQ(away[1].at("error").at("code"), "not-found");
  EXPECT_THAT(shop_.expect(3, {"region", "status"}).err, HasSubstr("second cannot be reached"));
  fs::rename(shop_ / "elsewhere", shop_ / "copy");
  fs::rename(shop_ / "vault", shop_ / "elsewhere");
  const json alone = status(3);
  EXPECT_FALSE(alone[0].at("reachable").get<bool>());
  EXPECT_FALSE(alone[1].at("compared").get<bool>());
  EXPECT_FALSE(alone[1].contains("lag_seconds"));
  EXPECT_EQ(alone[1].at("recovery_points").at("files").at("id"), first_);
  EXPECT_THAT(shop_.expect(3, {"region", "status"}).out, HasSubstr("the primary is away"));
}

TEST_F(Regions, OneCopyThatFailsDoesNotStopTheOthers) {
  ASSERT_EQ(shop_.run({"init", "--vault", shop_ / "other", "--key-file", shop_ / "key2"}).code, 0);
  shop_.write_config("copies:\n  - {name: wrong, url: " + (shop_ / "other") +
                     "}\n  - {name: right, url: " + (shop_ / "copy") + "}\n");
  const json document = shop_.expect_json(6, {"sync"});
  EXPECT_EQ(document.at("copies")[0].at("error").at("code"), "conflict");
  EXPECT_EQ(document.at("copies")[1].at("backups"), 1);
  EXPECT_EQ(document.at("regions")[1].at("error").at("code"), "conflict");
  EXPECT_EQ(document.at("regions")[2].at("late_backups"), 0);
  shop_.expect(0, {"sync", "--to", "right"});
}

TEST_F(Regions, WhatTheProviderFillsIsOnlyMeasured) {
  shop_.write_config("copies:\n  - {name: far, url: " + (shop_ / "copy") +
                     ", replicated_by: provider}\n");
  make_directories(shop_ / "copy");
  const json document = shop_.expect_json(0, {"sync"});
  EXPECT_TRUE(document.at("copies").empty());
  EXPECT_EQ(document.at("regions")[1].at("filled_by"), "provider");
  EXPECT_EQ(document.at("regions")[1].at("late_backups"), 1);
  EXPECT_THAT(shop_.expect(2, {"copy"}).err, HasSubstr("the provider fills all copies"));
  // Named, it is meant: for its first content.
  shop_.expect(0, {"copy", "--to", "far"});
  EXPECT_EQ(status()[1].at("late_backups"), 0);
}

TEST_F(Regions, SaysWhatIsMissing) {
  EXPECT_THAT(shop_.expect(4, {"sync", "--to", "third"}).err, HasSubstr("the copies are: second"));
  EXPECT_THAT(shop_.expect(2, {"region", "setup", "second"}).err, HasSubstr("replicated_by"));
  EXPECT_EQ(shop_.expect(4, {"region", "setup", "third"}).code, 4);
  shop_.write_config("");
  EXPECT_THAT(shop_.expect(2, {"sync"}).err, HasSubstr("DR_REGION"));
  shop_.write_config("copies:\n  - {name: far, url: " + (shop_ / "copy") +
                     ", replicated_by: provider}\n");
  EXPECT_EQ(shop_.expect(11, {"region", "setup", "far"}).code, 11);
}

// Two buckets, each in a store of its own.
class Buckets : public testing::Test {
 protected:
  struct Side {
    MiniS3 store;
    Mutex mutex;
    std::map<std::string, std::string> settings GUARDED_BY(mutex);  // of the bucket
    bool knows_rules GUARDED_BY(mutex) = true;

    // The settings that MiniS3 does not know.
    std::optional<MiniS3::Fault> answer(const MiniS3::Received& received) {
      for (const std::string name : {"replication", "versioning"}) {
        if (received.target.find("?" + name) == std::string::npos) continue;
        MutexLock lock(mutex);
        MiniS3::Reply reply;
        if (name == "replication" && !knows_rules) {
          reply.status = 501;
          reply.body = "<Error><Code>NotImplemented</Code></Error>";
        } else if (received.method == "PUT") {
          settings[name] = received.body;
        } else if (settings.contains(name)) {
          reply.body = settings[name];
        } else if (name == "replication") {
          reply.status = 404;
          reply.body = "<Error><Code>ReplicationConfigurationNotFoundError</Code></Error>";
        } else {
          reply.body = "<VersioningConfiguration></VersioningConfiguration>";
        }
        return MiniS3::Fault{reply};
      }
      return std::nullopt;
    }
    std::string setting(const std::string& name) {
      MutexLock lock(mutex);
      return settings.contains(name) ? settings[name] : "";
    }
    void listen() {
      store.set_plan(
          [this](const MiniS3::Received& received, unsigned) { return answer(received); });
    }
  };

  void SetUp() override {
    east_.listen();
    west_.listen();
    shop_.write("data/a", std::string(20'000, 'a'));
    shop_.write_config(
        "vault: s3://vault/pre\nkey_file: " + (shop_ / "key") +
        "\ncopies:\n  - {name: west, url: 's3://vault-west/pre', replicated_by: provider}\n"
        "stores:\n  - {url: 's3://vault', endpoint: '" +
        east_.store.url() + "', region: east-1}\n  - {url: 's3://vault-west', endpoint: '" +
        west_.store.url() + "', region: west-1}\n");
    ASSERT_EQ(run({"init"}).code, 0);
    const Outcome backup = run({"backup", "files", shop_ / "data"});
    ASSERT_EQ(backup.code, 0) << backup.err;
  }
  Outcome run(std::vector<std::string> words,
              std::map<std::string, std::string> environment = {}) const {
    environment["AWS_ACCESS_KEY_ID"] = "AKIDEXAMPLE";
    environment["AWS_SECRET_ACCESS_KEY"] = "secret-example";
    for (const char* name : {"AWS_PROFILE", "AWS_SESSION_TOKEN"}) environment[name] = "";
    return shop_.run(std::move(words), environment);
  }
  json run_json(int code, std::vector<std::string> words) const {
    words.emplace_back("--json");
    const Outcome result = run(std::move(words));
    EXPECT_EQ(result.code, code) << result.out << result.err;
    return json::parse(result.out, nullptr, false);
  }

  Workshop shop_;
  Side east_;
  Side west_;
};

TEST_F(Buckets, SetupSwitchesReplicationOn) {
  const json dry = run_json(0, {"region", "setup", "west", "--dry-run"});
  EXPECT_EQ(dry.at("versioning_enabled").size(), 2u);
  EXPECT_THAT(dry.at("replication").get<std::string>(), HasSubstr("arn:aws:s3:::vault-west"));
  EXPECT_EQ(east_.setting("replication") + east_.setting("versioning"), "");

  const Outcome done = run({"region", "setup", "west", "--role", "arn:aws:iam::1:role/r"});
  ASSERT_EQ(done.code, 0) << done.err;
  // A rule does not replicate what is there already.
  EXPECT_THAT(done.out, HasSubstr("holdfast copy --to west"));
  for (Side* side : {&east_, &west_}) {
    EXPECT_THAT(side->setting("versioning"), HasSubstr("<Status>Enabled</Status>"));
  }
  EXPECT_THAT(east_.setting("replication"), HasSubstr("<ID>holdfast-west</ID>"));
  EXPECT_THAT(east_.setting("replication"), HasSubstr("<Prefix>pre/</Prefix>"));
  EXPECT_THAT(east_.setting("replication"), HasSubstr("<Role>arn:aws:iam::1:role/r</Role>"));
  EXPECT_EQ(west_.setting("replication"), "");
  // Once more changes nothing.
  const std::string before = east_.setting("replication");
  EXPECT_TRUE(run_json(0, {"region", "setup", "west"}).at("versioning_enabled").empty());
  EXPECT_EQ(east_.setting("replication"), before);
}

TEST_F(Buckets, StatusShowsTheRulesAndWhatArrived) {
  const json without = run_json(0, {"region", "status"}).at("regions")[1];
  EXPECT_EQ(without.at("late_backups"), 1);
  EXPECT_EQ(without.at("region"), "west-1");
  EXPECT_THAT(without.at("replication").get<std::string>(), HasSubstr("no replication rule"));
  ASSERT_EQ(run({"region", "setup", "west"}).code, 0);
  const json with = run_json(0, {"region", "status"}).at("regions")[1];
  EXPECT_THAT(with.at("replication").get<std::string>(),
              HasSubstr("rule holdfast-west (enabled, below pre/) to arn:aws:s3:::vault-west"));
  ASSERT_EQ(run({"copy", "--to", "west"}).code, 0);
  const json after = run_json(0, {"region", "status"}).at("regions")[1];
  EXPECT_EQ(after.at("late_backups"), 0);
  EXPECT_EQ(after.at("lag_bytes"), 0);
}

TEST_F(Buckets, AStoreWithoutRulesSaysWhatToDo) {
  {
    MutexLock lock(east_.mutex);
    east_.knows_rules = false;
  }
  const Outcome result = run({"region", "setup", "west"});
  EXPECT_EQ(result.code, 11);
  EXPECT_THAT(result.err, HasSubstr("knows no replication rules"));
  EXPECT_THAT(result.err, HasSubstr("region status"));
  EXPECT_EQ(east_.setting("versioning"), "");
  EXPECT_EQ(run({"region", "status"}).code, 0);
}

TEST_F(Buckets, TheRunbooksVariablesNameTheSecondRegion) {
  shop_.write_config("key_file: " + (shop_ / "key") + "\n");
  const std::map<std::string, std::string> environment{{"BACKUP_BUCKET", "plain"},
                                                       {"DR_REGION", "us-west-2"},
                                                       {"AWS_ENDPOINT_URL", east_.store.url()}};
  const Outcome result =
      run({"region", "status", "--json", "--vault", "s3://vault/pre"}, environment);
  const json copy = result.document().at("regions").at(1);
  EXPECT_EQ(copy.at("name"), "us-west-2");
  EXPECT_EQ(copy.at("region"), "us-west-2");
  EXPECT_EQ(copy.at("url"), "s3://plain-us-west-2");
  const auto requests = east_.store.received();
  const auto signed_for_west = [](const MiniS3::Received& received) {
    return received.target.starts_with("/plain-us-west-2") &&
           received.header("authorization").find("/us-west-2/s3/") != std::string::npos;
  };
  EXPECT_TRUE(std::any_of(requests.begin(), requests.end(), signed_for_west));
}

}  // namespace
}  // namespace holdfast
