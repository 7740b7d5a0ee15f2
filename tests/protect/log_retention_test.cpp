// Which log goes and which never: nothing that a retained backup can be led on by.
#include "protect/log_retention.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "protect/copy.h"
#include "protect/log_world.h"
#include "store/expect_error.h"
#include "support/fault_store.h"
#include "support/locking_store.h"
#include "vault/lease.h"

namespace holdfast::test {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using Days = std::chrono::days;

constexpr std::pair<Fault, bool> kFaults[] = {{Fault::kErrorBefore, false},
                                              {Fault::kErrorAfter, false},
                                              {Fault::kTruncate, false},
                                              {Fault::kErrorBefore, true},
                                              {Fault::kErrorAfter, true}};

class LogRetention : public ::testing::Test {
 protected:
  void later(Duration by = std::chrono::hours(1)) { clock_.advance(by); }
  BackupName backup(std::uint64_t number, std::uint32_t timeline = 1) {
    later();
    return store_database(*vault_, number, timeline);
  }
  std::unique_ptr<Vault> open(ObjectStore& store, Role role = Role::kRestorer) {
    return Vault::open(store, clock_, ring_.restricted_to(role), "");
  }

  StandingClock clock_;
  const KeyRing ring_ = new_key_ring();
  MemoryStore store_{clock_};
  std::unique_ptr<Vault> vault_ = tiny_vault(store_, clock_, ring_);
};

TEST_F(LogRetention, RemovesWhatComesBeforeTheOldestBackup) {
  store_segments(*vault_, 3, 9);
  const BackupName first = backup(5);
  const BackupName second = backup(7);
  later();
  LogRetentionResult result = retain_now(*vault_);
  EXPECT_EQ(names_of(result.streams.at(0).past), "1:3 1:4");
  EXPECT_EQ(result.removed_objects, 2u);
  EXPECT_GT(result.removed_bytes, 0u);
  EXPECT_THAT(log_of(store_), ElementsAre("1:5", "1:6", "1:7", "1:8", "1:9"));
  EXPECT_EQ(reach_of(*vault_, first), "5-9");
  store_.remove(first.key());
  retain_now(*vault_);
  EXPECT_THAT(log_of(store_), ElementsAre("1:7", "1:8", "1:9"));
  EXPECT_EQ(reach_of(*vault_, second), "7-9");
}

TEST_F(LogRetention, ADryRunSaysTheSameAndRemovesNothing) {
  store_segments(*vault_, 3, 6);
  backup(5);
  later();
  const Objects before = objects_of(store_);
  LogRetentionJob job;
  job.grace = Duration{};
  job.dry_run = true;
  const LogRetentionResult result = retain_log(*vault_, job, {});
  EXPECT_EQ(result.removed_objects, 2u);
  EXPECT_EQ(names_of(result.streams.at(0).past), "1:3 1:4");
  EXPECT_EQ(objects_of(store_), before);
}

TEST_F(LogRetention, FollowsTimelines) {
  store_segments(*vault_, 3, 6);
  const BackupName old = backup(4);
  store_history(*vault_, 2, 1, 6);
  store_segments(*vault_, 6, 9, 2);
  const BackupName young = backup(8, 2);
  later();
  retain_now(*vault_);
  EXPECT_THAT(log_of(store_),
              ElementsAre("1:4", "1:5", "1:6", "00000002.history", "2:6", "2:7", "2:8", "2:9"));
  EXPECT_EQ(reach_of(*vault_, old), "4-9");
  store_.remove(old.key());
  retain_now(*vault_);
  EXPECT_THAT(log_of(store_), ElementsAre("00000002.history", "2:8", "2:9"));
  EXPECT_EQ(reach_of(*vault_, young), "8-9");
}

// A timeline that left before the backup ended is of no use to it, but nobody has made up his mind
// about that server yet.
TEST_F(LogRetention, ATimelineThatNoBackupLeadsToGoesWhenItIsOld) {
  store_segments(*vault_, 3, 9);
  store_history(*vault_, 2, 1, 4);
  store_segments(*vault_, 4, 6, 2);
  backup(7);
  later();
  retain_now(*vault_);
  EXPECT_THAT(log_of(store_),
              ElementsAre("1:7", "1:8", "1:9", "00000002.history", "2:4", "2:5", "2:6"));
  later(Days(31));
  retain_now(*vault_);
  // The history says which timeline is the latest, and stays with the backups that it is not of.
  EXPECT_THAT(log_of(store_), ElementsAre("1:7", "1:8", "1:9", "00000002.history"));
}

// As long as nobody knows where a timeline comes from, it may come from any backup.
TEST_F(LogRetention, ATimelineOfUnknownOriginIsNeeded) {
  store_segments(*vault_, 3, 5);
  backup(4);
  store_segments(*vault_, 5, 7, 2);
  later(Days(100));
  retain_now(*vault_);
  EXPECT_THAT(log_of(store_), ElementsAre("1:4", "1:5", "2:5", "2:6", "2:7"));
}

TEST_F(LogRetention, AKeyThatCannotReadContentKeepsRatherMore) {
  store_segments(*vault_, 3, 6);
  store_history(*vault_, 2, 1, 6);
  store_segments(*vault_, 6, 9, 2);
  const BackupName young = backup(8, 2);
  later();
  retain_now(*open(store_, Role::kOperator));
  // Of timeline 1 nobody knows here whether it comes before.
  EXPECT_THAT(log_of(store_),
              ElementsAre("1:3", "1:4", "1:5", "1:6", "00000002.history", "2:8", "2:9"));
  EXPECT_EQ(reach_of(*vault_, young), "8-9");
}

TEST_F(LogRetention, WithoutABackupItStaysUntilItIsOld) {
  store_segments(*vault_, 3, 4);
  later(Days(29));
  store_segment(*vault_, 5);
  retain_now(*vault_);
  EXPECT_THAT(log_of(store_), ElementsAre("1:3", "1:4", "1:5"));
  later(Days(2));
  retain_now(*vault_);
  EXPECT_THAT(log_of(store_), ElementsAre("1:5"));
  retain_now(*vault_, {.keep = {}, .keep_without_backup = Days(1)});
  EXPECT_THAT(log_of(store_), IsEmpty());
}

TEST_F(LogRetention, OfAnotherServerUnderTheSameNameNothingIsNeeded) {
  store_segments(*vault_, 3, 6);
  store_segments(*vault_, 3, 4, 1, "8888");
  backup(5);
  later();
  retain_now(*vault_);
  EXPECT_THAT(log_of(store_, "8888"), ElementsAre("1:3", "1:4"));
  later(Days(31));
  retain_now(*vault_);
  EXPECT_THAT(log_of(store_, "8888"), IsEmpty());
  EXPECT_THAT(log_of(store_), ElementsAre("1:5", "1:6"));
}

TEST_F(LogRetention, WhatIsOfAnUnknownKindStays) {
  store_log(*vault_, log_file("binlog.000001", "9999"), as_bytes("binlog"));
  store_segments(*vault_, 3, 6);
  store_log(*vault_, log_file("notes.txt"), as_bytes("x"));
  backup(5);
  later(Days(1000));
  const LogRetentionResult result = retain_now(*vault_);
  EXPECT_THAT(log_of(store_, "9999"), ElementsAre("binlog.000001"));
  EXPECT_THAT(log_of(store_), ElementsAre("1:5", "1:6", "notes.txt"));
  EXPECT_EQ(result.streams.at(0).unknown_objects, 1u);
  EXPECT_EQ(result.streams.at(1).unknown_objects, 1u);
}

TEST_F(LogRetention, FilesOfABackupsStartMarksAndPartialOnesGoWithTheirSegment) {
  store_segments(*vault_, 3, 6);
  for (const char* suffix : {".00000028.backup", ".00000028.minimal", ".partial"}) {
    store_log(*vault_, log_file(log_segment(3).file + suffix), as_bytes("x"));
    store_log(*vault_, log_file(log_segment(6).file + suffix), as_bytes("x"));
  }
  backup(5);
  later();
  retain_now(*vault_);
  EXPECT_THAT(log_of(store_), ElementsAre("1:5", log_segment(6).file + ".00000028.backup",
                                          log_segment(6).file + ".00000028.minimal", "1:6",
                                          log_segment(6).file + ".partial"));
}

TEST_F(LogRetention, PiecesGoOnceTheWholeIsThere) {
  store_segment(*vault_, 5);
  store_piece(*vault_, 5, 0, 500);
  store_piece(*vault_, 6, 0, 500);
  backup(5);
  later();
  const LogRetentionResult result = retain_now(*vault_);
  EXPECT_EQ(names_of(result.streams.at(0).replaced), "1:5[0-500]");
  EXPECT_THAT(log_of(store_), ElementsAre("1:5", "1:6[0-500]"));
}

TEST_F(LogRetention, ADepthLeavesOlderBackupsAsTheyAre) {
  store_segments(*vault_, 1, 9);
  const BackupName a = backup(2);
  later(Days(10));
  const BackupName b = backup(4);
  later(Days(10));
  const BackupName c = backup(6);
  later(Days(5));
  // Ten days ago is between b and c: b is what recoveries of these days begin with.
  retain_now(*vault_, {.keep = Days(10)});
  EXPECT_THAT(log_of(store_), ElementsAre("1:4", "1:5", "1:6", "1:7", "1:8", "1:9"));
  EXPECT_EQ(reach_of(*vault_, a), "");
  EXPECT_EQ(reach_of(*vault_, b), "4-9");
  retain_now(*vault_, {.keep = Days(4)});
  EXPECT_EQ(reach_of(*vault_, b), "");
  EXPECT_EQ(reach_of(*vault_, c), "6-9");
  EXPECT_THAT(list_backups(store_), ElementsAre(::testing::_, ::testing::_, ::testing::_));
}

// After a recovery into the past the newest old backup is on the way that was left: the one before
// leads to the present.
TEST_F(LogRetention, ADepthFollowsEachWayOfTheLog) {
  store_segments(*vault_, 1, 9);
  const BackupName base = backup(3);
  const BackupName left = backup(8);
  later(Days(5));
  store_history(*vault_, 2, 1, 5);
  store_segments(*vault_, 5, 9, 2);
  const BackupName young = backup(7, 2);
  later(Days(2));
  retain_now(*vault_, {.keep = Days(3)});
  EXPECT_EQ(reach_of(*vault_, base), "3-9");
  EXPECT_EQ(reach_of(*vault_, young), "7-9");
  EXPECT_THAT(log_of(store_), ElementsAre("1:3", "1:4", "1:5", "1:6", "1:7", "1:8", "1:9",
                                          "00000002.history", "2:5", "2:6", "2:7", "2:8", "2:9"));
  store_.remove(left.key());
  later(Days(40));
  retain_now(*vault_, {.keep = Days(3)});
  EXPECT_THAT(log_of(store_), ElementsAre("00000002.history", "2:7", "2:8", "2:9"));
}

TEST_F(LogRetention, WhatIsYoungStays) {
  store_segments(*vault_, 3, 4);
  later(std::chrono::hours(20));
  store_segments(*vault_, 5, 7);
  backup(6);
  later(std::chrono::hours(5));
  const LogRetentionResult result = retain_now(*vault_, {}, std::chrono::hours(24));
  EXPECT_THAT(log_of(store_), ElementsAre("1:5", "1:6", "1:7"));
  EXPECT_EQ(result.streams.at(0).young_objects, 1u);
}

// Its end is behind what was stored when it began, whichever backups are removed meanwhile.
TEST_F(LogRetention, WhatWasStoredSinceABackupAtWorkBeganStays) {
  store_segments(*vault_, 3, 4);
  later();
  {
    const Lease lease(store_, clock_, "backup");
    later(std::chrono::minutes(1));
    store_segments(*vault_, 5, 8);
    store_database(*vault_, 8);
    later(std::chrono::minutes(1));
    EXPECT_EQ(names_of(retain_now(*vault_).streams.at(0).past), "1:3 1:4");
    EXPECT_THAT(log_of(store_), ElementsAre("1:5", "1:6", "1:7", "1:8"));
  }
  retain_now(*vault_);
  EXPECT_THAT(log_of(store_), ElementsAre("1:8"));
}

TEST_F(LogRetention, NothingGoesWhileACopyOrARestoreIsAtWork) {
  for (const char* kind : {"copy", "restore", "repair"}) {
    store_segments(*vault_, 3, 6);
    const BackupName name = backup(5);
    later();
    {
      const Lease lease(store_, clock_, kind, std::string_view(kind) == "copy");
      const LogRetentionResult result = retain_now(*vault_);
      EXPECT_EQ(result.removed_objects, 0u) << kind;
      ASSERT_EQ(result.waiting_for.size(), 1u) << kind;
      EXPECT_TRUE(result.waiting_for[0].starts_with(kind));
      EXPECT_EQ(log_of(store_).size(), 4u);
    }
    EXPECT_EQ(retain_now(*vault_).removed_objects, 2u) << kind;
    store_.remove(name.key());
    later(Days(31));
    retain_now(*vault_);
  }
}

TEST_F(LogRetention, ACopyWaitsForNobodyWhoRemovesLog) {
  MemoryStore from(clock_);
  tiny_vault(from, clock_, ring_);
  const auto source = open(from);
  MemoryStore to(clock_);
  CopyProgress progress;
  copy_vault(from, to, {}, progress, {});
  const Lease lease(to, clock_, kLogRemovalLease, true);
  const auto error = error_of([&] { copy_vault(from, to, {}, progress, {}); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code(), Code::kConflict);
  EXPECT_NE(error->message().find("log"), std::string::npos) << error->message();
}

TEST_F(LogRetention, TwoAtOnceAreAConflict) {
  store_segments(*vault_, 3, 6);
  const Lease lease(store_, clock_, kLogRemovalLease, true);
  expect_error(Code::kConflict, [&] { retain_now(*vault_); });
}

TEST_F(LogRetention, LocksAreHonoured) {
  LockingStore locking(store_, clock_, Days(7));
  const auto vault = open(locking);
  store_segments(*vault, 3, 4);
  later(Days(3));
  store_segments(*vault, 5, 9);
  store_database(*vault, 8);
  later(Days(5));
  LogRetentionResult result = retain_now(*vault);
  EXPECT_EQ(result.removed_objects, 2u);
  EXPECT_EQ(result.locked_objects, 3u);
  ASSERT_TRUE(result.lock_first_ends);
  EXPECT_EQ(std::chrono::round<std::chrono::hours>(*result.lock_first_ends - clock_.now()),
            std::chrono::hours(48));
  EXPECT_THAT(log_of(store_), ElementsAre("1:5", "1:6", "1:7", "1:8", "1:9"));
  EXPECT_THAT(locking.attempts(), IsEmpty());
  later(Days(3));
  EXPECT_EQ(retain_now(*vault).removed_objects, 3u);
}

// What cannot be read is not taken for what nobody needs.
TEST_F(LogRetention, NothingGoesWhenABackupOrAHistoryCannotBeRead) {
  store_segments(*vault_, 3, 6);
  store_history(*vault_, 2, 1, 6);
  store_segments(*vault_, 6, 7, 2);
  const BackupName old = backup(3);
  backup(5);
  later(Days(100));
  const std::size_t count = log_of(store_).size();
  for (const std::string& key : {old.key(), log_file("00000002.history").key()}) {
    const Bytes good = store_.get(key);
    Bytes bad = good;
    bad[bad.size() / 2] ^= 1;
    store_.put(key, bad);
    expect_error(Code::kCorrupt, [&] { retain_now(*vault_); });
    EXPECT_EQ(log_of(store_).size(), count);
    store_.put(key, good);
  }
}

TEST_F(LogRetention, SegmentsOfTwoSizesAreNotReckonedWith) {
  store_segments(*vault_, 3, 6);
  store_log(*vault_, log_segment(9), Bytes(2 * kSegment));
  backup(5);
  later(Days(100));
  retain_now(*vault_);
  EXPECT_EQ(log_of(store_).size(), 5u);
}

// Every call to the store fails once, in each way, or it and all after it, as when the machine
// dies. Whatever went before that, each backup leads as far as it did, and the next run finishes.
TEST_F(LogRetention, EveryMomentStaysReachableWhicheverOperationFails) {
  store_segments(*vault_, 3, 5);
  store_piece(*vault_, 4, 0, 500);
  store_history(*vault_, 2, 1, 5);
  store_segments(*vault_, 5, 8, 2);
  std::vector<BackupName> backups{backup(4), backup(6, 2)};
  later();
  const Objects at_first = objects_of(store_);
  std::uint64_t failures = 0;
  for (const auto& [fault, for_good] : kFaults) {
    for (std::uint64_t at = 1;; ++at) {
      MemoryStore inner(clock_);
      fill(inner, at_first);
      clock_.advance(std::chrono::seconds(2));
      const auto plan = std::make_shared<FaultPlan>();
      FaultStore faulty(inner, plan);
      const auto vault = open(faulty);
      plan->arm(plan->operations() + at, fault, for_good);
      try {
        retain_now(*vault);
      } catch (const Error& error) {
        ++failures;
        EXPECT_NE(error.code(), Code::kInternal) << error.what();
      }
      if (!plan->fired()) break;
      plan->disarm();
      const auto reader = open(inner);
      EXPECT_EQ(reach_of(*reader, backups[0]), "4-8") << "operation " << at;
      EXPECT_EQ(reach_of(*reader, backups[1]), "6-8") << "operation " << at;
      clock_.advance(std::chrono::minutes(11));  // a lease that could not be removed ends
      retain_now(*reader);
      EXPECT_THAT(log_of(inner),
                  ElementsAre("1:4", "1:5", "00000002.history", "2:5", "2:6", "2:7", "2:8"));
      if (HasFailure()) return;
    }
  }
  EXPECT_GT(failures, 20u);
}

}  // namespace
}  // namespace holdfast::test
