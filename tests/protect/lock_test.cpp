// With locks, prune never tries what they forbid, and what retained backups need stays locked.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "base/error.h"
#include "protect/lock_extension.h"
#include "protect/repair.h"
#include "protect/world.h"
#include "store/dry_run_store.h"
#include "support/fault_store.h"
#include "support/locking_store.h"

namespace holdfast::test {
namespace {

constexpr Duration kDay = std::chrono::hours{24};
constexpr Duration kPeriod = 30 * kDay;

class LockedVault : public ::testing::Test {
 protected:
  LockedVault() {
    directory_ = files_ / "src";
    make_small_tree(directory_, random_);
    vault_ = tiny_vault(store_, clock_, ring_);
    for (int i = 0; i < 4; ++i) add_backup();
  }
  void add_backup() {
    change_tree(directory_, random_);
    expected_.kept.push_back(keep_backup(*vault_, job_of(directory_), directory_));
    clock_.advance(std::chrono::minutes(1));
  }
  // As if it had been removed when its lock allowed that.
  void forget(std::size_t i) {
    memory_.remove(expected_.kept[i].name.key());
    expected_.kept.erase(expected_.kept.begin() + static_cast<std::ptrdiff_t>(i));
  }
  void forget_old() {
    while (expected_.kept.size() > 1) forget(0);
  }
  std::vector<BackupName> kept() const {
    std::vector<BackupName> names;
    for (const Kept& kept : expected_.kept) names.push_back(kept.name);
    return names;
  }
  PruneResult prune_grace(Duration grace) {
    PruneJob job;
    job.grace = grace;
    job.max_unused_percent = 0;
    return prune(*vault_, job, {});
  }
  LockResult extend(bool all = false) {
    const Retained retained = find_retained(*vault_, kept(), {});
    const LockPlan plan = plan_lock_extension(retained, clock_.now(), kPeriod, all);
    LockProgress progress;
    return extend_locks(*vault_, retained, plan, progress, {});
  }
  static std::uint64_t index_bytes(const Retained& retained) {
    std::uint64_t bytes = 0;
    for (const RetainedObject& object : retained.objects) {
      if (object.kind == RetainedKind::kIndex) bytes += object.size;
    }
    return bytes;
  }
  std::size_t packs() {
    return list_objects(store_, "data/").size() + list_objects(store_, "meta/").size();
  }
  std::string trouble() { return vault_trouble(memory_, ring_, expected_); }

  StandingClock clock_;
  std::mt19937_64 random_{99};
  const KeyRing ring_ = new_key_ring();
  const TempDir files_;
  std::string directory_;
  MemoryStore memory_{clock_};
  LockingStore store_{memory_, clock_, kPeriod};
  std::unique_ptr<Vault> vault_;
  Expectations expected_;
};

using Attempts = std::vector<std::string>;

TEST_F(LockedVault, PruneLeavesWhatIsLockedAndSaysUntilWhen) {
  forget_old();
  const Timestamp before = clock_.now();
  const Objects all = objects_of(memory_);
  const PruneResult result = prune_grace(Duration{0});
  EXPECT_EQ(store_.attempts(), Attempts{});
  EXPECT_EQ(objects_of(memory_), all);
  EXPECT_EQ(result.removed_packs + result.rewritten_packs + result.marked_packs, 0u);
  EXPECT_GT(result.locked_packs, 0u);
  EXPECT_EQ(result.locked_bytes, result.dead_bytes);
  EXPECT_EQ(result.waiting_bytes, 0u);
  ASSERT_TRUE(result.lock_first_ends && result.lock_last_ends);
  EXPECT_GT(*result.lock_first_ends, before);
  EXPECT_LE(*result.lock_first_ends, *result.lock_last_ends);
  EXPECT_LE(*result.lock_last_ends, clock_.now() + kPeriod);
}

TEST_F(LockedVault, TheSamePruneFreesEverythingWhenTheLocksHaveEnded) {
  forget_old();
  prune_grace(Duration{0});
  clock_.advance(kPeriod);
  const std::size_t before = packs();
  const PruneResult result = prune_grace(Duration{0});
  EXPECT_EQ(store_.attempts(), Attempts{});
  EXPECT_GT(result.freed_bytes, 0u);
  EXPECT_EQ(result.locked_packs, 0u);
  EXPECT_LT(packs(), before);
  EXPECT_EQ(orphans_in(memory_, ring_), "");
  EXPECT_EQ(trouble(), "");
  const PruneResult again = prune_grace(Duration{0});
  EXPECT_EQ(again.dead_bytes + again.locked_packs, 0u);
}

TEST_F(LockedVault, ADryRunSaysTheSame) {
  forget_old();
  PruneJob job;
  job.dry_run = true;
  job.max_unused_percent = 0;
  const PruneResult dry = prune(*vault_, job, {});
  const PruneResult real = prune_grace(Duration{0});
  EXPECT_EQ(dry.locked_packs, real.locked_packs);
  EXPECT_EQ(dry.locked_bytes, real.locked_bytes);
  EXPECT_EQ(dry.lock_first_ends, real.lock_first_ends);
}

// Marked while it was free, locked since: a mark does not make it removable.
TEST_F(LockedVault, APackThatIsLockedAfterTheMarkStays) {
  forget_old();
  clock_.advance(kPeriod);
  EXPECT_GT(prune_grace(kDay).marked_packs, 0u);
  for (const ObjectInfo& info : list_objects(store_, "")) {
    if (parse_pack_key(info.key)) store_.lock_until(info.key, clock_.now() + kPeriod);
  }
  clock_.advance(2 * kDay);
  const std::size_t before = packs();
  EXPECT_EQ(prune_grace(kDay).removed_packs, 0u);
  EXPECT_EQ(packs(), before);
  EXPECT_EQ(store_.attempts(), Attempts{});
  clock_.advance(kPeriod);
  prune_grace(Duration{0});
  EXPECT_LT(packs(), before);
  EXPECT_EQ(trouble(), "");
}

// Only the index is locked: a pack that a segment names must not go before the segment.
TEST_F(LockedVault, APackWaitsForTheSegmentsThatNameIt) {
  forget_old();
  clock_.advance(kPeriod);
  for (const ObjectInfo& info : list_objects(store_, "index/")) {
    store_.lock_until(info.key, clock_.now() + kPeriod);
  }
  const std::size_t before = packs();
  EXPECT_GT(prune_grace(Duration{0}).locked_packs, 0u);
  EXPECT_EQ(store_.attempts(), Attempts{});
  EXPECT_EQ(packs(), before);
  // What a new backup finds in the index is there.
  add_backup();
  EXPECT_EQ(trouble(), "");
}

// The locked segments that a newer one covers are not in the index, yet count.
TEST_F(LockedVault, CoveredSegmentsHoldPacksToo) {
  const auto index = vault_->load_index();
  ASSERT_GT(index->segments().size(), 2u);
  compact_index(store_, ring_, *index, 1);
  EXPECT_EQ(store_.attempts(), Attempts{});
  ASSERT_EQ(vault_->load_index()->segments().size(), 1u);
  clock_.advance(kPeriod);
  for (const Segment& segment : index->segments()) {
    store_.lock_until(segment_key(segment.name()), clock_.now() + kPeriod);
  }
  while (!expected_.kept.empty()) forget(0);
  const std::size_t before = packs();
  EXPECT_EQ(prune_grace(Duration{0}).removed_packs, 0u);
  EXPECT_EQ(packs(), before);
  prune_grace(Duration{0});
  EXPECT_EQ(packs(), before);
  EXPECT_EQ(store_.attempts(), Attempts{});
  clock_.advance(kPeriod);
  prune_grace(Duration{0});
  EXPECT_EQ(packs(), 0u);
  EXPECT_TRUE(list_objects(store_, "index/").empty());
}

TEST_F(LockedVault, BackupsWorkAlthoughSegmentsCannotBeMerged) {
  const std::size_t before = list_objects(store_, "index/").size();
  for (int i = 0; i < 52; ++i) {
    write_text(directory_ + "/one", noise(random_, 700));
    expected_.kept.push_back(keep_backup(*vault_, job_of(directory_), directory_));
    clock_.advance(std::chrono::minutes(1));
  }
  EXPECT_EQ(store_.attempts(), Attempts{});
  const std::size_t all = list_objects(store_, "index/").size();
  EXPECT_GT(all, before + 2 * 52);
  EXPECT_LT(vault_->load_index()->segments().size(), 52u) << "they were not merged at all";
  while (expected_.kept.size() > 2) forget(1);
  EXPECT_EQ(trouble(), "");
  clock_.advance(kPeriod);
  prune_grace(Duration{0});
  EXPECT_EQ(store_.attempts(), Attempts{});
  EXPECT_LT(list_objects(store_, "index/").size(), 20u);
  EXPECT_EQ(trouble(), "");
}

// Whoever locks doom objects all the same.
TEST_F(LockedVault, LockedDoomIsLeftAlone) {
  LockingStore strict(memory_, clock_, kPeriod, {"lease/"});
  const auto vault = Vault::open(strict, clock_, ring_, "");
  forget_old();
  clock_.advance(kPeriod);
  PruneJob job;
  job.grace = Duration{0};
  job.max_unused_percent = 0;
  EXPECT_GT(prune(*vault, job, {}).removed_packs, 0u);
  EXPECT_EQ(strict.attempts(), Attempts{});
  EXPECT_EQ(list_objects(memory_, "doom/").size(), 1u);
  prune(*vault, job, {});
  clock_.advance(kPeriod);
  prune(*vault, job, {});
  EXPECT_TRUE(list_objects(memory_, "doom/").empty());
  EXPECT_EQ(trouble(), "");
}

TEST_F(LockedVault, ExtensionKeepsWhatIsNeededAndLetsTheRestExpire) {
  write_text(directory_ + "/large", noise(random_, 150'000));
  add_backup();
  std::filesystem::remove(directory_ + "/large");
  add_backup();
  forget_old();
  const Retained at_first = find_retained(*vault_, kept(), {});
  EXPECT_GT(at_first.unneeded.bytes, 3 * index_bytes(at_first));
  EXPECT_EQ(at_first.unneeded.locked_bytes, at_first.unneeded.bytes);
  // An index segment that is written while the first locks are on holds what it names for two
  // periods from then.
  for (int day = 0; day < 100; day += 5) {
    clock_.advance(5 * kDay);
    EXPECT_EQ(extend().failed, 0u);
    for (const RetainedObject& object : find_retained(*vault_, kept(), {}).objects) {
      ASSERT_TRUE(object.until) << object.key;
      EXPECT_GE(*object.until, clock_.now() + kPeriod / 2) << object.key;
    }
    prune_grace(Duration{0});
    EXPECT_EQ(trouble(), "");
  }
  EXPECT_EQ(store_.attempts(), Attempts{});
  const Retained retained = find_retained(*vault_, kept(), {});
  // Less than it would take to write the index segments anew that name it.
  EXPECT_LT(retained.unneeded.bytes, index_bytes(retained));
  EXPECT_GT(retained.objects.size(), 4u);
}

TEST_F(LockedVault, ExtensionTouchesOnlyWhatEndsSoon) {
  EXPECT_EQ(extend().extended, 0u);
  EXPECT_EQ(extend().rewritten, 0u);
  EXPECT_EQ(store_.extensions(), 0u);
  EXPECT_GT(extend(true).extended, 0u);
  clock_.advance(kPeriod / 2);
  EXPECT_GT(extend().extended, 0u);
  const std::uint64_t done = store_.extensions();
  EXPECT_EQ(extend().extended, 0u);
  EXPECT_EQ(store_.extensions(), done);
}

TEST_F(LockedVault, AnInterruptedExtensionGoesOn) {
  clock_.advance(kPeriod / 2);
  store_.fail_extensions_after(3);
  const LockResult first = extend();
  EXPECT_EQ(first.extended, 3u);
  EXPECT_GT(first.failed, 0u);
  ASSERT_FALSE(first.errors.empty());
  EXPECT_NE(first.errors[0].find("no way to the store"), std::string::npos);
  store_.fail_extensions_after(1'000'000);
  const LockResult second = extend();
  EXPECT_EQ(second.extended, first.failed);
  EXPECT_EQ(second.failed, 0u);
}

TEST_F(LockedVault, ExtensionLocksTheKindsThatAreNeeded) {
  store_key(store_, wrap_key_ring(ring_, KeyFileSecret{}, "label", clock_.now()));
  std::map<RetainedKind, int> kinds;
  for (const RetainedObject& object : find_retained(*vault_, kept(), {}).objects) {
    ++kinds[object.kind];
  }
  for (const RetainedKind kind : kRetainedKinds) {
    if (kind == RetainedKind::kLog) continue;  // of databases: log_upkeep_test.cpp
    EXPECT_GT(kinds[kind], 0) << kind_name(kind);
  }
  EXPECT_EQ(kinds[RetainedKind::kBackups], 4);
}

// Dry runs and operators alike see what would be done, and change nothing.
TEST_F(LockedVault, AnOperatorPlansAndADryRunPretends) {
  clock_.advance(kPeriod / 2);
  DryRunStore dry(std::make_unique<ForwardingStore>(static_cast<ObjectStore&>(store_)), clock_);
  const auto vault = Vault::open(dry, clock_, ring_.restricted_to(Role::kOperator), "");
  const Retained retained = find_retained(*vault, kept(), {});
  const LockPlan plan = plan_lock_extension(retained, clock_.now(), kPeriod, true);
  LockProgress progress;
  EXPECT_GT(extend_locks(*vault, retained, plan, progress, {}).extended, 0u);
  EXPECT_EQ(store_.extensions(), 0u);
}

TEST_F(LockedVault, AStoreWithoutLocksSaysSo) {
  const auto plain = Vault::open(memory_, clock_, ring_, "");
  const Retained retained = find_retained(*plain, kept(), {});
  const LockPlan plan = plan_lock_extension(retained, clock_.now(), kPeriod, false);
  LockProgress progress;
  try {
    extend_locks(*plain, retained, plan, progress, {});
    ADD_FAILURE() << "locked where there are no locks";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::kUnsupported);
  }
}

TEST_F(LockedVault, APruneThatCrashesAnywhereLosesNothing) {
  forget_old();
  clock_.advance(kPeriod - kDay);
  extend(true);  // packs are free soon, segments that were extended are not
  clock_.advance(2 * kDay);
  const Objects start = objects_of(memory_);
  for (std::uint64_t at = 1;; ++at) {
    for (const auto& item : objects_of(memory_)) memory_.remove(item.first);
    fill(memory_, start);
    const auto plan = std::make_shared<FaultPlan>();
    plan->arm(at, Fault::kErrorBefore, true);
    FaultStore faulty(store_, plan);
    try {
      const auto vault = Vault::open(faulty, clock_, ring_, "");
      PruneJob job;
      job.grace = Duration{0};
      job.max_unused_percent = 0;
      prune(*vault, job, {});
    } catch (const Error&) {
    }
    EXPECT_EQ(store_.attempts(), Attempts{}) << at;
    if (!plan->fired()) break;
    plan->disarm();
    ASSERT_EQ(trouble(), "") << "crash at operation " << at;
    clock_.advance(std::chrono::minutes(11));
    prune_grace(Duration{0});
    ASSERT_EQ(trouble(), "") << "prune after a crash at operation " << at;
  }
  EXPECT_EQ(store_.attempts(), Attempts{});
}

// Repair notes what is lost when it cannot take it out of the index.
TEST_F(LockedVault, RepairQuarantinesWhatLockedSegmentsPromise) {
  const std::string lost = list_objects(store_, "data/")[0].key;
  memory_.remove(lost);
  RepairJob job;
  repair(*vault_, job, {});
  const PackName name = parse_pack_key(lost)->second;
  const auto is_noted = [&] {
    const auto dooms = read_dooms(store_, ring_);
    return std::any_of(dooms.begin(), dooms.end(), [&](const StoredDoom& stored) {
      const auto& packs = stored.doom.packs;
      return stored.doom.reason == DoomReason::kDamaged &&
             std::find(packs.begin(), packs.end(), name) != packs.end();
    });
  };
  EXPECT_TRUE(is_noted());
  repair(*vault_, job, {});
  EXPECT_TRUE(is_noted());
  EXPECT_EQ(list_objects(store_, "doom/").size(), 1u);
  // A backup of the same content does not rely on what is lost.
  const Kept again = keep_backup(*vault_, job_of(directory_, "again"), directory_);
  EXPECT_EQ(restore_trouble(*vault_, again), "");
  clock_.advance(kPeriod);
  repair(*vault_, job, {});
  repair(*vault_, job, {});
  EXPECT_FALSE(is_noted());
}

}  // namespace
}  // namespace holdfast::test
