#include "source/postgres/commit_index.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/throws.h"
#include "base/wire.h"
#include "source/postgres/pg_time.h"
#include "wal_maker.h"

namespace holdfast {
namespace {

constexpr Lsn kStart = Lsn{5} << 20;
constexpr std::size_t kWalSegment = 1u << 20;

std::vector<LogFacts> facts_of(const WalMaker& log) {
  std::vector<LogFacts> all;
  for (std::size_t at = 0; at < log.bytes().size(); at += kWalSegment) {
    const ByteView rest = ByteView(log.bytes()).subspan(at);
    all.push_back(
        summarize_segment(rest.first(std::min(rest.size(), kWalSegment)), kStart + at, 1));
  }
  return all;
}

// Three segments: commits at 10, 20, 30 (xid 100, 101, 102), 40 (an abort), a point, 50, 60.
std::vector<LogFacts> three_segments() {
  WalMaker log;
  log.add(WalMaker::commit(10, 100));
  log.add(WalMaker::commit(20, 101));
  log.add_switch();
  log.add(WalMaker::commit(30, 103));
  log.add(WalMaker::commit(35, 102));
  log.add(WalMaker::commit(36, 108));
  log.add(WalMaker::abort(40, 104));
  log.add_switch();
  log.add(WalMaker::restore_point(45, "here"));
  log.add(WalMaker::commit(50, 109));
  log.add(WalMaker::commit(60, 110));
  return facts_of(log);
}

Location at_time(const std::vector<LogFacts>& log, std::int64_t time, bool inclusive = true) {
  return locate(log, {from_pg_time(time), inclusive});
}

TEST(CommitIndex, LocatesTimes) {
  const auto log = three_segments();
  ASSERT_EQ(log.size(), 3u);
  EXPECT_EQ(at_time(log, 9).reach, Reach::kBeforeFirst);
  EXPECT_EQ(at_time(log, 9).after->xid, 100u);
  EXPECT_EQ(at_time(log, 10).reach, Reach::kReachable);
  const Location middle = at_time(log, 25);
  EXPECT_EQ(middle.reach, Reach::kReachable);
  EXPECT_EQ(middle.inputs, std::vector<std::size_t>{1});
  EXPECT_EQ(middle.before->xid, 101u);
  EXPECT_EQ(middle.after->xid, 103u);
  EXPECT_EQ(at_time(log, 39).inputs, std::vector<std::size_t>{1});  // stops at the abort
  EXPECT_EQ(at_time(log, 40).inputs, std::vector<std::size_t>{2});
  EXPECT_EQ(at_time(log, 40, false).inputs, std::vector<std::size_t>{1});
  EXPECT_EQ(at_time(log, 59).reach, Reach::kReachable);
  EXPECT_EQ(at_time(log, 60).reach, Reach::kAtEnd);
  EXPECT_EQ(at_time(log, 60, false).reach, Reach::kReachable);
  const Location after = at_time(log, 61);
  EXPECT_EQ(after.reach, Reach::kAfterLast);
  EXPECT_EQ(after.before->xid, 110u);
  EXPECT_FALSE(after.after);
  EXPECT_EQ(at_time({}, 1).reach, Reach::kAfterLast);
}

TEST(CommitIndex, LocatesPositionsTransactionsAndNames) {
  const auto log = three_segments();
  const auto lsn = [&](Lsn at) { return locate(log, {TargetLsn{at}, true}).reach; };
  EXPECT_EQ(lsn(kStart - 1), Reach::kBeforeFirst);
  EXPECT_EQ(lsn(kStart), Reach::kReachable);
  EXPECT_EQ(lsn(log[2].last_record_lsn), Reach::kReachable);
  EXPECT_EQ(lsn(log[2].last_record_lsn + 1), Reach::kAtEnd);
  EXPECT_EQ(lsn(log[2].last_lsn + 1), Reach::kAfterLast);
  EXPECT_EQ(locate(log, {TargetLsn{kStart + kWalSegment}, true}).inputs,
            std::vector<std::size_t>{1});

  const auto xid = [&](std::uint32_t value) { return locate(log, {TargetXid{value}, true}); };
  EXPECT_EQ(xid(99).reach, Reach::kBeforeFirst);
  EXPECT_EQ(xid(100).inputs, std::vector<std::size_t>{0});
  EXPECT_EQ(xid(102).reach, Reach::kReachable);
  EXPECT_EQ(xid(105).reach, Reach::kPossible);
  EXPECT_EQ(xid(105).inputs, std::vector<std::size_t>{1});
  EXPECT_EQ(xid(111).reach, Reach::kAfterLast);

  const auto name = [&](const char* text) { return locate(log, {TargetName{text}, true}); };
  EXPECT_EQ(name("here").reach, Reach::kReachable);
  EXPECT_EQ(name("here").inputs, std::vector<std::size_t>{2});
  EXPECT_EQ(name("there").reach, Reach::kNotFound);
}

TEST(CommitIndex, SaysWhatLiesBehindAGap) {
  auto log = three_segments();
  log.erase(log.begin() + 1);
  const Location location = at_time(log, 55);
  EXPECT_EQ(location.reach, Reach::kAfterGap);
  EXPECT_EQ(location.gap, kStart + kWalSegment);
  EXPECT_EQ(location.before->xid, 101u);
  EXPECT_EQ(at_time(log, 15).reach, Reach::kReachable);
  EXPECT_EQ(at_time(log, 61).reach, Reach::kAfterLast);
  EXPECT_EQ(locate(log, {TargetName{"here"}, true}).reach, Reach::kAfterGap);
  EXPECT_EQ(locate(log, {TargetXid{110}, true}).reach, Reach::kAfterGap);
  EXPECT_EQ(locate(log, {TargetLsn{log[1].last_record_lsn}, true}).reach, Reach::kAfterGap);
}

TEST(CommitIndex, CountsNothingBehindADropOfTheLevel) {
  WalMaker log;
  log.add(WalMaker::wal_level(1));
  const Lsn last = log.add(WalMaker::commit(10, 100));
  const Lsn drop = log.add(WalMaker::wal_level(0));
  log.add(WalMaker::commit(20, 101));
  log.add(WalMaker::wal_level(1));
  log.add(WalMaker::restore_point(30, "unreachable"));
  log.add(WalMaker::wal_level(0));
  const LogFacts facts = facts_of(log).at(0);
  ASSERT_TRUE(facts.level_drop);
  EXPECT_EQ(facts.level_drop->lsn, drop);
  EXPECT_EQ(facts.level_drop->previous, last);
  EXPECT_EQ(facts.commits, 1u);
  EXPECT_EQ(facts.last_commit->xid, 100u);
  EXPECT_TRUE(facts.restore_points.empty());
  EXPECT_EQ(facts_from_json(facts_to_json(facts)), facts);
}

// Segments of two logs, of which the second has `more` commits in the first of its segments and
// then a record that goes on into the next.
std::vector<LogFacts> with_cut(int more) {
  WalMaker log;
  for (int i = 0; i < more; ++i) log.add(WalMaker::commit(i + 1, 100));
  log.add({10, 0, 1, Bytes(kWalSegment)});
  log.add(WalMaker::commit(50, 109));
  return facts_of(log);
}

TEST(LogSeam, IsRightWhereALogGoesOn) {
  const auto switched = three_segments();
  EXPECT_EQ(seam_problem(switched[0], switched[1]), "");
  EXPECT_EQ(seam_problem(switched[1], switched[2]), "");
  const auto cut = with_cut(1);
  EXPECT_EQ(seam_problem(cut[0], cut[1]), "");
  // Neither the same segment nor one further on is a neighbour.
  EXPECT_EQ(seam_problem(switched[0], switched[2]), "");
}

TEST(LogSeam, OfTwoLogsIsFound) {
  const auto one = with_cut(1);
  const auto two = with_cut(2);
  const auto switched = three_segments();
  EXPECT_NE(seam_problem(one[0], two[1]), "");
  EXPECT_NE(seam_problem(switched[0], one[1]), "");
  EXPECT_NE(seam_problem(one[0], switched[1]), "");
  LogFacts other = one[1];
  other.system_id = 1;
  EXPECT_NE(seam_problem(one[0], other), "");
  // Facts of an earlier version of this program.
  other = two[1];
  other.first_previous = 0;
  EXPECT_EQ(seam_problem(one[0], other), "");
}

// A commit or restore point that any byte of a segment's end cuts is found where it ends.
TEST(CommitIndex, FindsWhatASegmentsEndCuts) {
  for (std::size_t before = 0; before <= 112; before += 8) {
    WalMaker log;
    log.add(WalMaker::commit(1, 99));
    const Lsn end = kStart + kWalSegment;
    // Fill so that the next record begins `before` bytes ahead of the end.
    while (log.position() + 7000 < end - before) log.add({10, 0, 1, Bytes(6000)});
    const Lsn gap = end - before - log.position();
    std::size_t size = gap - kRecordHeader - 5;
    size -= (log.position() / 8192 != (end - before - 1) / 8192) ? kShortPageHeader : 0;
    log.add({10, 0, 1, Bytes(size)});
    ASSERT_EQ(log.position(), end - before);
    log.add(WalMaker::restore_point(5, "cut"));
    log.add(WalMaker::commit(6, 100));
    log.fill_segment();
    const auto facts = facts_of(log);
    ASSERT_EQ(facts.size(), 2u);
    const auto joined = join(facts);
    const LogFacts whole = merge(facts[0], facts[1]);
    ASSERT_EQ(whole.restore_points.size(), 1u) << before;
    EXPECT_EQ(whole.restore_points[0].name, "cut");
    EXPECT_EQ(whole.commits, 2u) << before;
    EXPECT_EQ(joined[0].commits + joined[1].commits, 2u);
    EXPECT_EQ(locate(facts, {TargetName{"cut"}, true}).reach, Reach::kReachable) << before;
    EXPECT_EQ(facts[1].tail.has_value(), before != 0 && before != 104) << before;
    if (!facts[1].tail) continue;
    // Damage in what was cut is found when it is put together.
    auto damaged = facts;
    damaged[1].tail->bytes.back() ^= 1;
    EXPECT_EQ(thrown_by([&] { join(damaged); }), Code::kCorrupt) << before;
  }
}

TEST(CommitIndex, KnowsThePreparedTransaction) {
  Bytes main;
  WireWriter out(main);
  out.fixed(std::uint64_t{77});             // time
  out.fixed(std::uint32_t{0x1f | 1 << 8});  // everything up to the transaction
  out.fixed(std::uint64_t{0});              // database
  for (const std::size_t element : {4u, 12u, 12u, 16u}) {
    out.fixed(std::uint32_t{3});
    main.resize(main.size() + 3 * element);
  }
  out.fixed(std::uint32_t{4711});
  WalMaker log;
  log.add({kRmXact, kXactCommitPrepared | kXactHasInfo, 0, main});
  log.add({kRmXact, kXactAbortPrepared | kXactHasInfo, 0, main});
  const LogFacts facts = facts_of(log).front();
  EXPECT_EQ(facts.commits, 1u);
  EXPECT_EQ(facts.aborts, 1u);
  EXPECT_EQ(facts.last_commit->xid, 4711u);
  EXPECT_EQ(facts.last_commit->time, from_pg_time(77));
  // An array that is longer than the record.
  main[20] = 0xff;
  WalMaker bad;
  bad.add({kRmXact, kXactCommitPrepared | kXactHasInfo, 0, main});
  EXPECT_EQ(thrown_by([&] { facts_of(bad); }), Code::kCorrupt);
}

TEST(CommitIndex, CountsXidsAround) {
  WalMaker log;
  log.add(WalMaker::commit(1, 0xfffffff0));
  log.add(WalMaker::commit(2, 5));
  const LogFacts facts = facts_of(log).front();
  EXPECT_EQ(facts.oldest_xid, 0xfffffff0);
  EXPECT_EQ(facts.newest_xid, 5u);
  EXPECT_EQ(locate({facts}, {TargetXid{3}, true}).reach, Reach::kPossible);
}

TEST(CommitIndex, BoundsRestorePoints) {
  WalMaker log;
  for (int i = 0; i < 300; ++i) log.add(WalMaker::restore_point(i, "p" + std::to_string(i)));
  const auto facts = facts_of(log);
  EXPECT_EQ(facts[0].restore_points.size(), kMaxRestorePoints);
  EXPECT_EQ(facts[0].more_restore_points, 300 - kMaxRestorePoints);
  EXPECT_EQ(locate(facts, {TargetName{"p299"}, true}).reach, Reach::kPossible);
}

TEST(CommitIndex, RefusesToMergeStrangers) {
  const auto log = three_segments();
  EXPECT_EQ(thrown_by([&] { merge(log[0], log[2]); }), Code::kInvalid);
  for (const int what : {0, 1, 2}) {
    LogFacts other = log[1];
    if (what == 0) other.system_id++;
    if (what == 1) other.major++;
    if (what == 2) other.timeline = 0;
    EXPECT_EQ(thrown_by([&] { merge(log[0], other); }), Code::kInvalid) << what;
    EXPECT_EQ(thrown_by([&] { join({log[0], other}); }), Code::kInvalid) << what;
  }
}

TEST(LogFacts, SurviveJsonAndRefuseBrokenOnes) {
  auto log = three_segments();
  log[1].head = CutRecordHead{8, {1, 2, 3}};
  log[1].tail = CutRecordTail{0, {4}};
  log[1].timeline_changes = {{1, from_pg_time(2), 3, 4}};
  log[1].restore_points = {{"a\xff", from_pg_time(3), 9}};
  log[1].last_redo = 17;
  const auto json = facts_to_json(log[1]);
  EXPECT_EQ(facts_from_json(nlohmann::json::parse(json.dump())), log[1]);
  for (const auto& [key, value] : json.items()) {
    for (const nlohmann::json& wrong : {nlohmann::json(nullptr), nlohmann::json("x")}) {
      auto broken = json;
      broken[key] = wrong;
      EXPECT_EQ(thrown_by([&] { facts_from_json(broken); }), Code::kCorrupt) << key;
    }
  }
  EXPECT_EQ(thrown_by([&] { facts_from_json(nlohmann::json::array()); }), Code::kCorrupt);
}

}  // namespace
}  // namespace holdfast
