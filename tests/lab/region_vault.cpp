#include "lab/region_vault.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "store/s3/s3_store.h"

namespace holdfast::test {
namespace {

constexpr int kFiles = 24;

S3Store store_in(Region region, const std::string& bucket) {
  return {"s3://" + bucket, lab_options(region), system_clock()};
}

// Keys of the lab's users by profile, and nothing of the user's own.
std::map<std::string, std::string> profiles() {
  lab();
  std::map<std::string, std::string> all;
  for (const char* name : {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN",
                           "AWS_PROFILE", "AWS_ENDPOINT_URL"}) {
    all[name] = "";
  }
  all["AWS_SHARED_CREDENTIALS_FILE"] = std::getenv("AWS_SHARED_CREDENTIALS_FILE");
  all["AWS_CONFIG_FILE"] = "/dev/null";
  all["AWS_EC2_METADATA_DISABLED"] = "true";
  all["no_proxy"] = "127.0.0.1";
  return all;
}

// A backup of 2 MiB is eight packs of four frames.
VaultParameters small_packs() {
  VaultParameters parameters;
  parameters.chunks = {4096, 16384, 65536};
  parameters.frame_bytes = 64u << 10;
  parameters.pack_bytes = 256u << 10;
  return parameters;
}

}  // namespace

RegionVault::RegionVault() : bucket_(new_bucket()), copy_(new_bucket()) {
  for (int i = 0; i < kFiles; ++i) {
    shop_.write(fmt::format("data/{}/{}", i % 5, i), noise(random_, 40'000 + random_() % 80'000));
  }
  shop_.write("key", key_ring_text(ring_));
  S3Store store = store_in(Region::kEast, bucket_);
  Vault::create(store, system_clock(), ring_, small_packs(), "");
  configure(lab().east_url, lab().west_url);
}

void RegionVault::configure(const std::string& east, const std::string& west,
                            const std::string& retry_for) const {
  const std::string ca = lab().ca_file.empty() ? "" : ", ca_file: '" + lab().ca_file + "'";
  shop_.write_config(
      fmt::format("vault: s3://{}\nkey_file: {}\nstores:\n"
                  "  - {{url: 's3://', endpoint: '{}', region: us-east-1, profile: operator, "
                  "retry_for: {}{}}}\n"
                  "copies:\n  - {{name: west, url: 's3://{}', endpoint: '{}', region: west}}\n",
                  bucket_, shop_ / "key", east, retry_for, ca, copy_, west));
}

Outcome RegionVault::run(std::vector<std::string> words) const {
  return shop_.run(std::move(words), profiles());
}

std::future<Outcome> RegionVault::start(std::vector<std::string> words) const {
  return std::async(std::launch::async, [this, words = std::move(words)] { return run(words); });
}

std::vector<std::string> RegionVault::backup_words() const {
  return {"backup", "files", shop_ / "data"};
}

std::vector<std::string> RegionVault::restore_words(const std::string& name) const {
  return {"restore", "latest", "--target", shop_ / name};
}

void RegionVault::keep_newest() {
  S3Store store = store_in(Region::kEast, bucket_);
  expected_.kept.push_back(
      {list_backups(store).back(), shop_ / "data", take_snapshot(shop_ / "data")});
}

void RegionVault::change_tree() {
  for (int i = 0; i < kFiles; ++i) {
    if (i % 3 != 0) shop_.write(fmt::format("data/{}/{}", i % 5, i), noise(random_, 80'000));
  }
}

std::uint64_t RegionVault::tree_bytes() const {
  std::uint64_t bytes = 0;
  for (const auto& file : std::filesystem::recursive_directory_iterator(shop_ / "data")) {
    if (file.is_regular_file()) bytes += file.file_size();
  }
  return bytes;
}

std::string RegionVault::restored_trouble(const std::string& name) const {
  const Kept& newest = expected_.kept.back();
  return difference(newest.tree, take_snapshot((shop_ / name) + newest.directory));
}

std::string RegionVault::vault_trouble_in(Region region, const std::string& bucket) const {
  S3Store store = store_in(region, bucket);
  return vault_trouble(store, ring_, expected_);
}

std::string RegionVault::backup_trouble_in(Region region, const std::string& bucket) const {
  S3Store store = store_in(region, bucket);
  const auto vault = Vault::open(store, system_clock(), ring_, "");
  std::string trouble;
  for (const Kept& kept : expected_.kept) trouble += restore_trouble(*vault, kept);
  return trouble;
}

void RegionVault::expect_in(Region region, const std::string& bucket) const {
  ASSERT_FALSE(expected_.kept.empty());
  EXPECT_EQ(vault_trouble_in(region, bucket), "") << bucket << " at " << lab().url(region);
}

void RegionVault::expect_everything() const { expect_in(Region::kEast, bucket_); }

void RegionVault::expect_copy() const { expect_in(Region::kWest, copy_); }

void RegionVault::expect_everything_in_both_regions() const {
  wait_sync();
  expect_in(Region::kEast, bucket_);
  expect_in(Region::kWest, bucket_);
}

}  // namespace holdfast::test
