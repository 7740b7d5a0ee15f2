// Object Lock on a real store: what is locked stays, the program says until when, and never tries
// what the lock forbids.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <random>

#include "base/error.h"
#include "cli/support.h"
#include "os/clock.h"
#include "store/s3/retention.h"
#include "store/s3/s3_store.h"
#include "store/s3/versions.h"
#include "support/lab.h"

namespace holdfast {
namespace {

using testing::HasSubstr;

constexpr Duration kDay = std::chrono::hours{24};

class LabLock : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    bucket_ = new_bucket(BucketKind::kLocked);
    configure(GetParam(), "2d");
    shop_.write("data/a", std::string(200'000, 'a'));
    run(0, {"init"});
    back_up();
  }
  // In versioned buckets Ceph 16 ignores conditions.
  void configure(const std::string& mode, const std::string& period) {
    std::string store = "  - {url: 's3://', endpoint: '" + lab().east_url +
                        "', region: us-east-1, profile: operator, conditional_writes: emulated";
    if (!lab().ca_file.empty()) store += ", ca_file: '" + lab().ca_file + "'";
    if (!mode.empty()) store += ", object_lock: {mode: " + mode + ", period: " + period + "}";
    shop_.write_config("vault: s3://" + bucket_ + "\nkey_file: " + (shop_ / "key") + "\nstores:\n" +
                       store + "}\n");
  }
  Outcome run(int code, std::vector<std::string> words) const {
    Outcome result = shop_.run(std::move(words), profile_environment());
    EXPECT_EQ(result.code, code) << result.out << result.err;
    return result;
  }
  json run_json(int code, std::vector<std::string> words) const {
    words.emplace_back("--json");
    return run(code, std::move(words)).document();
  }
  std::string back_up() const {
    const json document = run_json(0, {"backup", "files", shop_ / "data"});
    return document.at("backups").at(0).at("id").get<std::string>();
  }
  std::string second_backup() const {
    shop_.wait_for_a_new_second();
    shop_.write("data/b", std::string(300'000, 'b'));
    return back_up();
  }
  S3Store raw() const { return {"s3://" + bucket_, lab_options(Region::kEast), system_clock()}; }
  // Every version below `prefix` and its date.
  std::map<std::string, Timestamp> dates(S3Store& store, const std::string& prefix) const {
    std::map<std::string, Timestamp> dates;
    for (const ObjectInfo& info : list_objects(store, prefix)) {
      if (const auto until = store.locked_until(info.key)) dates[info.key] = *until;
    }
    return dates;
  }

  const Workshop shop_;
  std::string bucket_;
};

// The way back after a stolen writer's key: docs/S3.md, "Object Lock, versions and --as-of".
TEST_P(LabLock, AsItWasItIsListedRestoredAndCopied) {
  shop_.wait_for_a_new_second();
  const std::string moment = format_rfc3339(system_clock().now());
  shop_.wait_for_a_new_second();
  const std::string later = second_backup();
  const std::string clean = new_bucket(BucketKind::kLocked);
  EXPECT_EQ(run_json(0, {"--as-of", moment, "list"}).at("backups").size(), 1u);
  run(0, {"--as-of", moment, "restore", "latest", "--target", shop_ / "back"});
  run(0, {"--as-of", moment, "copy", "--to", "s3://" + clean});
  run(0, {"--as-of", moment, "copy", "--to", shop_ / "copy"});
  for (const std::string& vault : {"s3://" + clean, shop_ / "copy"}) {
    EXPECT_EQ(run_json(0, {"list", "--vault", vault}).at("backups").size(), 1u) << vault;
    run(0, {"validate", "all", "--read-data", "--vault", vault});
  }
  EXPECT_EQ(run_json(0, {"list"}).at("backups").size(), 2u) << later;
}

TEST_P(LabLock, EverythingIsLockedButLeasesAndNoVersionCanBeDeleted) {
  // A pack that is uploaded in parts, too: Ceph forgets their lock.
  std::mt19937_64 random(4);
  std::string large(20u << 20, '\0');
  for (char& c : large) c = static_cast<char>(random());
  shop_.write("data/large", large);
  back_up();
  S3Store store = raw();
  int locked = 0;
  list_versions(store.client(), "", [&](const ObjectVersion& version) {
    if (version.key.starts_with("lease/") || version.delete_marker) return;
    ++locked;
    S3Request removal;
    removal.method = "DELETE";
    removal.key = version.key;
    removal.query = {{"versionId", version.version}};
    removal.expected = {403};
    EXPECT_EQ(store.client().send(removal).http.status, 403) << version.key;
  });
  EXPECT_GE(locked, 5);
  const json status = run_json(0, {"lock", "status"});
  EXPECT_EQ(status.at("mode"), GetParam());
  EXPECT_EQ(status.at("bucket").at("object_lock"), true);
  EXPECT_EQ(status.at("bucket").at("versioning"), "enabled");
  EXPECT_EQ(status.at("not_locked"), 0);
  for (const char* kind : {"backups", "data", "meta", "index", "keys", "config"}) {
    EXPECT_GT(status.at("retained").at(kind).at("objects"), 0) << kind;
    EXPECT_TRUE(status.at("retained").at(kind).at("first_ends").is_string()) << kind;
  }
}

TEST_P(LabLock, ExtendMovesTheDatesOfWhatIsNeeded) {
  S3Store store = raw();
  const auto before = dates(store, "");
  EXPECT_EQ(run_json(0, {"lock", "extend"}).at("extended"), 0);
  const json dry = run_json(0, {"lock", "extend", "--period", "4d", "--dry-run"});
  EXPECT_EQ(dates(store, ""), before);
  const json done = run_json(0, {"lock", "extend", "--period", "4d"});
  EXPECT_GT(done.at("extended"), 4);
  EXPECT_EQ(done.at("extended"), dry.at("extended"));
  EXPECT_EQ(done.at("failed"), 0);
  for (const auto& [key, until] : dates(store, "data/")) {
    EXPECT_GT(until, before.at(key) + kDay) << key;
  }
  EXPECT_EQ(run_json(0, {"lock", "extend", "--period", "4d"}).at("extended"), 0);
  // Never back.
  const auto longer = dates(store, "");
  run(0, {"lock", "extend", "--period", "1d", "--all"});
  EXPECT_EQ(dates(store, ""), longer);
  for (const auto& item : longer) {
    store.lock_until(item.first, system_clock().now() + kDay);
  }
  EXPECT_EQ(dates(store, ""), longer);
}

TEST_P(LabLock, ForgetRetentionAndPruneRespectIt) {
  const std::string second = second_backup();
  S3Store store = raw();
  const auto all = dates(store, "");
  const Outcome refused = run(7, {"forget", second, "--yes"});
  EXPECT_THAT(refused.err, HasSubstr("is locked until"));
  run(7, {"forget", second, "--dry-run"});
  const json applied = run_json(0, {"retention", "apply", "--keep-last", "1"});
  EXPECT_EQ(applied.at("dropped"), 1);
  EXPECT_EQ(applied.at("removed"), 0);
  ASSERT_EQ(applied.at("locked").size(), 1u);
  EXPECT_TRUE(applied.at("locked")[0].at("locked_until").is_string());
  // The backup's object goes by force of a marker, as an attacker would do it: its packs stay.
  for (const ObjectInfo& info : list_objects(store, "files/")) {
    if (info.key.find(second) != std::string::npos) store.remove(info.key);
  }
  const std::size_t packs = list_objects(store, "data/").size();
  const json pruned = run_json(0, {"prune", "--grace", "0s"});
  EXPECT_EQ(pruned.at("removed_packs"), 0);
  EXPECT_GT(pruned.at("locked_packs"), 0);
  EXPECT_TRUE(pruned.at("lock_last_ends").is_string());
  EXPECT_EQ(list_objects(store, "data/").size(), packs);
  for (const auto& [key, until] : dates(store, "data/")) EXPECT_EQ(until, all.at(key)) << key;
  run(0, {"validate", "--read-data"});
}

TEST_P(LabLock, StatusWarnsOfWhatIsNotLocked) {
  configure("", "");
  second_backup();
  configure(GetParam(), "2d");
  const json status = run_json(3, {"lock", "status"});
  EXPECT_GT(status.at("not_locked"), 2);
  EXPECT_FALSE(status.at("weak").empty());
  EXPECT_EQ(run_json(0, {"lock", "extend"}).at("failed"), 0);
  EXPECT_EQ(run_json(0, {"lock", "status"}).at("not_locked"), 0);
}

INSTANTIATE_TEST_SUITE_P(Modes, LabLock, testing::Values("governance", "compliance"));

}  // namespace
}  // namespace holdfast
