// The contract of every store over real Ceph: a plain bucket, which knows conditional writes, and
// one with Object Lock, hence with versions, where they are emulated.
#include "store/contract.h"

#include <gtest/gtest.h>

#include <map>
#include <mutex>

#include "store/s3/s3_store.h"
#include "store/wrappers.h"
#include "support/lab.h"

namespace holdfast {
namespace {

// An empty place: a prefix of its own in one bucket for each kind.
std::string new_place(BucketKind kind) {
  static std::map<BucketKind, std::string> buckets;
  static unsigned places = 0;
  std::string& bucket = buckets[kind];
  if (bucket.empty()) bucket = new_bucket(kind);
  return "s3://" + bucket + "/place-" + std::to_string(++places);
}

S3Options locked_options() {
  S3Options options = lab_options(Region::kEast);
  options.lock = LockMode::kGovernance;
  options.lock_period = std::chrono::minutes{1};
  options.emulate_conditions = true;
  return options;
}

class PlainFixture : public StoreFixture {
 public:
  ObjectStore& store() override { return store_; }

 private:
  S3Store store_{new_place(BucketKind::kPlain), lab_options(Region::kEast), system_clock()};
};

// Two writers at the same instant can defeat an emulated condition, as S3.md says; here they take
// turns, and then nothing else of the contract may be missing.
class InTurns final : public ForwardingStore {
 public:
  using ForwardingStore::ForwardingStore;

  StoreTraits traits() const override {
    StoreTraits traits = ForwardingStore::traits();
    traits.conditional_create = traits.conditional_replace = true;
    return traits;
  }
  bool put_new(std::string_view key, ByteView data) override {
    const std::lock_guard turn(mutex_);
    return inner().put_new(key, data);
  }
  bool replace(std::string_view key, ByteView data, std::string_view etag) override {
    const std::lock_guard turn(mutex_);
    return inner().replace(key, data, etag);
  }
  std::unique_ptr<StagedObject> stage() override {
    return std::make_unique<Staged>(inner().stage(), mutex_);
  }

 private:
  class Staged final : public StagedObject {
   public:
    Staged(std::unique_ptr<StagedObject> inner, std::mutex& mutex)
        : inner_(std::move(inner)), mutex_(mutex) {}
    void append(ByteView data) override { inner_->append(data); }
    bool commit(std::string_view key, std::string_view sha256) override {
      const std::lock_guard turn(mutex_);
      return inner_->commit(key, sha256);
    }

   private:
    std::unique_ptr<StagedObject> inner_;
    std::mutex& mutex_;
  };

  std::mutex mutex_;
};

class LockedFixture : public StoreFixture {
 public:
  ObjectStore& store() override { return in_turns_; }

 private:
  S3Store store_{new_place(BucketKind::kLocked), locked_options(), system_clock()};
  InTurns in_turns_{store_};
};

INSTANTIATE_TEST_SUITE_P(Ceph, StoreContract,
                         ::testing::Values(backend<PlainFixture>("Plain"),
                                           backend<LockedFixture>("Locked")),
                         [](const auto& parameter) { return parameter.param.name; });

TEST(StoreOnCeph, SaysWhenConditionsAreEmulated) {
  const S3Store plain("s3://any-bucket", lab_options(Region::kEast), system_clock());
  EXPECT_TRUE(plain.traits().conditional_create);
  const S3Store locked("s3://any-bucket", locked_options(), system_clock());
  EXPECT_FALSE(locked.traits().conditional_create);
  EXPECT_FALSE(locked.traits().conditional_replace);
}

TEST(StoreOnCeph, WhatTheContractWritesIsLocked) {
  S3Store store(new_place(BucketKind::kLocked), locked_options(), system_clock());
  const auto staged = store.stage();
  staged->append(as_bytes("pack"));
  ASSERT_TRUE(staged->commit("data/ab/pack"));
  ASSERT_TRUE(store.put_new("files/backup", as_bytes("backup")));
  store.put("lease/1.json", as_bytes("lease"));
  EXPECT_TRUE(store.locked_until("data/ab/pack").has_value());
  EXPECT_TRUE(store.locked_until("files/backup").has_value());
  EXPECT_FALSE(store.locked_until("lease/1.json").has_value());
}

}  // namespace
}  // namespace holdfast
