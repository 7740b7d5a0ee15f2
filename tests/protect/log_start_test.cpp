// Log that begins behind the segment in which a backup ends, when the backup holds that itself.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "os/file.h"
#include "protect/log_check.h"
#include "protect/log_recovery.h"
#include "protect/log_span.h"
#include "protect/log_world.h"
#include "source/postgres/commit_index.h"
#include "source_postgres/wal_maker.h"

namespace holdfast::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// Segments 5 to 7 as one server wrote them, where 5 ends with a switch or in the midst of a record.
class Written {
 public:
  enum class End { kSwitch, kWithinARecord };
  explicit Written(End end) : maker_(shape()) {
    maker_.add(WalMaker::commit(5, 500));
    if (end == End::kSwitch) {
      maker_.add_switch();
    } else {
      while (maker_.position() < 6 * kSegment) maker_.add({10, 0, 1, Bytes(6000)});
    }
    maker_.add(WalMaker::commit(6, 600));
    maker_.add_switch();
    maker_.add(WalMaker::commit(7, 700));
    maker_.add_switch();
  }
  Bytes segment(std::uint64_t number) const {
    return to_bytes(ByteView(maker_.bytes()).subspan((number - 5) * kSegment, kSegment));
  }

 private:
  static WalMaker::Shape shape() {
    WalMaker::Shape shape;
    shape.start = 5 * kSegment;
    return shape;
  }
  WalMaker maker_;
};

class LogStart : public ::testing::Test {
 protected:
  void store(const Written& written, std::uint64_t first, std::uint64_t last) {
    for (std::uint64_t n = first; n <= last; ++n) store_segment(*vault_, n, written.segment(n));
  }
  BackupName back_up(const Bytes& segment) {
    return store_database(*vault_, 5, 1, kSystem, segment);
  }
  std::optional<LogPlan> plan(const BackupName& backup) const {
    return plan_log(*vault_, read_backup(*vault_, backup).summary, "latest", {});
  }
  LogCheckResult check(Role role = Role::kRestorer) {
    LogCheckJob job;
    job.backups = list_backups(store_);
    job.whole_vault = true;
    return check_log(*open(role), job, {});
  }
  void expect_not_used(const BackupName& backup) {
    const auto planned = plan(backup).value();
    EXPECT_THAT(planned.segments, IsEmpty());
    EXPECT_EQ(planned.gap, 5 * kSegment);
    EXPECT_EQ(planned.missing, log_segment(5).file);
    const LogCheckResult found = check();
    EXPECT_THAT(found.findings, IsEmpty());
    EXPECT_THAT(found.warnings, ElementsAre(HasSubstr(log_segment(5).file + " is missing")));
  }
  std::unique_ptr<Vault> open(Role role) {
    return Vault::open(store_, clock_, ring_.restricted_to(role), "");
  }
  std::vector<LogSpan> spans(Role role = Role::kRestorer) {
    const auto vault = open(role);
    std::vector<BackupSummary> backups;
    for (const BackupName& name : list_backups(store_)) {
      backups.push_back(read_backup(*vault, name).summary);
    }
    return log_spans(*vault, backups, {});
  }

  StandingClock clock_;
  const KeyRing ring_ = new_key_ring();
  MemoryStore store_{clock_};
  std::unique_ptr<Vault> vault_ = tiny_vault(store_, clock_, ring_);
  const Written written_{Written::End::kSwitch};
};

TEST_F(LogStart, IsTheBackupsOwnSegment) {
  const BackupName backup = back_up(written_.segment(5));
  store(written_, 6, 7);
  const auto planned = plan(backup).value();
  EXPECT_FALSE(planned.gap);
  ASSERT_EQ(planned.segments.size(), 3u);
  EXPECT_TRUE(planned.segments[0].in_backup);
  EXPECT_FALSE(planned.segments[1].in_backup);
  EXPECT_EQ(planned.last_commit->xid, 700u);
  // What was committed behind the backup and before the log began, too.
  std::vector<LogFacts> facts;
  for (const LogStep& step : planned.segments) facts.push_back(step.facts);
  EXPECT_EQ(locate(facts, {TargetXid{500}, true}).reach, Reach::kReachable);
  EXPECT_EQ(locate(facts, {TargetXid{600}, true}).reach, Reach::kReachable);
  // It is not asked of the log.
  const TempDir place;
  fetch_log_plan(*vault_, planned, place.path(), {});
  EXPECT_FALSE(path_exists(place / log_segment(5).file));
  EXPECT_TRUE(path_exists(place / log_segment(6).file));

  const LogCheckResult found = check();
  EXPECT_THAT(found.findings, IsEmpty());
  EXPECT_THAT(found.notes, IsEmpty());
  EXPECT_THAT(found.warnings, IsEmpty());
  ASSERT_EQ(spans().size(), 1u);
  EXPECT_EQ(spans()[0].gap, "");
  // Nothing behind it is past.
  clock_.advance(std::chrono::hours(1));
  retain_now(*vault_);
  EXPECT_THAT(log_of(store_), ElementsAre("1:6", "1:7"));
}

TEST_F(LogStart, GoesOnInPieces) {
  const BackupName backup = back_up(written_.segment(5));
  const Bytes content = written_.segment(6);
  SegmentFacts facts(6 * kSegment, 1, kSegment);
  facts.feed(ByteView(content).first(kSegment / 2));
  store_log(*vault_, log_piece(log_segment(6), 0, kSegment / 2),
            ByteView(content).first(kSegment / 2), facts.json().dump());
  EXPECT_EQ(reach_of(*vault_, backup), "5-6");
  EXPECT_THAT(check().warnings, IsEmpty());
}

TEST_F(LogStart, MayEndInARecordThatIsProvenWhole) {
  const Written across(Written::End::kWithinARecord);
  const BackupName backup = back_up(across.segment(5));
  store(across, 6, 7);
  EXPECT_EQ(reach_of(*vault_, backup), "5-7");
  EXPECT_THAT(check().warnings, IsEmpty());
}

// A standby had received less than that when its backup ended.
TEST_F(LogStart, IsNotUsedWhenItsLastRecordIsNotAllThere) {
  const Written across(Written::End::kWithinARecord);
  Bytes stale = across.segment(5);
  stale.back() ^= 1;
  const BackupName backup = back_up(stale);
  store(across, 6, 7);
  expect_not_used(backup);
}

TEST_F(LogStart, IsNotUsedWhenItIsNotWhole) {
  Bytes half = written_.segment(5);
  std::fill(half.begin() + 100, half.end(), std::uint8_t{0});
  const BackupName backup = back_up(half);
  store(written_, 6, 7);
  expect_not_used(backup);
}

TEST_F(LogStart, IsNotUsedWhenTheBackupHasNone) {
  const BackupName backup = back_up({});
  store(written_, 6, 7);
  expect_not_used(backup);
}

// A server that was set back wrote another 5 before that 6.
TEST_F(LogStart, IsNotUsedWhenAnotherOneCameBefore) {
  const BackupName backup = back_up(written_.segment(5));
  const Written across(Written::End::kWithinARecord);
  store(across, 6, 7);
  expect_not_used(backup);
}

TEST_F(LogStart, LeadsNowhereWhenTheNextOneIsMissing) {
  back_up(written_.segment(5));
  store(written_, 7, 7);
  const auto found = spans();
  ASSERT_EQ(found.size(), 1u);
  EXPECT_TRUE(found[0].alone);
  EXPECT_EQ(found[0].missing, log_segment(5).file);
  EXPECT_FALSE(found[0].to);
  EXPECT_THAT(check().warnings, ElementsAre(HasSubstr(log_segment(5).file + " to " +
                                                      log_segment(6).file + " are missing")));
}

TEST_F(LogStart, AKeyThatCannotReadLeavesItOpen) {
  back_up(written_.segment(5));
  store(written_, 6, 7);
  for (const Role role : {Role::kWriter, Role::kOperator}) {
    EXPECT_THAT(spans(role), IsEmpty());
    const LogCheckResult found = check(role);
    EXPECT_THAT(found.findings, IsEmpty());
    EXPECT_THAT(found.warnings, IsEmpty());
    EXPECT_THAT(found.notes, ElementsAre(HasSubstr("only a key that restores")));
  }
}

// Backups from before the log have no span each.
TEST_F(LogStart, OnlyTheNewestBackupStandsAlone) {
  store_database(*vault_, 2);
  clock_.advance(std::chrono::hours(1));
  store_database(*vault_, 3);
  clock_.advance(std::chrono::hours(1));
  store(written_, 6, 7);
  EXPECT_EQ(spans().size(), 1u);
  store_database(*vault_, 6);
  const auto found = spans();
  ASSERT_EQ(found.size(), 1u);
  EXPECT_FALSE(found[0].alone);
  EXPECT_THAT(check().notes, ElementsAre(HasSubstr("2 backups before it")));
}

}  // namespace
}  // namespace holdfast::test
