// The log in validate, repair, copy, locks and the measure of a region.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <thread>

#include "protect/copy.h"
#include "protect/lock_extension.h"
#include "protect/log_check.h"
#include "protect/log_copy.h"
#include "protect/log_recovery.h"
#include "protect/log_world.h"
#include "protect/repair.h"
#include "protect/replica.h"
#include "source/postgres/commit_index.h"
#include "source_postgres/wal_maker.h"
#include "store/expect_error.h"
#include "support/fault_store.h"
#include "support/locking_store.h"

namespace holdfast::test {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr std::pair<Fault, bool> kUpkeepFaults[] = {
    {Fault::kErrorBefore, false}, {Fault::kErrorAfter, false}, {Fault::kTruncate, false},
    {Fault::kNoSpace, false},     {Fault::kErrorBefore, true}, {Fault::kErrorAfter, true}};

class LogUpkeep : public ::testing::Test {
 protected:
  BackupName backup(std::uint64_t number, std::uint32_t timeline = 1) {
    clock_.advance(std::chrono::hours(1));
    return store_database(*vault_, number, timeline);
  }
  std::unique_ptr<Vault> open(ObjectStore& store, Role role = Role::kRestorer) {
    return Vault::open(store, clock_, ring_.restricted_to(role), "");
  }
  // A backup in segment 3; log of two timelines with a history, and a segment in the making.
  BackupName make_log() {
    store_segments(*vault_, 3, 5);
    const BackupName name = backup(3);
    store_history(*vault_, 2, 1, 5);
    store_segments(*vault_, 5, 7, 2);
    store_piece(*vault_, 8, 0, 1000, 2);
    store_piece(*vault_, 8, 1000, 3000, 2);
    return name;
  }
  LogCheckResult check(ObjectStore& store, unsigned read_percent = 0, Role role = Role::kRestorer) {
    LogCheckJob job;
    job.backups = list_backups(store);
    job.whole_vault = true;
    job.read_percent = read_percent;
    return check_log(*open(store, role), job, {});
  }
  static std::string text_of(const LogCheckResult& result) {
    std::string text;
    for (const LogFinding& finding : result.findings) {
      text += finding.object + ": " + finding.problem + "\n";
    }
    return text;
  }
  CopyResult copy(ObjectStore& from, ObjectStore& to, bool verify = false) {
    CopyJob job;
    job.verify = verify;
    job.threads = 1;
    CopyProgress progress;
    return copy_vault(from, to, job, progress, {});
  }

  StandingClock clock_;
  const KeyRing ring_ = new_key_ring();
  MemoryStore store_{clock_};
  std::unique_ptr<Vault> vault_ = tiny_vault(store_, clock_, ring_);
};

TEST_F(LogUpkeep, ASoundLogHasNoFindings) {
  const BackupName name = make_log();
  EXPECT_EQ(reach_of(*vault_, name), "3-8");
  for (const Role role : {Role::kRestorer, Role::kWriter, Role::kOperator}) {
    for (const unsigned percent : {0u, 100u}) {
      const LogCheckResult result = check(store_, percent, role);
      EXPECT_EQ(text_of(result), "");
      EXPECT_THAT(result.notes, IsEmpty());
      EXPECT_EQ(result.objects, 9u);
      EXPECT_EQ(result.objects_read, percent == 0 || role != Role::kRestorer ? 0u : 9u);
    }
  }
  EXPECT_EQ(findings_of(validate_all(*vault_)), "");
}

// A bit anywhere, in every object: with reading it is always found and named, without when it is in
// what is looked at.
TEST_F(LogUpkeep, EveryFlippedBitIsFound) {
  make_log();
  std::mt19937_64 random(1);
  for (const ObjectInfo& info : list_objects(store_, "log/")) {
    const Bytes good = store_.get(info.key);
    std::vector<std::size_t> places{0, 8, 104, 136, 140, 150, good.size() - 1};
    for (int i = 0; i < 6; ++i) places.push_back(random() % good.size());
    for (const std::size_t place : places) {
      Bytes bad = good;
      bad[place] ^= static_cast<std::uint8_t>(1u << (random() % 8));
      store_.put(info.key, bad);
      EXPECT_THAT(text_of(check(store_, 100)), HasSubstr(info.key + ": "))
          << "byte " << place << " of " << good.size();
    }
    store_.put(info.key, good);
  }
  EXPECT_EQ(text_of(check(store_, 100)), "");
}

TEST_F(LogUpkeep, EveryCutAndEveryExtraByteIsFoundWithoutReading) {
  make_log();
  for (const ObjectInfo& info : list_objects(store_, "log/")) {
    const Bytes good = store_.get(info.key);
    for (const std::size_t size :
         {good.size() - 1, good.size() + 1, std::size_t{100}, good.size() / 2, std::size_t{0}}) {
      Bytes bad = good;
      bad.resize(size);
      store_.put(info.key, bad);
      EXPECT_THAT(text_of(check(store_)), HasSubstr(info.key + ": ")) << size;
      EXPECT_THAT(text_of(check(store_, 0, Role::kOperator)), HasSubstr(info.key + ": ")) << size;
    }
    store_.put(info.key, good);
  }
}

TEST_F(LogUpkeep, EveryMissingFileIsNamed) {
  make_log();
  for (const ObjectInfo& info : list_objects(store_, "log/")) {
    const Bytes good = store_.get(info.key);
    const LogName name = parse_log_key(info.key).value();
    store_.remove(info.key);
    const std::string found = text_of(check(store_));
    if (name == log_segment(5)) {
      EXPECT_EQ(found, "");  // timeline 2 has its own, which recovery reads
    } else if (name.file == "00000002.history") {
      // Without it timeline 2 is a stranger; what was its log is nobody's.
      EXPECT_EQ(found, "");
    } else if (name.piece && name.piece->begin > 0) {
      EXPECT_EQ(found, "");  // the last piece: nothing shows that there was one
    } else if (name == log_segment(3)) {
      // Nothing shows that the log did not begin behind it.
      EXPECT_EQ(found, "");
      EXPECT_THAT(check(store_).warnings, ElementsAre(HasSubstr(name.file + " is missing")));
    } else {
      EXPECT_THAT(found, HasSubstr("the log is interrupted: " + name.file));
    }
    store_.put(info.key, good);
  }
  // Several in a row are one finding.
  for (const std::uint64_t number : {5u, 6u}) store_.remove(log_segment(number, 2).key());
  EXPECT_EQ(text_of(check(store_)),
            fmt::format("{}: the log is interrupted: {} to {} are missing, 2 files\n",
                        log_segment(5, 2).key(), log_segment(5, 2).file, log_segment(6, 2).file));
}

TEST_F(LogUpkeep, AGapThatNoBackupNeedsIsNone) {
  store_segments(*vault_, 1, 2);
  store_segments(*vault_, 5, 8);
  backup(5);
  EXPECT_EQ(text_of(check(store_)), "");
}

TEST_F(LogUpkeep, LogThatBeganAfterABackupIsANoteAndBehindTheNewestAWarning) {
  backup(1);
  store_segments(*vault_, 4, 8);
  backup(5);
  const LogCheckResult result = check(store_);
  EXPECT_EQ(text_of(result), "");
  EXPECT_THAT(result.notes, ElementsAre(HasSubstr("begins with " + log_segment(4).file)));
  EXPECT_THAT(result.warnings, IsEmpty());
  for (const std::uint64_t number : {4u, 5u, 6u}) store_.remove(log_segment(number).key());
  const LogCheckResult late = check(store_);
  EXPECT_EQ(text_of(late), "");
  EXPECT_THAT(late.warnings, ElementsAre(AllOf(HasSubstr(log_segment(5).file + " to " +
                                                         log_segment(6).file + " are missing"),
                                               HasSubstr("holdfast backup database db"))));
  // Where there was log before it was lost, whichever backups are asked about.
  store_segment(*vault_, 0);
  LogCheckJob job;
  job.backups = {list_backups(store_).back()};
  for (const bool whole_vault : {true, false}) {
    job.whole_vault = whole_vault;
    const LogCheckResult lost = check_log(*vault_, job, {});
    EXPECT_THAT(text_of(lost), HasSubstr(log_segment(5).file + " to " + log_segment(6).file));
    EXPECT_THAT(lost.warnings, IsEmpty());
  }
}

// What the sealing cannot tell: the server's own bytes were damaged before they came here.
TEST_F(LogUpkeep, ReadingFindsLogThatNoServerWouldReplay) {
  Bytes content = wal_content(4);
  content[60] ^= 1;
  store_log(*vault_, log_segment(4), content);
  backup(4);
  EXPECT_EQ(text_of(check(store_)), "");
  EXPECT_THAT(text_of(check(store_, 100)), HasSubstr(log_segment(4).key()));
}

TEST_F(LogUpkeep, ValidationOfTheVaultSaysIt) {
  const BackupName name = make_log();
  store_.remove(log_segment(6, 2).key());
  ValidateResult result = validate_all(*vault_);
  EXPECT_FALSE(result.sound());
  EXPECT_THAT(findings_of(result), HasSubstr(log_segment(6, 2).file + " is missing"));
  EXPECT_THAT(result.damaged, IsEmpty());
  // Of one backup alone, what is before it does not matter.
  store_segment(*vault_, 1);
  store_.put(log_segment(2).key(), as_bytes("rubbish"));
  ValidateJob job;
  job.backups = {name};
  job.record = false;
  ValidateProgress progress;
  result = validate(*vault_, job, progress, {});
  EXPECT_EQ(result.findings.size(), 1u) << findings_of(result);
  // Given up on purpose.
  job.log_policy = [](const std::string&) { return LogPolicy{.keep = std::chrono::hours(0)}; };
  EXPECT_EQ(validate(*vault_, job, progress, {}).findings.size(), 1u);
}

TEST_F(LogUpkeep, RepairBringsBackWhatACopyHas) {
  const BackupName name = make_log();
  store_segment(*vault_, 1);  // which nobody needs
  MemoryStore other(clock_);
  copy(store_, other);
  const Objects good = objects_of(store_);
  for (const ObjectInfo& info : list_objects(store_, "log/")) {
    if (parse_log_key(info.key).value() == log_segment(1)) continue;
    for (const bool missing : {true, false}) {
      if (missing) {
        store_.remove(info.key);
      } else {
        Bytes bad = good.at(info.key);
        bad[bad.size() / 2] ^= 1;
        store_.put(info.key, bad);
      }
      const auto vault = open(store_);
      RepairJob job;
      if (!missing) {
        EXPECT_THAT(repair(*vault, job, {}).unrepaired, ElementsAre(HasSubstr(info.key)));
      }
      job.other = &other;
      job.dry_run = true;
      EXPECT_EQ(repair(*vault, job, {}).restored_objects, 1u) << info.key;
      job.dry_run = false;
      const RepairResult result = repair(*vault, job, {});
      EXPECT_THAT(result.unrepaired, IsEmpty());
      EXPECT_EQ(result.restored_objects, 1u) << info.key << missing;
      EXPECT_EQ(objects_of(store_), good);
    }
  }
  store_.remove(log_segment(1).key());
  RepairJob job;
  job.other = &other;
  EXPECT_EQ(repair(*open(store_), job, {}).restored_objects, 0u);
  EXPECT_EQ(reach_of(*open(store_), name), "3-8");
}

TEST_F(LogUpkeep, RepairTakesNoDamageFromACopy) {
  make_log();
  MemoryStore other(clock_);
  copy(store_, other);
  const std::string key = log_segment(6, 2).key();
  Bytes bad = other.get(key);
  bad[bad.size() - 3] ^= 1;
  other.put(key, bad);
  store_.remove(key);
  RepairJob job;
  job.other = &other;
  const RepairResult result = repair(*open(store_), job, {});
  EXPECT_THAT(result.unrepaired, ElementsAre(HasSubstr(key)));
  EXPECT_FALSE(store_.stat(key));
}

TEST_F(LogUpkeep, LocksOfNeededLogAreExtendedAndOthersRunOut) {
  LockingStore locking(store_, clock_, std::chrono::days(7));
  const auto vault = open(locking);
  store_segments(*vault, 3, 7);
  const BackupName name = store_database(*vault, 5);
  store_piece(*vault, 7, 0, 1000);  // replaced by the whole
  clock_.advance(std::chrono::days(6));
  const Retained retained = find_retained(*vault, {name}, {});
  std::vector<std::string> logs;
  for (const RetainedObject& object : retained.objects) {
    if (object.kind == RetainedKind::kLog) logs.push_back(object.key);
  }
  EXPECT_THAT(logs, ElementsAre(log_segment(5).key(), log_segment(6).key(), log_segment(7).key()));
  const LockPlan plan = plan_lock_extension(retained, clock_.now(), std::chrono::days(7), false);
  LockProgress progress;
  extend_locks(*vault, retained, plan, progress, {});
  clock_.advance(std::chrono::days(2));
  EXPECT_FALSE(locking.locked_until(log_segment(3).key()));
  EXPECT_TRUE(locking.locked_until(log_segment(6).key()));
  EXPECT_EQ(retain_now(*vault).removed_objects, 3u);
  EXPECT_THAT(locking.attempts(), IsEmpty());
}

TEST_F(LogUpkeep, ACopyRemovesPiecesOnceTheWholeIsThere) {
  make_log();
  MemoryStore to(clock_);
  copy(store_, to);
  EXPECT_THAT(log_of(to), Contains("2:8[0-1000]"));
  // At the source the segment is full now.
  store_segment(*vault_, 8, 2);
  remove_log_pieces(*vault_, log_segment(8, 2));
  const CopyResult result = copy(store_, to);
  EXPECT_EQ(result.removed_pieces, 2u);
  EXPECT_EQ(log_of(to), log_of(store_));
  EXPECT_EQ(copy(store_, to).removed_pieces, 0u);
}

// Never before the whole is there, and never when the source has neither.
TEST_F(LogUpkeep, PiecesStayWhileTheyAreAllThereIs) {
  make_log();
  MemoryStore to(clock_);
  copy(store_, to);
  const Objects before = objects_of(to);
  store_segment(*vault_, 8, 2);
  remove_log_pieces(*vault_, log_segment(8, 2));
  EXPECT_EQ(remove_replaced_pieces(store_, to, {}), 0u);
  store_.remove(log_segment(8, 2).key());
  EXPECT_EQ(remove_replaced_pieces(store_, to, {}), 0u);
  EXPECT_EQ(copy(store_, to).removed_pieces, 0u);
  EXPECT_EQ(objects_of(to), before);
}

TEST_F(LogUpkeep, ACopyLeavesLockedPieces) {
  make_log();
  MemoryStore inner(clock_);
  LockingStore to(inner, clock_, std::chrono::days(1));
  copy(store_, to);
  store_segment(*vault_, 8, 2);
  remove_log_pieces(*vault_, log_segment(8, 2));
  EXPECT_EQ(copy(store_, to).removed_pieces, 0u);
  EXPECT_THAT(to.attempts(), IsEmpty());
  clock_.advance(std::chrono::days(2));
  EXPECT_EQ(copy(store_, to).removed_pieces, 2u);
}

// stream --also writes to both by itself: other bytes, the same content.
TEST_F(LogUpkeep, ACopyLeavesWhatTheStreamBroughtThereItself) {
  make_log();
  MemoryStore to(clock_);
  copy(store_, to);
  const auto there = open(to);
  for (const std::uint64_t number : {9u, 10u}) {
    store_segment(*vault_, number, 2);
    // Sealed a second time, and with facts of another length.
    store_log(*there, log_segment(number, 2), wal_content(number, 2),
              R"({"segment_size":1048576})");
  }
  const Objects before = objects_of(to);
  ASSERT_NE(before.at(log_segment(9, 2).key()).size(), store_.get(log_segment(9, 2).key()).size());
  CopyResult result = copy(store_, to);
  EXPECT_EQ(result.objects, 0u);
  EXPECT_EQ(result.other_writings, 2u);
  result = copy(store_, to, true);
  EXPECT_EQ(result.healed, 0u);
  EXPECT_EQ(objects_of(to), before);
}

// Its own copies are compared and healed as ever, and what is cut off at the source stays whole.
TEST_F(LogUpkeep, ACopyHealsItsOwnCopiesOfLog) {
  make_log();
  MemoryStore to(clock_);
  copy(store_, to);
  const Objects good = objects_of(to);
  for (const ObjectInfo& info : list_objects(to, "log/")) {
    for (const std::size_t place : {std::size_t{0}, std::size_t{20}, std::size_t{110},
                                    static_cast<std::size_t>(info.size) - 1}) {
      Bytes bad = good.at(info.key);
      bad[place] ^= 4;
      to.put(info.key, bad);
      EXPECT_EQ(copy(store_, to, true).healed, 1u) << info.key << " " << place;
      EXPECT_EQ(to.get(info.key), good.at(info.key));
    }
    Bytes cut = good.at(info.key);
    cut.resize(cut.size() - 5);
    to.put(info.key, cut);
    EXPECT_EQ(copy(store_, to).objects, 1u);
    EXPECT_EQ(to.get(info.key), good.at(info.key));
    store_.put(info.key, cut);
    copy(store_, to);
    EXPECT_EQ(to.get(info.key), good.at(info.key));
    store_.put(info.key, good.at(info.key));
  }
}

// Every call to either store fails once, in each way, or it and all after it, as when the machine
// dies; what was promised at the destination before stays recoverable there, and the next copy
// finishes.
TEST_F(LogUpkeep, CopiesOfLogLoseNothingWhicheverOperationFails) {
  store_segments(*vault_, 3, 4);
  const BackupName name = backup(3);
  store_piece(*vault_, 5, 0, 1000);
  MemoryStore first(clock_);
  copy(store_, first);
  const Objects to_before = objects_of(first);
  store_segments(*vault_, 5, 6);
  remove_log_pieces(*vault_, log_segment(5));
  const BackupName second = backup(5);
  const Objects from_before = objects_of(store_);
  std::uint64_t failures = 0;
  for (const auto& [fault, for_good] : kUpkeepFaults) {
    for (std::uint64_t at = 1;; ++at) {
      MemoryStore from(clock_);
      MemoryStore to(clock_);
      fill(from, from_before);
      fill(to, to_before);
      const auto plan = std::make_shared<FaultPlan>();
      FaultStore faulty_from(from, plan);
      FaultStore faulty_to(to, plan);
      plan->arm(plan->operations() + at, fault, for_good);
      try {
        copy(faulty_from, faulty_to);
      } catch (const Error& error) {
        ++failures;
        EXPECT_NE(error.code(), Code::kInternal) << error.what();
      }
      if (!plan->fired()) break;
      plan->disarm();
      const auto reader = open(to);
      const std::string reach = reach_of(*reader, name);
      EXPECT_TRUE(reach == "3-5" || reach == "3-6") << reach << " at operation " << at;
      for (const BackupName& there : list_backups(to)) {
        if (there.id() != second.id()) continue;
        EXPECT_EQ(reach_of(*reader, second), "5-6");
      }
      clock_.advance(std::chrono::minutes(11));
      copy(from, to);
      EXPECT_EQ(reach_of(*open(to), name), "3-6");
      EXPECT_EQ(reach_of(*open(to), second), "5-6");
      EXPECT_EQ(log_of(to), log_of(from));
      EXPECT_EQ(objects_of(from), from_before);
      if (HasFailure()) return;
    }
  }
  EXPECT_GT(failures, 30u);
}

TEST_F(LogUpkeep, ARegionSaysHowFarItsLogIsBehind) {
  make_log();
  MemoryStore to(clock_);
  copy(store_, to);
  ReplicaStatus status = measure_replica(store_, to, clock_.now());
  EXPECT_EQ(status.late_log_objects, 0u);
  EXPECT_EQ(status.content.log_objects, 9u);
  EXPECT_EQ(status.missing_objects, 0u);
  clock_.advance(std::chrono::minutes(1));
  store_piece(*vault_, 8, 3000, 4000, 2);
  clock_.advance(std::chrono::minutes(1));
  store_segment(*vault_, 9, 2);
  clock_.advance(std::chrono::minutes(1));
  status = measure_replica(store_, to, clock_.now());
  EXPECT_EQ(status.late_log_objects, 2u);
  EXPECT_EQ(status.log_lag, std::chrono::minutes(2));
  EXPECT_EQ(status.late_backups, 0u);
  // The whole of what is in pieces here came there by itself, in a sealing of its own.
  store_log(*open(to), log_segment(8, 2), wal_content(8, 2), "{}");
  store_log(*open(to), log_segment(9, 2), wal_content(9, 2), "{}");
  status = measure_replica(store_, to, clock_.now());
  EXPECT_EQ(status.late_log_objects, 0u);
  EXPECT_EQ(status.missing_objects, 0u);
}

// A stream, backups, retention and a copy at once: afterwards, and at the copy, every backup leads
// to the end.
TEST_F(LogUpkeep, UploadRetentionAndCopyAtOnce) {
  ShiftedClock clock{Duration{}};
  MemoryStore from(clock);
  MemoryStore to(clock);
  const auto vault = tiny_vault(from, clock, ring_);
  constexpr std::uint64_t kLast = 40;
  store_segment(*vault, 1);
  store_database(*vault, 1);
  std::atomic<bool> done{false};
  std::uint64_t removed = 0;
  std::uint64_t copies = 0;
  const auto tolerant = [&](const auto& action) {
    try {
      action();
    } catch (const Error& error) {
      const bool expected = error.code() == Code::kConflict || error.code() == Code::kUnavailable;
      EXPECT_TRUE(expected) << error.what();
    }
  };
  {
    const std::jthread streaming([&] {
      for (std::uint64_t number = 2; number <= kLast; ++number) {
        store_piece(*vault, number, 0, 1000);
        store_piece(*vault, number, 1000, 2000);
        store_segment(*vault, number);
        remove_log_pieces(*vault, log_segment(number));
        if (number % 5 != 0) continue;
        const auto backups = list_backups(from);
        store_database(*vault, number);
        from.remove(backups.front().key());
      }
      done = true;
    });
    const std::jthread retaining([&] {
      const auto own = Vault::open(from, clock, ring_, "");
      const auto there = [&] { return Vault::open(to, clock, ring_, ""); };
      while (!done) {
        tolerant([&] { removed += retain_now(*own).removed_objects; });
        if (vault_id_of(to)) tolerant([&] { retain_now(*there()); });
      }
    });
    const std::jthread copying([&] {
      while (!done) {
        tolerant([&] {
          copy(from, to);
          ++copies;
        });
      }
    });
  }
  copy(from, to);
  EXPECT_GT(removed, 0u);
  EXPECT_GT(copies, 0u);
  for (ObjectStore* store : {static_cast<ObjectStore*>(&from), static_cast<ObjectStore*>(&to)}) {
    const auto reader = Vault::open(*store, clock, ring_, "");
    for (const BackupName& name : list_backups(*store)) {
      const auto facts = read_backup(*reader, name).summary.database.value();
      const std::uint64_t first = (parse_lsn(facts.stop) - 1) / kSegment;
      EXPECT_EQ(reach_of(*reader, name), fmt::format("{}-{}", first, kLast))
          << store->traits().url << " " << name.id();
    }
  }
  EXPECT_EQ(findings_of(validate_all(*Vault::open(from, clock, ring_, ""))), "");
}

// Segment `number` of a log that begins with 3, with so many commits in each.
Bytes segment_of_log(std::uint64_t number, int commits) {
  WalMaker::Shape shape;
  shape.start = 3 * kSegment;
  WalMaker maker(shape);
  while (maker.position() < (number + 1) * kSegment) {
    for (int i = 0; i < commits; ++i) maker.add(WalMaker::commit(i + 1));
    maker.add_switch();
  }
  const ByteView bytes = ByteView(maker.bytes()).subspan((number - 3) * kSegment, kSegment);
  return {bytes.begin(), bytes.end()};
}

void store_bytes(const Vault& vault, std::uint64_t number, const Bytes& bytes, bool with_facts) {
  SegmentFacts facts(number * kSegment, 1, kSegment);
  facts.feed(bytes);
  store_log(vault, log_segment(number), bytes, with_facts ? facts.json().dump() : "{}", 1);
}

TEST_F(LogUpkeep, SegmentsThatDoNotBelongTogetherAreFound) {
  for (const bool with_facts : {true, false}) {
    MemoryStore store(clock_);
    const auto vault = tiny_vault(store, clock_, ring_);
    store_bytes(*vault, 3, segment_of_log(3, 2), with_facts);
    store_bytes(*vault, 4, segment_of_log(4, 2), with_facts);
    EXPECT_EQ(text_of(check(store, 100)), "");
    store.remove(log_segment(4).key());
    store_bytes(*vault, 4, segment_of_log(4, 3), with_facts);
    const std::string found = text_of(check(store, 100));
    EXPECT_NE(found.find("does not follow " + log_segment(3).file), std::string::npos) << found;
    EXPECT_EQ(found.find(log_segment(4).key()), 0u) << found;
    // What the headers know is enough.
    EXPECT_EQ(text_of(check(store)), with_facts ? found : "");
  }
}

}  // namespace
}  // namespace holdfast::test
