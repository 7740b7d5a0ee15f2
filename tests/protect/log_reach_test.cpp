// How far a log leads from a backup when segments are there in pieces.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "protect/log_level.h"
#include "protect/log_recovery.h"
#include "protect/log_world.h"
#include "source_postgres/wal_maker.h"

namespace holdfast::test {
namespace {

class LogReach : public ::testing::Test {
 protected:
  LogReach() { store_segments(*vault_, 5, 6); }
  std::string reach() const { return reach_of(*vault_, backup_); }

  static constexpr std::uint32_t kHalf = kSegment / 2;
  StandingClock clock_;
  const KeyRing ring_ = new_key_ring();
  MemoryStore store_{clock_};
  std::unique_ptr<Vault> vault_ = tiny_vault(store_, clock_, ring_);
  const BackupName backup_ = store_database(*vault_, 5);
};

TEST_F(LogReach, GoesOnBehindASegmentThatIsCompleteInPieces) {
  store_piece(*vault_, 7, 0, kHalf);
  store_piece(*vault_, 7, kHalf, kSegment);
  store_segments(*vault_, 8, 9);
  EXPECT_EQ(reach(), "5-9");
}

TEST_F(LogReach, EndsWithTheLastPieceAndIsNotInterruptedThere) {
  store_piece(*vault_, 7, 0, kHalf);
  EXPECT_EQ(reach(), "5-7");
}

TEST_F(LogReach, IsInterruptedByASegmentThatIsNotComplete) {
  store_piece(*vault_, 7, 0, kHalf);
  store_segments(*vault_, 8, 9);
  EXPECT_EQ(reach(), "5-7!");
}

TEST_F(LogReach, IsInterruptedByAHoleWithinASegment) {
  store_piece(*vault_, 7, 0, kHalf / 2);
  store_piece(*vault_, 7, kHalf, kSegment);
  EXPECT_EQ(reach(), "5-7!");
}

TEST_F(LogReach, IsInterruptedWhereTheFirstPieceIsLost) {
  store_piece(*vault_, 7, kHalf, kSegment);
  EXPECT_EQ(reach(), "5-6!");
}

// Segments 7 and 8, of which a record of `before` bytes less than the room in 7 begins 7; behind it
// the level drops. Where, is returned.
Lsn store_drop(const Vault& vault, std::size_t filler, bool marked) {
  WalMaker::Shape shape;
  shape.start = 7 * kSegment;
  WalMaker maker(shape);
  maker.add(WalMaker::commit(5, 100));
  while (maker.position() % kSegment + 8000 < filler) maker.add({10, 0, 1, Bytes(6000)});
  if (filler > 0) maker.add({10, 0, 1, Bytes(filler - maker.position() % kSegment - 30)});
  const Lsn drop = maker.add(WalMaker::wal_level(0));
  maker.add(WalMaker::commit(6, 101));
  maker.fill_segment();
  if (maker.bytes().size() == kSegment) {
    maker.add(WalMaker::commit(7, 102));
    maker.fill_segment();
  }
  for (std::uint64_t i = 0; i < 2; ++i) {
    const ByteView content = ByteView(maker.bytes()).subspan(i * kSegment, kSegment);
    SegmentFacts facts((7 + i) * kSegment, 1, kSegment);
    facts.feed(content);
    const std::string said = facts.json().dump();
    if (marked) mark_level_drop(vault, log_segment(7 + i), said);
    store_log(vault, log_segment(7 + i), content, said, 1);
  }
  return drop;
}

class LogReachOfALevelDrop : public LogReach {
 protected:
  std::optional<LogPlan> plan(FactsWanted wanted) const {
    return plan_log(*vault_, read_backup(*vault_, backup_).summary, "latest", {}, wanted);
  }
  void expect_end(const LogPlan& plan, Lsn drop) const {
    EXPECT_EQ(plan.level_drop, drop);
    EXPECT_EQ(plan.end, drop);
    EXPECT_EQ(plan.segments.size(), 3u);
    EXPECT_EQ(plan.last_commit->xid, 100u);
    EXPECT_FALSE(plan.gap);
    const auto reach = locate({plan.segments.back().facts}, {TargetLsn{drop - 8}, true}).reach;
    EXPECT_NE(reach, Reach::kReachable);
  }
};

TEST_F(LogReachOfALevelDrop, IsItsBeginningAndOneListingTells) {
  const Lsn drop = store_drop(*vault_, 0, true);
  store_segments(*vault_, 9, 10);
  for (const FactsWanted wanted : {FactsWanted::kAll, FactsWanted::kLast}) {
    const auto found = plan(wanted);
    ASSERT_TRUE(found);
    expect_end(*found, drop);
  }
  // A backup of later is not concerned.
  const BackupName later = store_database(*vault_, 9);
  EXPECT_EQ(reach_of(*vault_, later), "9-10");
}

TEST_F(LogReachOfALevelDrop, IsKnownToARestoreWithoutItsMark) {
  const Lsn drop = store_drop(*vault_, 0, false);
  expect_end(plan(FactsWanted::kAll).value(), drop);
}

// The record begins in one segment and ends in the next.
TEST_F(LogReachOfALevelDrop, IsKnownToARestoreAcrossSegments) {
  for (const std::size_t before : {8u, 24u, 32u, 48u}) {
    MemoryStore store(clock_);
    vault_ = tiny_vault(store, clock_, ring_);
    store_segments(*vault_, 5, 6);
    store_database(*vault_, 5);
    const Lsn drop = store_drop(*vault_, kSegment - before, true);
    ASSERT_LT(drop, 8 * kSegment);
    const auto found = plan(FactsWanted::kAll);
    ASSERT_TRUE(found);
    EXPECT_EQ(found->level_drop, drop) << before;
    EXPECT_EQ(found->end, drop);
    EXPECT_EQ(found->last_commit->xid, 100u);
    vault_.reset();
  }
}

}  // namespace
}  // namespace holdfast::test
