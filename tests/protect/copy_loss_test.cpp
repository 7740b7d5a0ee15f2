// A damaged vault is copied as far as it is whole: no copy holds a backup that it cannot restore.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "base/error.h"
#include "protect/copy.h"
#include "protect/copy_mark.h"
#include "protect/object_transfer.h"
#include "protect/replica.h"
#include "protect/world.h"

namespace holdfast::test {
namespace {

[[maybe_unused]] const bool kInMemory = use_memory_for_files();

class CopyOfDamage : public ::testing::Test {
 protected:
  CopyOfDamage() { vault_ = tiny_vault(from_, clock_, ring_); }

  // Three backups that share nothing.
  void make_strangers() {
    for (const char* name : {"one", "two", "three"}) {
      const std::string directory = files_ / name;
      write_text(directory + "/file", noise(random_, 20'000));
      const Objects before = objects_of(from_);
      kept_.push_back(keep_backup(*vault_, job_of(directory, name), directory));
      for (const auto& [key, bytes] : objects_of(from_)) {
        if (!before.contains(key)) made_[name].push_back(key);
      }
      clock_.advance(std::chrono::minutes(1));
    }
  }
  // One of what the backup of that name wrote.
  std::string object_of(const std::string& name, const std::string& prefix) {
    for (const std::string& key : made_.at(name)) {
      if (key.starts_with(prefix)) return key;
    }
    ADD_FAILURE() << name << " has no " << prefix;
    return "";
  }
  CopyResult copy(bool with_key = true, bool verify = false) {
    CopyJob job;
    job.threads = 2;
    job.verify = verify;
    if (with_key) job.source_vault = [this] { return vault_.get(); };
    CopyProgress progress;
    return copy_vault(from_, to_, job, progress, {});
  }
  void flip(const std::string& key) {
    Bytes bytes = from_.get(key);
    bytes[bytes.size() / 2] ^= 1;
    from_.put(key, bytes);
  }
  static std::string names_of(const std::vector<BackupName>& backups) {
    std::string text;
    for (const BackupName& name : backups) text += name.source + " ";
    return text;
  }
  std::string marks() {
    std::string text;
    for (const ObjectInfo& info : list_objects(to_, "doom/")) {
      if (is_copy_mark(info.key)) text += info.key + " ";
    }
    return text;
  }
  // Everything that the copy has comes back, and nothing in it is wrong.
  std::string trouble(const std::vector<std::string>& sources) {
    Expectations there;
    for (const Kept& kept : kept_) {
      if (std::find(sources.begin(), sources.end(), kept.name.source) != sources.end()) {
        there.kept.push_back(kept);
      }
    }
    return vault_trouble(to_, ring_, there);
  }
  void expect_only_two_left_out(const CopyResult& result) {
    EXPECT_EQ(result.damage.size(), 1u);
    EXPECT_EQ(names_of(result.left_out), "two ");
    EXPECT_FALSE(result.needs_key);
    EXPECT_EQ(trouble({"one", "three"}), "");
    const ReplicaStatus status = measure_replica(from_, to_, clock_.now());
    EXPECT_EQ(status.late_backups, 1u);
    EXPECT_EQ(status.content.recovery_points.at("files").source, "three");
  }

  StandingClock clock_;
  std::mt19937_64 random_{11};
  const KeyRing ring_ = new_key_ring();
  const TempDir files_;
  MemoryStore from_{clock_};
  MemoryStore to_{clock_};
  std::unique_ptr<Vault> vault_;
  std::vector<Kept> kept_;
  std::map<std::string, std::vector<std::string>> made_;
};

using Harm = std::function<void(ObjectStore&, const std::string& key)>;

const std::map<std::string, Harm>& harms() {
  static const std::map<std::string, Harm> all{
      {"flipped",
       [](ObjectStore& store, const std::string& key) {
         Bytes bytes = store.get(key);
         bytes[bytes.size() / 2] ^= 1;
         store.put(key, bytes);
       }},
      {"missing", [](ObjectStore& store, const std::string& key) { store.remove(key); }},
      {"cut off", [](ObjectStore& store, const std::string& key) {
         Bytes bytes = store.get(key);
         bytes.resize(bytes.size() / 2);
         store.put(key, bytes);
       }}};
  return all;
}

TEST_F(CopyOfDamage, WhatDoesNotNeedThePackIsCopiedAndTheRestComesLater) {
  make_strangers();
  for (const char* prefix : {"data/", "meta/"}) {
    for (const auto& [harm, inflict] : harms()) {
      SCOPED_TRACE(std::string(prefix) + harm);
      for (const auto& [key, bytes] : objects_of(to_)) to_.remove(key);
      const std::string pack = object_of("two", prefix);
      const Bytes good = from_.get(pack);
      inflict(from_, pack);
      const CopyResult first = copy();
      EXPECT_EQ(first.backups, 2u);
      EXPECT_EQ(first.damage.at(0).object, pack);
      expect_only_two_left_out(first);
      EXPECT_NE(marks(), "");
      // Nothing changes until it is healed.
      const Objects before = objects_of(to_);
      expect_only_two_left_out(copy());
      EXPECT_EQ(objects_of(to_), before);
      from_.put(pack, good);
      const CopyResult last = copy();
      EXPECT_TRUE(last.damage.empty());
      EXPECT_EQ(last.backups, 1u);
      EXPECT_EQ(trouble({"one", "two", "three"}), "");
      EXPECT_EQ(marks(), "");
      EXPECT_EQ(measure_replica(from_, to_, clock_.now()).late_backups, 0u);
    }
  }
}

// Whoever works with the copy does not believe that he has what was left out.
TEST_F(CopyOfDamage, ABackupIntoTheCopyStoresWhatWasLeftOut) {
  make_strangers();
  flip(object_of("two", "data/"));
  copy();
  clock_.advance(std::chrono::hours(1));
  const auto there = Vault::open(to_, clock_, ring_, "");
  const Kept again = keep_backup(*there, job_of(kept_[1].directory, "again"), kept_[1].directory);
  EXPECT_EQ(restore_trouble(*there, again), "");
  kept_.push_back(again);
  prune_now(*there);
  clock_.advance(std::chrono::hours(1));
  prune_now(*there);
  EXPECT_EQ(trouble({"one", "three", "again"}), "");
}

TEST_F(CopyOfDamage, ABackupAndAPruneHealIt) {
  make_strangers();
  flip(object_of("two", "data/"));
  copy();
  validate_all(*vault_, true);
  clock_.advance(std::chrono::minutes(1));
  kept_.push_back(keep_backup(*vault_, job_of(kept_[1].directory, "healer"), kept_[1].directory));
  // What of the pack can be read was not stored anew: then both wait until a prune has moved it.
  const std::string waiting = names_of(copy().left_out);
  EXPECT_TRUE(waiting.empty() || waiting == "two healer ") << waiting;
  EXPECT_EQ(trouble(waiting.empty() ? std::vector<std::string>{"one", "two", "three", "healer"}
                                    : std::vector<std::string>{"one", "three"}),
            "");
  clock_.advance(std::chrono::hours(1));
  prune_now(*vault_);
  clock_.advance(std::chrono::hours(1));
  prune_now(*vault_);
  const CopyResult last = copy();
  EXPECT_TRUE(last.damage.empty());
  EXPECT_EQ(trouble({"one", "two", "three", "healer"}), "");
  EXPECT_EQ(marks(), "");
}

TEST_F(CopyOfDamage, WithoutAKeyNoNewBackupIsCommitted) {
  make_strangers();
  flip(object_of("two", "data/"));
  const CopyResult blind = copy(false);
  EXPECT_TRUE(blind.needs_key);
  EXPECT_EQ(blind.left_out.size(), 3u);
  EXPECT_TRUE(list_backups(to_).empty());
  EXPECT_TRUE(list_objects(to_, "index/").empty());
  expect_only_two_left_out(copy());
  // A later one does not take back what is there.
  EXPECT_EQ(names_of(copy(false).left_out), "two ");
  EXPECT_EQ(trouble({"one", "three"}), "");
}

TEST_F(CopyOfDamage, AGoodPackAtTheCopyIsNoLoss) {
  make_strangers();
  copy();
  const std::string pack = object_of("two", "data/");
  harms().at("cut off")(from_, pack);
  clock_.advance(std::chrono::minutes(1));
  kept_.push_back(keep_backup(*vault_, job_of(kept_[1].directory, "more"), kept_[1].directory));
  const CopyResult result = copy();
  EXPECT_EQ(result.damage.size(), 1u);
  EXPECT_TRUE(result.left_out.empty());
  EXPECT_EQ(trouble({"one", "two", "three", "more"}), "");
}

// Every pack and segment of a vault whose backups share most of what they hold.
TEST_F(CopyOfDamage, SweepOverAllPacksAndSegments) {
  const std::string directory = files_ / "src";
  make_small_tree(directory, random_);
  for (int i = 0; i < 3; ++i) {
    if (i > 0) change_tree(directory, random_);
    kept_.push_back(keep_backup(*vault_, job_of(directory, fmt::format("s{}", i)), directory));
    clock_.advance(std::chrono::minutes(1));
  }
  const Objects good = objects_of(from_);
  int some = 0;
  for (const auto& [key, bytes] : good) {
    if (!hash_in_name(key)) continue;
    for (const auto& [harm, inflict] : harms()) {
      if (harm == "missing" && key.starts_with("index/")) continue;  // nothing else names it
      SCOPED_TRACE(key + " " + harm);
      for (const auto& [old, ignored] : objects_of(to_)) to_.remove(old);
      inflict(from_, key);
      const CopyResult result = copy();
      std::vector<std::string> there;
      for (const BackupName& name : list_backups(to_)) there.push_back(name.source);
      EXPECT_EQ(there.size() + result.left_out.size(), 3u);
      if (!there.empty() && !result.left_out.empty()) ++some;
      EXPECT_EQ(trouble(there), "");
      from_.put(key, bytes);
      EXPECT_TRUE(copy().damage.empty());
      EXPECT_EQ(trouble({"s0", "s1", "s2"}), "");
      EXPECT_EQ(marks(), "");
    }
  }
  EXPECT_GT(some, 3);
}

}  // namespace
}  // namespace holdfast::test
