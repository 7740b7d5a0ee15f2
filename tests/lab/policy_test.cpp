// Copier and operator at work in buckets where they may do exactly what `holdfast store check`
// printed for them: copy, forget, prune and repair succeed, and what is none of their business does
// not.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <random>

#include "cli/support.h"
#include "lab/tenants.h"
#include "protect/snapshot.h"
#include "store/s3/client.h"

namespace holdfast::test {
namespace {

using testing::IsEmpty;

class LabPolicy : public testing::Test {
 protected:
  LabPolicy() {
    for (int i = 0; i < 40; ++i) write_data(i);
    configure(kLabOwner, kLabOwner);
    run(0, {"init"});
    back_up();
  }

  void write_data(int i) {
    std::string text(30'000, '\0');
    for (char& c : text) c = static_cast<char>(random_());
    shop_.write("data/" + std::to_string(i), text);
  }
  // Who works in the vault, and who at its copy.
  void configure(const std::string& user, const std::string& copier) const {
    const std::string ca = lab().ca_file.empty() ? "" : ", ca_file: '" + lab().ca_file + "'";
    const std::string east = "endpoint: '" + lab().east_url + "', region: us-east-1" + ca;
    shop_.write_config("vault: " + vault_ + "\nkey_file: " + (shop_ / "key") +
                       "\nstores:\n  - {url: 's3://" + main_ + "', profile: " + user + ", " + east +
                       "}\n  - {url: 's3://" + copy_ + "', profile: " + copier + ", " + east +
                       "}\ncopies:\n  - {name: west, url: '" + copied_ + "'}\n");
  }
  Outcome run(int code, std::vector<std::string> words) const {
    std::string line;
    for (const std::string& word : words) line += " " + word;
    Outcome outcome = shop_.run(std::move(words), profile_environment());
    EXPECT_EQ(outcome.code, code) << line << "\n" << outcome.out << outcome.err;
    return outcome;
  }
  std::string back_up() const {
    const json made = run(0, {"backup", "files", shop_ / "data", "--json"}).document();
    return made.at("backups").at(0).at("id").get<std::string>();
  }
  // The lab's writer may do in `bucket` what is printed for `role` at `url`, its owner everything.
  void allow(const std::string& bucket, const std::string& url, const std::string& role) const {
    using Json = nlohmann::ordered_json;
    const Json printed = Json::parse(run(0, {"store", "check", url, "--role", role}).out);
    Json statements = Json::array();
    for (Json statement : printed.at("Statement")) {
      statement["Principal"] = {{"AWS", Json::array({kWriterArn})}};
      statements.push_back(std::move(statement));
    }
    const std::string arn = "arn:aws:s3:::" + bucket;
    statements.push_back({{"Sid", "Owner"},
                          {"Effect", "Allow"},
                          {"Principal", {{"AWS", Json::array({kOwnerArn})}}},
                          {"Action", "s3:*"},
                          {"Resource", Json::array({arn, arn + "/*"})}});
    S3Client owner = client(bucket, kLabOwner);
    set_bucket_setting(owner, "policy",
                       Json{{"Version", "2012-10-17"}, {"Statement", statements}}.dump());
  }
  static S3Client client(const std::string& bucket, const std::string& user) {
    return {bucket, lab_options(Region::kEast, user), system_clock(), {}};
  }
  std::vector<ObjectInfo> objects(const std::string& url, const std::string& prefix) const {
    S3Store store(url, lab_options(Region::kEast), system_clock());
    return list_objects(store, prefix);
  }
  void remove(const std::string& url, const std::string& key) const {
    S3Store store(url, lab_options(Region::kEast), system_clock());
    store.remove(key);
  }
  // What the store answers when the lab's writer removes that.
  static int removal(const std::string& bucket, const std::string& key) {
    S3Client thief = client(bucket, kLabWriter);
    S3Request request;
    request.method = "DELETE";
    request.key = key;
    request.expected = {403};
    return thief.send(request).http.status;
  }
  void expect_restored(const std::vector<std::string>& more) {
    const std::string target = shop_ / ("back" + std::to_string(++restores_));
    std::vector<std::string> words{"restore", "latest", "--target", target};
    words.insert(words.end(), more.begin(), more.end());
    run(0, words);
    EXPECT_EQ(difference(take_snapshot(shop_ / "data"), take_snapshot(target + (shop_ / "data"))),
              "");
  }

  std::mt19937_64 random_{31};
  const std::string main_ = new_bucket();
  const std::string copy_ = new_bucket();
  const std::string vault_ = "s3://" + main_ + "/vault";
  const std::string copied_ = "s3://" + copy_ + "/dr";
  const Workshop shop_;
  int restores_ = 0;
};

TEST_F(LabPolicy, OfACopierIsEnoughForACopyAndNoMore) {
  configure(kLabOwner, kLabWriter);
  run(7, {"copy", "--to", "west"});
  allow(copy_, copied_, "copier");
  run(0, {"copy", "--to", "west"});
  write_data(3);
  back_up();
  run(0, {"copy", "--to", "west", "--verify"});
  run(0, {"region", "status"});
  run(0, {"sync"});
  EXPECT_THAT(objects(copied_, "lease/"), IsEmpty());
  for (const ObjectInfo& object : objects(copied_, "")) {
    EXPECT_EQ(removal(copy_, "dr/" + object.key), 403) << object.key;
  }
  // Beside it there is nothing to see.
  S3Client thief = client(main_, kLabWriter);
  S3Request list;
  list.query = {{"list-type", "2"}};
  list.expected = {403};
  EXPECT_EQ(thief.send(list).http.status, 403);
  expect_restored({"--vault", copied_});
  configure(kLabOwner, kLabOwner);
  run(0, {"validate", "--vault", copied_, "--read-data"});
}

TEST_F(LabPolicy, OfAnOperatorIsEnoughForPruneAndRepairAndNoMore) {
  run(0, {"copy", "--to", "west"});
  std::vector<std::string> ids;
  for (int i = 0; i < 3; ++i) {
    for (int file = 0; file < 20; ++file) write_data(file);
    ids.push_back(back_up());
  }
  configure(kLabWriter, kLabOwner);
  run(7, {"forget", ids[0], ids[1], "--yes"});
  run(7, {"prune", "--grace", "0s"});
  allow(main_, vault_, "operator");

  run(0, {"forget", ids[0], ids[1], "--yes"});
  const std::size_t before = objects(vault_, "data/").size();
  run(0, {"prune", "--grace", "0s", "--max-unused", "0"});
  EXPECT_LT(objects(vault_, "data/").size(), before);
  EXPECT_THAT(objects(vault_, "lease/"), IsEmpty());
  expect_restored({});
  run(0, {"lifecycle", "show"});

  // A pack of the first backup, which is in the copy, is gone.
  run(0, {"copy", "--to", "west"});
  const std::string lost = objects(vault_, "data/").front().key;
  remove(vault_, lost);
  run(5, {"validate"});
  run(0, {"repair", "--from", copied_});
  run(0, {"validate", "--read-data"});
  EXPECT_EQ(objects(vault_, lost).size(), 1u);

  for (const ObjectInfo& object : objects(vault_, "")) {
    const bool vital = object.key == "holdfast.json" || object.key.starts_with("keys/");
    if (vital) {
      EXPECT_EQ(removal(main_, "vault/" + object.key), 403) << object.key;
    }
  }
}

}  // namespace
}  // namespace holdfast::test
