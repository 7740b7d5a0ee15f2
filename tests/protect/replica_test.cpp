// How far a copy is, told from listings: by what arrived, whatever the order.
#include "protect/replica.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "base/error.h"
#include "protect/copy.h"
#include "protect/world.h"
#include "vault/lease.h"

namespace holdfast::test {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

constexpr const char* kFirst = "files/2025-11-10/backup-20251110-120000-web.hfb";
constexpr const char* kSecond = "files/2025-11-10/backup-20251110-130000-web.hfb";
constexpr const char* kConfig = "config/2025-11-10/backup-20251110-123000-host.hfb";

class Replica : public ::testing::Test {
 protected:
  Replica() {
    tiny_vault(primary_, clock_, ring_);
    write("data/aa/one", "0123456789");
    write("meta/aa/one", "01234");
    write("index/one", "012");
    first_ = write(kFirst, "01234567");
    write("data/bb/two", "0123456789012");
    config_ = write(kConfig, "0123456");
    write("index/two", "0123");
    second_ = write(kSecond, "012345678");
  }
  // To the primary, a minute after the last one.
  Timestamp write(const std::string& key, const std::string& text) {
    clock_.advance(minutes{1});
    primary_.put(key, as_bytes(text));
    return primary_.stat(key)->modified;
  }
  void arrive(const std::string& key) { replica_.put(key, primary_.get(key)); }
  void arrive_all() {
    for (const auto& [key, bytes] : objects_of(primary_)) replica_.put(key, bytes);
  }
  ReplicaStatus measure() { return measure_replica(primary_, replica_, clock_.now()); }

  StandingClock clock_;
  const KeyRing ring_ = new_key_ring();
  MemoryStore primary_{clock_};
  MemoryStore replica_{clock_};
  Timestamp first_;
  Timestamp config_;
  Timestamp second_;
};

TEST_F(Replica, HasAllOfAWholeCopy) {
  arrive_all();
  clock_.advance(minutes{30});
  const ReplicaStatus status = measure();
  EXPECT_TRUE(status.compared);
  EXPECT_EQ(status.lag, Duration{});
  EXPECT_EQ(status.missing_objects, 0u);
  EXPECT_EQ(status.missing_bytes, 0u);
  EXPECT_EQ(status.late_backups, 0u);
  EXPECT_EQ(status.content.backups, 3u);
  EXPECT_EQ(status.content.objects, 9u);
  EXPECT_EQ(status.content.recovery_points.at("files").key(), kSecond);
  EXPECT_EQ(status.content.recovery_points.at("config").key(), kConfig);
  EXPECT_FALSE(status.content.recovery_points.contains("database"));
}

TEST_F(Replica, HasNothingBeforeAnythingArrived) {
  const ReplicaStatus status = measure();
  EXPECT_EQ(status.missing_objects, 9u);
  EXPECT_EQ(status.late_backups, 3u);
  EXPECT_EQ(status.lag, clock_.now() - first_);
  EXPECT_TRUE(status.content.recovery_points.empty());
}

TEST_F(Replica, ABackupWithoutItsPackHasNotArrived) {
  arrive_all();
  replica_.remove("data/bb/two");
  const ReplicaStatus status = measure();
  EXPECT_EQ(status.missing_objects, 1u);
  EXPECT_EQ(status.missing_bytes, 13u);
  // The second pack was written before two of the backups.
  EXPECT_EQ(status.late_backups, 2u);
  EXPECT_EQ(status.lag, clock_.now() - config_);
  EXPECT_EQ(status.content.recovery_points.at("files").key(), kFirst);
  EXPECT_FALSE(status.content.recovery_points.contains("config"));
  EXPECT_EQ(status.content.backups, 3u);
}

TEST_F(Replica, EachKindOfWhatABackupNeedsCounts) {
  for (const char* key : {"holdfast.json", "data/aa/one", "meta/aa/one", "index/one", kFirst}) {
    SCOPED_TRACE(key);
    arrive_all();
    replica_.remove(key);
    const ReplicaStatus status = measure();
    EXPECT_EQ(status.lag, clock_.now() - first_);
    EXPECT_EQ(status.late_backups, key == std::string(kFirst) ? 1u : 3u);
  }
}

TEST_F(Replica, WhatNoBackupNeedsMakesNoBackupLate) {
  write("run/verify/backup-20251110-120000-web/20251110-140000-content", "{}");
  write("doom/00", "doom");
  arrive_all();
  replica_.remove("run/verify/backup-20251110-120000-web/20251110-140000-content");
  replica_.remove("doom/00");
  const ReplicaStatus status = measure();
  EXPECT_EQ(status.missing_objects, 2u);
  EXPECT_EQ(status.late_backups, 0u);
  EXPECT_EQ(status.lag, Duration{});
}

TEST_F(Replica, WhatIsWrittenAfterABackupIsNotWaitedFor) {
  arrive_all();
  write("data/cc/three", "01234");
  const ReplicaStatus status = measure();
  EXPECT_EQ(status.missing_bytes, 5u);
  EXPECT_EQ(status.late_backups, 0u);
  EXPECT_EQ(status.lag, Duration{});
}

TEST_F(Replica, TheSameMomentCountsAsBefore) {
  arrive_all();
  primary_.put("data/cc/three", as_bytes("01234"));
  primary_.put("files/2025-11-10/backup-20251110-140000-web.hfb", as_bytes("0"));
  arrive("files/2025-11-10/backup-20251110-140000-web.hfb");
  EXPECT_EQ(measure().late_backups, 2u);  // kSecond is of that moment as well
}

TEST_F(Replica, AnotherSizeIsMissing) {
  arrive_all();
  replica_.put("data/bb/two", as_bytes("0123"));
  ReplicaStatus status = measure();
  EXPECT_EQ(status.missing_objects, 1u);
  EXPECT_EQ(status.missing_bytes, 13u);
  EXPECT_EQ(status.late_backups, 2u);
  arrive("data/bb/two");
  replica_.put(kSecond, as_bytes("0123"));
  status = measure();
  EXPECT_EQ(status.late_backups, 1u);
  EXPECT_EQ(status.lag, clock_.now() - second_);
}

TEST_F(Replica, WhatWasPrunedAtThePrimaryDoesNotCount) {
  arrive_all();
  replica_.remove("data/aa/one");
  EXPECT_EQ(measure().late_backups, 3u);
  primary_.remove("data/aa/one");
  EXPECT_EQ(measure().late_backups, 0u);
  // Nor does what the copy still has.
  primary_.remove("data/bb/two");
  primary_.remove(kFirst);
  const ReplicaStatus status = measure();
  EXPECT_EQ(status.missing_objects, 0u);
  EXPECT_EQ(status.extra_backups, 1u);
}

TEST_F(Replica, ConvergesWhateverTheOrder) {
  std::mt19937_64 random(7);
  std::vector<std::string> keys;
  for (const auto& [key, bytes] : objects_of(primary_)) keys.push_back(key);
  std::shuffle(keys.begin(), keys.end(), random);
  std::uint64_t late = 3;
  for (const std::string& key : keys) {
    EXPECT_GT(measure().missing_objects, 0u);
    arrive(key);
    const ReplicaStatus status = measure();
    EXPECT_LE(status.late_backups, late) << key;
    EXPECT_EQ(status.lag > Duration{}, status.late_backups > 0) << key;
    late = status.late_backups;
  }
  EXPECT_EQ(late, 0u);
}

TEST_F(Replica, LeasesAreNotContent) {
  arrive_all();
  const Lease here(primary_, clock_, "backup");
  const Lease there(replica_, clock_, "copy", true);
  const ReplicaStatus status = measure();
  EXPECT_EQ(status.missing_objects, 0u);
  EXPECT_EQ(status.content.objects, 9u);
}

TEST_F(Replica, AloneItTellsWhatIsThere) {
  arrive_all();
  replica_.remove("data/bb/two");
  const ReplicaStatus status = measure_replica_alone(replica_);
  EXPECT_FALSE(status.compared);
  EXPECT_EQ(status.content.backups, 3u);
  EXPECT_EQ(status.content.recovery_points.at("files").key(), kSecond);
  MemoryStore empty(clock_);
  EXPECT_THROW(measure_replica_alone(empty), Error);
}

TEST_F(Replica, AnotherVaultIsNoCopy) {
  MemoryStore other(clock_);
  tiny_vault(other, clock_, new_key_ring());
  try {
    measure_replica(primary_, other, clock_.now());
    FAIL() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::kConflict);
  }
}

// As copy_vault leaves it, with real backups.
TEST_F(Replica, ACopyOfRealBackupsHasArrived) {
  MemoryStore from(clock_);
  MemoryStore to(clock_);
  const TempDir files;
  std::mt19937_64 random(3);
  make_small_tree(files / "src", random);
  const auto vault = tiny_vault(from, clock_, ring_);
  const Kept kept = keep_backup(*vault, job_of(files / "src"), files / "src");
  clock_.advance(seconds{40});
  EXPECT_EQ(measure_replica(from, to, clock_.now()).lag, seconds{40});
  CopyProgress progress;
  copy_vault(from, to, {}, progress, {});
  const ReplicaStatus status = measure_replica(from, to, clock_.now());
  EXPECT_EQ(status.missing_objects, 0u);
  EXPECT_EQ(status.content.recovery_points.at("files").id(), kept.name.id());
}

// Two copies to one place: the second is told who is at work.
TEST_F(Replica, OneCopyAtATimeFillsAPlace) {
  const Lease other(replica_, clock_, "copy", true);
  CopyProgress progress;
  try {
    copy_vault(primary_, replica_, {}, progress, {});
    FAIL() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::kConflict);
    EXPECT_NE(error.message().find("another copy"), std::string::npos) << error.message();
  }
  EXPECT_EQ(list_objects(replica_, "").size(), 1u);
}

}  // namespace
}  // namespace holdfast::test
