// Prune removes what no backup needs and nothing else, whatever the clocks say and whoever is at
// work meanwhile.
#include <gtest/gtest.h>

#include <atomic>

#include "base/error.h"
#include "protect/pack_check.h"
#include "protect/world.h"
#include "store/wrappers.h"
#include "support/fault_store.h"
#include "vault/doom.h"
#include "vault/lease.h"
#include "vault/write_session.h"

namespace holdfast::test {
namespace {

constexpr Duration kHour = std::chrono::hours{1};
constexpr Duration kPruneGrace = 24 * kHour;

class PruneVault : public ::testing::Test {
 protected:
  PruneVault() {
    directory_ = files_ / "src";
    make_small_tree(directory_, random_);
    vault_ = tiny_vault(store_, clock_, ring_);
    for (int i = 0; i < 6; ++i) add_backup();
  }
  void add_backup() {
    change_tree(directory_, random_);
    expected_.kept.push_back(keep_backup(*vault_, job_of(directory_), directory_));
    clock_.advance(std::chrono::minutes(1));
  }
  void forget(std::size_t i) {
    store_.remove(expected_.kept[i].name.key());
    expected_.kept.erase(expected_.kept.begin() + static_cast<std::ptrdiff_t>(i));
  }
  void forget_half() {
    for (const std::size_t i : {4, 2, 0}) forget(i);
  }
  std::uint64_t stored_bytes() {
    std::uint64_t sum = 0;
    for (const ObjectInfo& info : list_objects(store_, "")) sum += info.size;
    return sum;
  }
  PruneResult prune_with(const Vault& vault, Duration grace) {
    PruneJob job;
    job.grace = grace;
    job.max_unused_percent = 0;
    return prune(vault, job, {});
  }

  StandingClock clock_;  // the store's as well
  std::mt19937_64 random_{77};
  const KeyRing ring_ = new_key_ring();
  const TempDir files_;
  std::string directory_;
  MemoryStore store_{clock_};
  std::unique_ptr<Vault> vault_;
  Expectations expected_;
};

TEST_F(PruneVault, RemovesWhatNoBackupNeeds) {
  forget_half();
  const std::uint64_t before = stored_bytes();
  const PruneResult result = prune_now(*vault_);
  EXPECT_EQ(result.freed_bytes > 0, stored_bytes() < before);
  EXPECT_LT(stored_bytes(), before - 5000);
  EXPECT_EQ(orphans_in(store_, ring_), "");
  EXPECT_EQ(vault_trouble(store_, ring_, expected_), "");
  const PruneResult again = prune_now(*vault_);
  EXPECT_EQ(again.dead_bytes, 0u);
  EXPECT_EQ(again.removed_packs + again.rewritten_packs + again.marked_packs, 0u);
}

TEST_F(PruneVault, OfNothingLeavesNothing) {
  while (!expected_.kept.empty()) forget(0);
  prune_now(*vault_);
  EXPECT_TRUE(list_objects(store_, "data/").empty());
  EXPECT_TRUE(list_objects(store_, "meta/").empty());
  EXPECT_TRUE(list_objects(store_, "doom/").empty());
}

TEST_F(PruneVault, DryRunChangesNothing) {
  forget_half();
  const Objects before = objects_of(store_);
  PruneJob job;
  job.dry_run = true;
  job.grace = Duration{0};
  job.max_unused_percent = 0;
  EXPECT_GT(prune(*vault_, job, {}).dead_bytes, 0u);
  EXPECT_EQ(objects_of(store_), before);
}

// An operator cannot open frames: it moves them whole, and everything still comes back.
// Counts who tidies up, and may forbid it.
class TidiedStore final : public ForwardingStore {
 public:
  using ForwardingStore::ForwardingStore;
  void clean_up() override {
    ++tidied;
    if (forbidden) throw Error(Code::kDenied, "not for this key");
  }
  int tidied = 0;
  bool forbidden = false;
};

TEST_F(PruneVault, TidiesTheStoreUpWhereItMay) {
  TidiedStore store(store_);
  const auto vault = Vault::open(store, clock_, ring_, "");
  PruneJob job;
  job.dry_run = true;
  prune(*vault, job, {});
  EXPECT_EQ(store.tidied, 0);
  prune_with(*vault, kPruneGrace);
  EXPECT_EQ(store.tidied, 1);
  store.forbidden = true;
  prune_with(*vault, kPruneGrace);
  EXPECT_EQ(store.tidied, 2);
}

TEST_F(PruneVault, ByAnOperatorMovesWholeFrames) {
  forget_half();
  const std::uint64_t before = stored_bytes();
  const auto as_operator = Vault::open(store_, clock_, ring_.restricted_to(Role::kOperator), "");
  prune_with(*as_operator, Duration{0});
  EXPECT_LT(stored_bytes(), before);
  EXPECT_EQ(orphans_in(store_, ring_), "");
  EXPECT_EQ(vault_trouble(store_, ring_, expected_), "");
  add_backup();
  prune_now(*vault_);
  EXPECT_EQ(vault_trouble(store_, ring_, expected_), "");
}

// What becomes of damage. A rewritten frame lies in a pack with another name, which its damage
// record does not know, and whose hash it agrees with.
class PruneOfDamage : public PruneVault, public ::testing::WithParamInterface<Role> {
 protected:
  std::vector<std::string> packs() {
    std::vector<std::string> keys;
    for (const char* prefix : {"data/", "meta/"}) {
      for (const ObjectInfo& info : list_objects(store_, prefix)) keys.push_back(info.key);
    }
    return keys;
  }
  void damage(const std::string& key) {
    Bytes bytes = store_.get(key);
    bytes[bytes.size() / 3] ^= 0x40;
    store_.remove(key);
    store_.put_new(key, bytes);
    clock_.advance(std::chrono::minutes(1));  // so that it is older than any mark
  }
  // Of packs other than `known`.
  std::string damage_beside(const std::string& known) {
    const auto index = vault_->load_index();
    for (const ObjectInfo& info : list_objects(store_, "")) {
      if (!parse_pack_key(info.key) || info.key == known) continue;
      const PackCheck check = check_pack(*vault_, *index, info.key, info.size, {});
      if (!check.problem.empty()) return info.key + ": " + check.problem;
    }
    return "";
  }
  std::unique_ptr<Vault> as_role() {
    return Vault::open(store_, clock_, ring_.restricted_to(GetParam()), "");
  }
};

TEST_P(PruneOfDamage, WhatIsNotKnownYetKeepsItsPackAndIsRecorded) {
  forget_half();
  const Objects before = objects_of(store_);
  std::size_t met = 0;
  for (const std::string& key : packs()) {
    damage(key);
    std::uint64_t damaged = 0;
    try {
      damaged = prune_with(*as_role(), Duration{0}).damaged_packs;
    } catch (const Error& error) {
      ASSERT_EQ(error.code(), Code::kCorrupt) << key;  // the lists of what is needed were in it
    }
    met += damaged;
    EXPECT_EQ(damage_beside(key), "");
    if (damaged > 0) {
      EXPECT_TRUE(store_.stat(key)) << key;
      EXPECT_FALSE(read_dooms(store_, ring_).empty());
    }
    for (const auto& object : objects_of(store_)) store_.remove(object.first);
    fill(store_, before);
  }
  EXPECT_GT(met, 0U);
}

TEST_P(PruneOfDamage, WhatABackupHealedComesBackAndTheDamageGoes) {
  const Kept last = expected_.kept.back();
  const std::vector<std::string> all = packs();
  const Objects before = objects_of(store_);
  for (const std::string& key : all) {
    damage(key);
    validate_all(*vault_, true);
    const Kept healing = keep_backup(*vault_, job_of(directory_), directory_);
    if (restore_trouble(*vault_, last).empty()) {  // else it was not to be healed by this tree
      for (int i = 0; i < 3; ++i) {
        clock_.advance(std::chrono::minutes(1));
        try {
          prune_with(*as_role(), Duration{0});
        } catch (const Error& error) {
          ASSERT_EQ(error.code(), Code::kCorrupt) << key;
        }
        EXPECT_EQ(restore_trouble(*vault_, last), "") << key;
        EXPECT_EQ(restore_trouble(*vault_, healing), "") << key;
        EXPECT_EQ(damage_beside(key), "");
      }
    }
    for (const auto& object : objects_of(store_)) store_.remove(object.first);
    fill(store_, before);
  }
}

INSTANTIATE_TEST_SUITE_P(Roles, PruneOfDamage, ::testing::Values(Role::kRestorer, Role::kOperator));

TEST_F(PruneVault, WaitsForTheGracePeriod) {
  forget_half();
  const PruneResult marked = prune_with(*vault_, kPruneGrace);
  EXPECT_GT(marked.marked_packs, 0u);
  EXPECT_EQ(marked.removed_packs, 0u);
  EXPECT_FALSE(marked.waiting_for.empty());
  clock_.advance(kPruneGrace - kHour);
  EXPECT_EQ(prune_with(*vault_, kPruneGrace).removed_packs, 0u);
  clock_.advance(2 * kHour);
  EXPECT_GT(prune_with(*vault_, kPruneGrace).removed_packs, 0u);
  EXPECT_EQ(vault_trouble(store_, ring_, expected_), "");
}

// Chunks on their way out that a new backup has again are stored anew or spared, never lost.
TEST_F(PruneVault, SparesWhatABackupRevives) {
  const Snapshot old = expected_.kept[0].tree;
  const TempDir back;
  bring_back(*vault_, expected_.kept[0].name, back / "out");
  for (int i = 0; i < 5; ++i) forget(0);
  prune_with(*vault_, kPruneGrace);
  clock_.advance(kHour);
  const std::string revived = back / "out" + directory_;
  expected_.kept.push_back(keep_backup(*vault_, job_of(revived, "revived"), revived));
  clock_.advance(kPruneGrace);
  prune_with(*vault_, kPruneGrace);
  EXPECT_EQ(vault_trouble(store_, ring_, expected_), "");
  prune_now(*vault_);
  EXPECT_EQ(vault_trouble(store_, ring_, expected_), "");
}

// The backup began before the mark and relies on what the mark dooms.
TEST_F(PruneVault, WaitsForALeaseThatIsOlderThanTheMark) {
  const TempDir back;
  bring_back(*vault_, expected_.kept[0].name, back / "out");
  const std::string old = back / "out" + directory_;
  for (int i = 0; i < 5; ++i) forget(0);
  const auto plan = std::make_shared<FaultPlan>();
  FaultStore watched(store_, plan);
  bool pruned = false;
  plan->on_operation([&](std::uint64_t, Operation operation, std::string_view key) {
    // Right before its first pack: the index was read long ago.
    if (operation != Operation::kCommit || !parse_pack_key(key) || std::exchange(pruned, true)) {
      return;
    }
    clock_.advance(std::chrono::seconds(1));
    prune_with(*vault_, Duration{0});
    clock_.advance(std::chrono::seconds(1));
    const PruneResult second = prune_with(*vault_, Duration{0});
    EXPECT_EQ(second.removed_packs + second.rewritten_packs, 0u);
    ASSERT_FALSE(second.waiting_for.empty());
    EXPECT_NE(second.waiting_for[0].find("backup on host"), std::string::npos);
  });
  const auto writer = Vault::open(watched, clock_, ring_, "");
  expected_.kept.push_back(keep_backup(*writer, job_of(old, "old"), old));
  ASSERT_TRUE(pruned);
  clock_.advance(std::chrono::seconds(1));
  prune_with(*vault_, Duration{0});
  EXPECT_EQ(vault_trouble(store_, ring_, expected_), "");
}

// Packs that the mark dooms it takes for present: it brings backups that others made.
TEST_F(PruneVault, WaitsForACopyHoweverYoungItIs) {
  forget_half();
  prune_with(*vault_, kPruneGrace);
  clock_.advance(2 * kPruneGrace);
  {
    const Lease copying(store_, clock_, "copy", true);
    const PruneResult result = prune_with(*vault_, kPruneGrace);
    EXPECT_EQ(result.removed_packs + result.rewritten_packs, 0u);
    ASSERT_FALSE(result.waiting_for.empty());
    EXPECT_NE(result.waiting_for[0].find("copy on host"), std::string::npos);
  }
  EXPECT_GT(prune_with(*vault_, kPruneGrace).removed_packs, 0u);
}

// A writer that saw the mark stores doomed chunks anew. Another backup makes some of them live
// while it has not committed yet: the sweep must not drop the others from its new pack.
TEST_F(PruneVault, LeavesTheNewPacksOfAWriterAlone) {
  const TempDir back;
  bring_back(*vault_, expected_.kept[0].name, back / "out");
  const std::string old = back / "out" + directory_;
  for (int i = 0; i < 5; ++i) forget(0);
  prune_with(*vault_, kPruneGrace);
  clock_.advance(kHour);
  const auto plan = std::make_shared<FaultPlan>();
  FaultStore watched(store_, plan);
  bool other_is_done = false;
  bool pruned = false;
  plan->on_operation([&](std::uint64_t, Operation operation, std::string_view key) {
    if (operation == Operation::kCommit && parse_pack_key(key) && !other_is_done) {
      other_is_done = true;
      const std::string part = old + "/d0";
      expected_.kept.push_back(keep_backup(*vault_, job_of(part, "part"), part));
      clock_.advance(std::chrono::minutes(1));
    }
    if (operation == Operation::kPutNew && parse_backup_key(key)) {
      pruned = true;
      prune_with(*vault_, std::chrono::minutes(30));
    }
  });
  const auto writer = Vault::open(watched, clock_, ring_, "");
  expected_.kept.push_back(keep_backup(*writer, job_of(old, "old"), old));
  EXPECT_TRUE(other_is_done && pruned);
  EXPECT_EQ(vault_trouble(store_, ring_, expected_), "");
}

// A lease that nobody refreshed ends after ten minutes of the store's clock; its holder, when it
// wakes up, does not commit.
TEST_F(PruneVault, AWriterThatLostItsLeaseDoesNotCommit) {
  const TempDir back;
  bring_back(*vault_, expected_.kept[0].name, back / "out");
  const std::string old = back / "out" + directory_;
  for (int i = 0; i < 5; ++i) forget(0);
  const auto plan = std::make_shared<FaultPlan>();
  FaultStore watched(store_, plan);
  std::atomic<bool> slept = false;
  std::atomic<bool> away = false;
  plan->on_operation([&](std::uint64_t, Operation operation, std::string_view key) {
    if (away && key.starts_with("lease/")) throw Error(Code::kUnavailable, "no way to the store");
    if (parse_segment_key(key)) away = false;  // it finds the store again right before the commit
    if (operation != Operation::kCommit || !parse_pack_key(key) || slept.exchange(true)) return;
    away = true;
    clock_.advance(std::chrono::minutes(11));
    prune_with(*vault_, Duration{0});
    EXPECT_GT(prune_with(*vault_, Duration{0}).live_chunks, 0u);
  });
  const auto writer = Vault::open(watched, clock_, ring_, "");
  try {
    back_up(*writer, job_of(old, "old"));
    ADD_FAILURE() << "committed without a lease";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::kConflict) << error.what();
  }
  EXPECT_EQ(vault_trouble(store_, ring_, expected_), "");
  clock_.advance(std::chrono::minutes(11));
  expected_.kept.push_back(keep_backup(*vault_, job_of(old, "old"), old));
  EXPECT_EQ(vault_trouble(store_, ring_, expected_), "");
}

// Only the store's clock counts: each machine may believe what it likes.
TEST_F(PruneVault, ClocksOfMachinesMakeNoDifference) {
  StandingClock early;
  early.advance(-5 * kHour);
  StandingClock late;
  late.advance(7 * kHour);
  const auto fast = Vault::open(store_, late, ring_, "");
  const auto slow = Vault::open(store_, early, ring_, "");
  forget_half();
  for (const auto& [pruner, writer] : {std::pair{&fast, &slow}, std::pair{&slow, &fast}}) {
    prune_with(**pruner, kPruneGrace);
    clock_.advance(kHour);
    EXPECT_EQ(prune_with(**pruner, kPruneGrace).removed_packs, 0u);
    change_tree(directory_, random_);
    expected_.kept.push_back(keep_backup(**writer, job_of(directory_), directory_));
    clock_.advance(kPruneGrace);
    prune_with(**pruner, kPruneGrace);
    EXPECT_EQ(vault_trouble(store_, ring_, expected_), "");
    store_.remove(expected_.kept[0].name.key());
    expected_.kept.erase(expected_.kept.begin());
  }
}

TEST_F(PruneVault, OneAtATime) {
  const Lease other(store_, clock_, "prune", true);
  try {
    prune_now(*vault_);
    ADD_FAILURE() << "two at once";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::kConflict);
    EXPECT_NE(error.message().find("prune on host"), std::string::npos) << error.what();
  }
}

TEST_F(PruneVault, RefusesADamagedVault) {
  forget_half();
  const Objects good = objects_of(store_);
  for (const auto& [key, bytes] : good) {
    if (key.starts_with("data/") || key == "holdfast.json") continue;
    Bytes bad = bytes;
    bad[bad.size() / 2] ^= 1;
    store_.put(key, bad);
    const std::size_t packs = list_objects(store_, "data/").size();
    try {
      prune_now(*vault_);
      // Damage in a meta pack may lie in what no backup reads any more.
      EXPECT_TRUE(key.starts_with("meta/")) << key;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Code::kCorrupt) << error.what();
      EXPECT_EQ(list_objects(store_, "data/").size(), packs);
    }
    for (const auto& item : objects_of(store_)) store_.remove(item.first);
    fill(store_, good);
  }
}

// An index segment that was written again while the old one still stands, as a crash leaves it,
// does not make its packs look half dead.
TEST_F(PruneVault, TwoSegmentsThatNameOnePackAreNoWaste) {
  prune_now(*vault_);
  const Objects before = objects_of(store_);
  const auto index = Index::load(store_, ring_, "");
  SegmentBuilder builder;
  for (const Segment& segment : index->segments()) builder.add(segment, false);
  write_segment(store_, ring_, builder.build());
  const PruneResult result = prune_now(*vault_);
  EXPECT_EQ(result.dead_bytes, 0u);
  EXPECT_EQ(result.rewritten_packs, 0u);
  EXPECT_EQ(vault_trouble(store_, ring_, expected_), "");
}

// A writer merges index segments while a prune takes packs out of them: afterwards the index must
// not promise what is gone, or the next backup would rely on it.
class PruneDuringMerge : public PruneVault, public ::testing::WithParamInterface<bool> {};

TEST_P(PruneDuringMerge, IndexNeverNamesRemovedPacks) {
  const bool marked_before = GetParam();
  for (int i = 0; i < 43; ++i) {
    write_text(directory_ + "/one", noise(random_, 700));
    expected_.kept.push_back(keep_backup(*vault_, job_of(directory_), directory_));
    clock_.advance(std::chrono::minutes(1));
  }
  const Kept wanted = expected_.kept[45];
  const TempDir back;
  bring_back(*vault_, wanted.name, back / "out");
  while (expected_.kept.size() > 2) forget(1);
  if (marked_before) prune_with(*vault_, 240 * kHour);
  clock_.advance(kHour);
  const auto plan = std::make_shared<FaultPlan>();
  FaultStore watched(store_, plan);
  int segments = 0;
  bool pruned = false;
  std::string prune_error;
  plan->on_operation([&](std::uint64_t, Operation operation, std::string_view key) {
    const bool writes = operation == Operation::kPutNew || operation == Operation::kPut;
    if (!writes || !key.starts_with("index/")) return;
    // One for each pack, one for both, and then that into which older ones are merged; the writer
    // does not merge those when it has seen a mark.
    if (++segments != (marked_before ? 3 : 4)) return;
    pruned = true;
    try {
      prune_with(*vault_, Duration{0});
    } catch (const Error& error) {
      prune_error = error.what();
    }
  });
  const auto writer = Vault::open(watched, clock_, ring_, "");
  write_text(directory_ + "/one", noise(random_, 700));
  expected_.kept.push_back(keep_backup(*writer, job_of(directory_), directory_));
  const std::string revived = back / "out" + directory_;
  clock_.advance(std::chrono::minutes(1));
  expected_.kept.push_back(keep_backup(*vault_, job_of(revived, "revived"), revived));
  EXPECT_TRUE(pruned) << segments;
  EXPECT_EQ(prune_error, "");
  EXPECT_EQ(vault_trouble(store_, ring_, expected_), "");
}

INSTANTIATE_TEST_SUITE_P(Marked, PruneDuringMerge, ::testing::Bool());

}  // namespace
}  // namespace holdfast::test
