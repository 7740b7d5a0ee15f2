// How far a log leads from a backup when segments are there in pieces.
#include <gtest/gtest.h>

#include "protect/log_world.h"

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

}  // namespace
}  // namespace holdfast::test
