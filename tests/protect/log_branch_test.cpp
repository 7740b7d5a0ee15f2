// Which timeline a recovery ends on when the log has more than one that goes on.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/throws.h"
#include "protect/log_recovery.h"
#include "protect/log_span.h"
#include "protect/log_world.h"
#include "source/postgres/commit_index.h"
#include "source_postgres/wal_maker.h"

namespace holdfast::test {
namespace {

constexpr std::int64_t kSecond = 1'000'000;

class LogBranches : public ::testing::Test {
 protected:
  LogBranches() {
    write(1, 5, 10);
    write(1, 6, 20);
    backup_ = store_database(*vault_, 5);
  }

  // A segment with a commit `seconds` after some moment, in its second half, where timelines part.
  void write(std::uint32_t timeline, std::uint64_t number, std::int64_t seconds) {
    WalMaker::Shape shape;
    shape.start = number * kSegment;
    shape.timeline = timeline;
    WalMaker maker(shape);
    while (maker.position() % kSegment <= kSegment / 2) maker.add({10, 0, 1, Bytes(6000)});
    maker.add(WalMaker::commit(800'000'000 * kSecond + seconds * kSecond));
    maker.fill_segment();
    SegmentFacts facts(shape.start, timeline, kSegment);
    facts.feed(maker.bytes());
    store_log(*vault_, log_segment(number, timeline), maker.bytes(), facts.json().dump(), 1);
  }
  // The same without a commit.
  void write_nothing(std::uint32_t timeline, std::uint64_t number) {
    WalMaker::Shape shape;
    shape.start = number * kSegment;
    shape.timeline = timeline;
    WalMaker maker(shape);
    maker.add({10, 0, 1, Bytes(60)});
    maker.fill_segment();
    SegmentFacts facts(shape.start, timeline, kSegment);
    facts.feed(maker.bytes());
    store_log(*vault_, log_segment(number, timeline), maker.bytes(), facts.json().dump(), 1);
  }
  LogPlan plan(const BackupName& backup, const std::string& timeline = "latest") const {
    return plan_log(*vault_, read_backup(*vault_, backup).summary, timeline, {}).value();
  }
  // "2" for the one that is followed; "1 (2)" with others, "1 (2!)" when no way leads there.
  std::string ends_on(const BackupName& backup) const {
    const LogPlan found = plan(backup);
    std::string text = std::to_string(found.timeline);
    for (const LogBranch& other : found.others) {
      text += " (" + std::to_string(other.timeline) + (other.reachable ? ")" : "!)");
    }
    return text;
  }

  StandingClock clock_;
  const KeyRing ring_ = new_key_ring();
  MemoryStore store_{clock_};
  std::unique_ptr<Vault> vault_ = tiny_vault(store_, clock_, ring_);
  BackupName backup_;
};

TEST_F(LogBranches, APromotionIsFollowed) {
  store_history(*vault_, 2, 1, 6);
  // Nothing behind the place yet where it left.
  EXPECT_EQ(ends_on(backup_), "1");
  write(2, 6, 25);
  write(2, 7, 30);
  write(2, 8, 40);
  EXPECT_EQ(plan(backup_).end / kSegment, 8u);
  EXPECT_EQ(plan(backup_).timeline, 2u);
}

TEST_F(LogBranches, OneThatNobodyWroteOnIsLeftBehind) {
  store_history(*vault_, 2, 1, 7);
  write_nothing(1, 7);
  write_nothing(2, 7);
  EXPECT_EQ(ends_on(backup_), "2");
  write(2, 8, 40);
  EXPECT_EQ(ends_on(backup_), "2");
}

// A copy that archives beside production.
TEST_F(LogBranches, AHigherNumberDoesNotHideOneThatGoesOn) {
  store_history(*vault_, 2, 1, 6);
  write_nothing(2, 6);
  write(1, 7, 30);
  EXPECT_EQ(ends_on(backup_), "1 (2)");
  EXPECT_EQ(plan(backup_).last_commit->lsn / kSegment, 7u);
  write(2, 7, 40);
  EXPECT_EQ(ends_on(backup_), "2 (1)");
  write(1, 8, 50);
  EXPECT_EQ(ends_on(backup_), "1 (2)");
  EXPECT_NE(span_text(plan(backup_), {}).find("another branch, timeline 2 from 0/680000 on"),
            std::string::npos)
      << span_text(plan(backup_), {});
  // Who names one gets it, and nothing is said.
  EXPECT_EQ(plan(backup_, "2").timeline, 2u);
  EXPECT_TRUE(plan(backup_, "2").others.empty());
}

TEST_F(LogBranches, ABackupBehindTheForkKeepsItsOwn) {
  store_history(*vault_, 2, 1, 6);
  write(2, 6, 25);
  write(1, 7, 30);
  write(1, 8, 40);
  const BackupName later = store_database(*vault_, 7);
  EXPECT_EQ(ends_on(later), "1");
  // Newer commits that it does not lead to are named.
  write(2, 7, 60);
  EXPECT_EQ(ends_on(later), "1 (2!)");
  EXPECT_EQ(thrown_by([&] { plan(later, "2"); }), Code::kNotFound);
}

TEST_F(LogBranches, SpansGoOnWithTheOneThatIsWrittenOn) {
  store_history(*vault_, 2, 1, 6);
  write_nothing(2, 6);
  write(1, 7, 30);
  write(1, 8, 40);
  const auto spans = log_spans(*vault_, {read_backup(*vault_, backup_).summary}, {});
  ASSERT_EQ(spans.size(), 1u);
  EXPECT_EQ(spans[0].timeline, 1u);
  EXPECT_EQ(parse_lsn(spans[0].end) / kSegment, 8u);
  ASSERT_EQ(spans[0].others.size(), 1u);
  EXPECT_EQ(spans[0].others[0].timeline, 2u);
}

}  // namespace
}  // namespace holdfast::test
