// Two real regions: what arrives by replication and by copy, what is said when one is away, and
// recovery from the second one alone.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <random>

#include "base/bytes.h"
#include "cli/support.h"
#include "os/file.h"
#include "support/lab.h"

namespace holdfast {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

using Environment = std::map<std::string, std::string>;
using Tree = std::map<std::string, Bytes>;

// Every file below `directory`.
Tree tree_of(const std::string& directory) {
  Tree tree;
  for (const auto& file : fs::recursive_directory_iterator(directory)) {
    if (!file.is_regular_file()) continue;
    tree[fs::relative(file.path(), directory).string()] = read_file(file.path().string());
  }
  return tree;
}

Environment only(Region region, const std::string& user = kLabOwner) {
  const auto pairs = lab_environment(region, user);
  return {pairs.begin(), pairs.end()};
}

class LabRegions : public testing::Test {
 protected:
  void SetUp() override {
    std::mt19937_64 random(11);
    for (int i = 0; i < 60; ++i) {
      std::string text(random() % 40'000, '\0');
      for (char& c : text) c = static_cast<char>(random());
      shop_.write("data/" + std::to_string(i % 7) + "/" + std::to_string(i), text);
    }
    shop_.write("conf/app.conf", "port 1\n");
  }
  // A vault in the east, with `copies` besides.
  void configure(const std::string& bucket, const std::string& copies) const {
    std::string store = "  - {url: 's3://', endpoint: '" + lab().east_url +
                        "', region: us-east-1, profile: operator";
    if (!lab().ca_file.empty()) store += ", ca_file: '" + lab().ca_file + "'";
    shop_.write_config("vault: s3://" + bucket + "\nkey_file: " + (shop_ / "key") + "\nstores:\n" +
                       store + "}\ncopies:\n" + copies);
  }
  void replicated(const std::string& bucket) const {
    configure(bucket, "  - {name: west, url: 's3://" + bucket + "', endpoint: '" + lab().west_url +
                          "', region: west, replicated_by: provider}\n");
  }
  Outcome run(int code, std::vector<std::string> words) const {
    Outcome result = shop_.run(std::move(words), profile_environment());
    EXPECT_EQ(result.code, code) << result.out << result.err;
    return result;
  }
  json west(int code) const {
    return run(code, {"region", "status", "--json"}).document().at("regions").at(1);
  }
  void back_up() const {
    run(0, {"backup", "files", shop_ / "data"});
    run(0, {"backup", "config", shop_ / "conf"});
  }
  // On a machine that has the key and nothing else.
  void expect_recovery(const std::string& url, const Environment& environment) const {
    const Workshop machine;
    fs::remove(machine / "holdfast.yaml");
    machine.write("key", shop_.read("key"));
    const std::vector<std::string> start{
        "recover", "--from", url, "--key-file", machine / "key", "--log-dir", machine / "logs"};
    const Outcome list = machine.run(start, environment);
    EXPECT_EQ(list.code, 0) << list.err;
    EXPECT_THAT(list.out, HasSubstr("all there"));
    std::vector<std::string> words = start;
    words.insert(words.end(), {"--target", machine / "back", "--json"});
    const Outcome back = machine.run(words, environment);
    EXPECT_EQ(back.code, 0) << back.out << back.err;
    EXPECT_TRUE(tree_of(machine / ("back/files/data" + (shop_ / "data"))) ==
                tree_of(shop_ / "data"));
    EXPECT_EQ(machine.read("back/config/conf" + (shop_ / "conf/app.conf")), "port 1\n");
  }

  Workshop shop_;
};

TEST_F(LabRegions, WhatTheStoreReplicatesArrivesAndComesBackFromThereAlone) {
  const std::string bucket = new_bucket();
  replicated(bucket);
  run(0, {"init"});
  back_up();
  wait_sync();
  const json arrived = west(0);
  EXPECT_EQ(arrived.at("late_backups"), 0);
  EXPECT_EQ(arrived.at("lag_seconds"), 0);
  EXPECT_EQ(arrived.at("missing_objects"), 0);
  EXPECT_EQ(arrived.at("backups"), 2);
  EXPECT_TRUE(arrived.at("recovery_points").at("files").at("within_rpo").get<bool>());
  EXPECT_THAT(arrived.at("replication").get<std::string>(), HasSubstr("what arrived"));

  RegionOutage outage(Region::kEast);
  EXPECT_FALSE(run(3, {"region", "status", "--json"})
                   .document()
                   .at("regions")
                   .at(0)
                   .at("reachable")
                   .get<bool>());
  expect_recovery("s3://" + bucket, only(Region::kWest));
}

TEST_F(LabRegions, ARegionThatIsAwayIsSaidAndCatchesUp) {
  const std::string bucket = new_bucket();
  replicated(bucket);
  run(0, {"init"});
  RegionOutage outage(Region::kWest);
  back_up();
  const json away = west(3);
  EXPECT_FALSE(away.at("reachable").get<bool>());
  EXPECT_EQ(away.at("error").at("code"), "unavailable");
  EXPECT_THAT(run(3, {"region", "status"}).err, HasSubstr("west cannot be reached"));
  outage.end();
  wait_sync();
  const json back = west(0);
  EXPECT_EQ(back.at("late_backups"), 0);
  EXPECT_EQ(back.at("lag_seconds"), 0);
}

TEST_F(LabRegions, ACopyLiesInTheOtherRegionUnderOtherCredentials) {
  const std::string bucket = new_bucket();
  const std::string copy = bucket + "-w";
  configure(bucket, "  - {name: west, url: 's3://" + copy + "/dr', endpoint: '" + lab().west_url +
                        "', profile: writer}\n");
  run(0, {"init"});
  back_up();
  run(0, {"sync", "--verify"});
  EXPECT_EQ(west(0).at("late_backups"), 0);
  // The owner of the vault has no way to the copy.
  const ProcessResult list =
      run_aws(Region::kWest, {"s3api", "list-objects-v2", "--bucket", copy}, kLabOwner);
  EXPECT_NE(list.exit_code, 0) << list.output;
  RegionOutage outage(Region::kEast);
  expect_recovery("s3://" + copy + "/dr", only(Region::kWest, kLabWriter));
}

}  // namespace
}  // namespace holdfast
