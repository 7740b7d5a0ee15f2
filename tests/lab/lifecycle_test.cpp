// `holdfast lifecycle` against a real store, and what aws says of the result.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "os/clock.h"
#include "os/file.h"
#include "store/s3/s3_store.h"
#include "support/lab.h"
#include "support/temp_dir.h"

namespace holdfast {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::IsSupersetOf;

constexpr const char* kPolicy = R"(lifecycle:
  database: {infrequent_access_after: 30d, archive_after: 90d, expire_after: 365d}
  files: {infrequent_access_after: 30d, expire_after: 180d}
)";

// The rules of the runbook, as it prints them but for "Id", which aws wants as "ID".
constexpr const char* kRunbookRules = R"({"Rules": [
  {"ID": "database-backup-retention", "Filter": {"Prefix": "database/"}, "Status": "Enabled",
   "Transitions": [{"Days": 30, "StorageClass": "STANDARD_IA"},
                   {"Days": 90, "StorageClass": "GLACIER"}],
   "Expiration": {"Days": 365}},
  {"ID": "files-backup-retention", "Filter": {"Prefix": "files/"}, "Status": "Enabled",
   "Transitions": [{"Days": 30, "StorageClass": "STANDARD_IA"}],
   "Expiration": {"Days": 180}}]})";

void write_text(const std::string& path, std::string_view text) {
  write_file_atomic(path, as_bytes(text));
}

// A vault in a bucket of its own, with one backup of class files.
class LabLifecycle : public testing::Test {
 protected:
  void start(BucketKind kind, const std::string& prefix = "", const std::string& more = "") {
    bucket_ = new_bucket(kind);
    vault_ = "s3://" + bucket_ + prefix;
    write_text(home_ / "holdfast.yaml", policy_ + ("state_dir: " + (home_ / "state")) +
                                            "\ncache_dir: " + (home_ / "cache") + "\n" + more);
    make_directories(home_ / "data");
    write_text(home_ / "data/file", content_);
    run(0, {"init"});
    run(0, {"backup", "files", home_ / "data"});
  }

  json run(int code, std::vector<std::string> arguments) {
    ProcessOptions options;
    options.argv = {HOLDFAST_BINARY, "--vault", vault_, "--key-file", home_ / "key", "--json"};
    options.argv.insert(options.argv.end(), arguments.begin(), arguments.end());
    options.environment = lab_environment(Region::kEast);
    options.working_directory = home_.path();
    options.timeout = std::chrono::minutes{2};
    const ProcessResult result = run_process(options);
    errors_ = result.error_output;
    EXPECT_EQ(result.exit_code, code) << arguments[0] << "\n" << result.output << errors_;
    return json::parse(result.output, nullptr, false);
  }

  // The bucket's rules as the runbook looks at them, by id.
  std::map<std::string, json> rules_by_aws() {
    const ProcessResult got = run_aws(
        Region::kEast, {"s3api", "get-bucket-lifecycle-configuration", "--bucket", bucket_});
    EXPECT_EQ(got.exit_code, 0) << got.error_output;
    const json document = json::parse(got.output);
    std::map<std::string, json> rules;
    for (const json& rule : document.at("Rules")) rules[rule.at("ID")] = rule;
    return rules;
  }
  void put_by_aws(const std::string& rules) {
    write_text(home_ / "rules.json", rules);
    const ProcessResult put =
        run_aws(Region::kEast, {"s3api", "put-bucket-lifecycle-configuration", "--bucket", bucket_,
                                "--lifecycle-configuration", "file://" + (home_ / "rules.json")});
    ASSERT_EQ(put.exit_code, 0) << put.error_output;
  }

  TempDir home_;
  std::string policy_ = kPolicy;
  std::string bucket_;
  std::string vault_;
  std::string content_ = std::string(100'000, 'x');
  std::string errors_;
};

std::set<std::string> ids_with_state(const json& view, const std::string& state) {
  std::set<std::string> ids;
  for (const json& rule : view.at("rules")) {
    if (rule.at("state") == state) ids.insert(rule.at("id"));
  }
  return ids;
}

TEST_F(LabLifecycle, WhatIsAppliedIsThereAndStays) {
  // Ceph has no conditional writes in versioned buckets.
  start(BucketKind::kVersioned, "", "stores: [{url: 's3://', conditional_writes: emulated}]\n");
  const json before = run(0, {"lifecycle", "show"});
  EXPECT_FALSE(before.at("settled"));
  EXPECT_THAT(ids_with_state(before, "missing"),
              IsSupersetOf({"holdfast-data", "holdfast-uploads", "holdfast-files"}));
  run(0, {"lifecycle", "apply", "--dry-run"});
  EXPECT_FALSE(run(0, {"lifecycle", "show"}).at("settled"));

  const json applied = run(0, {"lifecycle", "apply"});
  EXPECT_EQ(applied.at("changes").size(), before.at("rules").size());
  EXPECT_TRUE(applied.at("settled"));
  EXPECT_TRUE(run(0, {"lifecycle", "show"}).at("settled"));
  EXPECT_EQ(run(0, {"lifecycle", "apply"}).at("changes").size(), 0U);

  const auto rules = rules_by_aws();
  const json& data = rules.at("holdfast-data");
  EXPECT_EQ(data.at("Filter").at("Prefix"), "data/");
  EXPECT_EQ(data.at("Transitions"),
            json::parse(R"([{"Days": 30, "StorageClass": "STANDARD_IA"}])"));
  EXPECT_EQ(data.at("NoncurrentVersionExpiration").at("NoncurrentDays"), 30);
  EXPECT_EQ(rules.at("holdfast-uploads").at("AbortIncompleteMultipartUpload"),
            json::parse(R"({"DaysAfterInitiation": 1})"));
  for (const auto& [id, rule] : rules) {
    EXPECT_FALSE(rule.contains("Expiration") && rule.at("Expiration").contains("Days")) << id;
  }
}

TEST_F(LabLifecycle, BothRegionsHaveTheRules) {
  start(BucketKind::kPlain);
  run(0, {"lifecycle", "apply"});
  wait_sync();
  const ProcessResult west =
      run_aws(Region::kWest, {"s3api", "get-bucket-lifecycle-configuration", "--bucket", bucket_});
  EXPECT_THAT(west.output, HasSubstr("holdfast-data"));
}

TEST_F(LabLifecycle, RulesOfOthersStay) {
  start(BucketKind::kPlain, "/vault");
  put_by_aws(R"({"Rules": [{"ID": "logs", "Filter": {"And": {"Prefix": "logs/", "Tags": [
      {"Key": "old", "Value": "yes"}]}}, "Status": "Enabled", "Expiration": {"Days": 7}}]})");
  const json theirs = rules_by_aws().at("logs");
  const json applied = run(0, {"lifecycle", "apply"});
  EXPECT_EQ(ids_with_state(applied, "foreign"), std::set<std::string>{"logs"});
  const auto rules = rules_by_aws();
  EXPECT_EQ(rules.at("logs"), theirs);
  EXPECT_EQ(rules.at("holdfast-vault/data").at("Filter").at("Prefix"), "vault/data/");
  EXPECT_TRUE(run(0, {"lifecycle", "show"}).at("settled"));
}

TEST_F(LabLifecycle, TheRunbooksOwnRulesAreRecognisedAsHarmful) {
  start(BucketKind::kPlain);
  put_by_aws(kRunbookRules);
  const json shown = run(3, {"lifecycle", "show"});
  EXPECT_TRUE(shown.at("dangerous"));
  for (const json& rule : shown.at("rules")) {
    if (rule.at("state") != "foreign") continue;
    EXPECT_THAT(rule.at("dangers").dump(), HasSubstr("that is forgetting them"));
    EXPECT_EQ(rule.at("dangers").size(), rule.at("id") == "database-backup-retention" ? 2U : 1U);
  }
  EXPECT_THAT(errors_, HasSubstr("database-backup-retention"));
  // They are not ours to remove; the person is told again.
  const json applied = run(3, {"lifecycle", "apply"});
  EXPECT_EQ(ids_with_state(applied, "foreign").size(), 2U);
  EXPECT_TRUE(applied.at("settled"));
  EXPECT_TRUE(rules_by_aws().contains("files-backup-retention"));
}

TEST_F(LabLifecycle, AChangedPolicyChangesTheRules) {
  start(BucketKind::kPlain);
  run(0, {"lifecycle", "apply"});
  write_text(home_ / "holdfast.yaml", "lifecycle: {}\n");
  const json applied = run(0, {"lifecycle", "apply"});
  EXPECT_EQ(applied.at("changes"),
            json::parse(R"([{"rule": "holdfast-data", "change": "remove"}])"));
  EXPECT_EQ(rules_by_aws().size(), 1U);
}

class LabTransition : public LabLifecycle {
 protected:
  LabTransition() { policy_ = "lifecycle: {files: {archive_after: 1d}}\n"; }

  void change_content() {
    for (char& c : content_)
      c = static_cast<char>((random_ = random_ * 6364136223846793005U + 1) >> 56U);
    write_text(home_ / "data/file", content_);
  }
  // All packs with file contents have moved; the days of the lab are short.
  void await_transition(S3Store& store) const {
    const Duration end = system_clock().monotonic() + std::chrono::minutes{3};
    for (;;) {
      std::size_t moved = 0;
      store.list_archived("data/", [&](const ObjectInfo&) { ++moved; });
      if (moved > 0 && moved == list_objects(store, "data/").size()) return;
      ASSERT_LT(system_clock().monotonic(), end) << moved << " moved";
      system_clock().sleep_for(std::chrono::milliseconds{200}, {});
    }
  }
  std::string restored() {
    const std::string target = home_ / ("back" + std::to_string(++restores_));
    run(0, {"restore", "latest", "--target", target, "--no-wait"});
    return std::string(as_text(read_file(target + (home_ / "data/file"))));
  }

  std::uint64_t random_ = 1;
  int restores_ = 0;
};

TEST_F(LabTransition, PacksThatMovedAreUsedLikeAnyOther) {
  start(BucketKind::kPlain);
  change_content();
  run(0, {"backup", "files", home_ / "data"});
  S3Store store(vault_, lab_options(Region::kEast), system_clock());
  const auto before = list_objects(store, "data/");
  run(0, {"lifecycle", "apply"});
  await_transition(store);
  // Prune and copy go by names, sizes and times.
  const auto after = list_objects(store, "data/");
  ASSERT_EQ(after.size(), before.size());
  for (std::size_t i = 0; i < after.size(); ++i) {
    EXPECT_EQ(after[i].key, before[i].key);
    EXPECT_EQ(after[i].size, before[i].size);
    EXPECT_EQ(after[i].modified, before[i].modified);
  }
  EXPECT_TRUE(run(0, {"lifecycle", "show"}).at("settled"));
  EXPECT_TRUE(restored() == content_);
  // What is there is not stored again.
  const json same = run(0, {"backup", "files", home_ / "data", "--read-everything"});
  EXPECT_EQ(list_objects(store, "data/").size(), before.size()) << same.dump(2);
  run(0, {"validate", "all", "--read-data"});
  run(0, {"copy", "--to", home_ / "copy"});

  change_content();
  run(0, {"backup", "files", home_ / "data"});
  const json listed = run(0, {"list"});
  for (const json& backup : listed.at("backups")) {
    const std::string id = backup.at("id");
    if (id != listed.at("backups").back().at("id")) run(0, {"forget", id, "--yes"});
  }
  run(0, {"prune", "--grace", "0s"});
  EXPECT_LT(list_objects(store, "data/").size(), before.size() + 1);
  EXPECT_TRUE(restored() == content_);
  run(0, {"validate", "all", "--read-data"});
}

// Ceph's GLACIER is a pool with that name: what lies there is read at once, and nothing waits.
TEST_F(LabLifecycle, WhatLiesInAReadableGlacierComesBackWithoutWaiting) {
  content_.resize(3U << 20U);
  std::uint64_t state = 1;
  for (char& c : content_) c = static_cast<char>((state = state * 6364136223846793005U + 1) >> 56U);
  start(BucketKind::kPlain, "", "stores: [{url: 's3://', storage_class: GLACIER}]\n");
  S3Store store("s3://" + bucket_, lab_options(Region::kEast), system_clock());
  std::size_t archived = 0;
  store.list_archived("data/", [&](const ObjectInfo&) { ++archived; });
  ASSERT_GT(archived, 0U);
  const json restored = run(0, {"restore", "latest", "--target", home_ / "back", "--no-wait"});
  EXPECT_EQ(restored.at("archived").at("packs"), 0);
  EXPECT_TRUE(as_text(read_file(home_ / "back" + (home_ / "data/file"))) == content_);
  run(0, {"validate", "--read-data"});
}

}  // namespace
}  // namespace holdfast
