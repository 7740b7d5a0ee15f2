#include "vault/lease.h"

#include <gtest/gtest.h>

#include <memory>
#include <optional>

#include "store/expect_error.h"
#include "store/memory_store.h"
#include "support/fault_store.h"
#include "vault/held_clock.h"

namespace holdfast {
namespace {

using std::chrono::minutes;

// The store has a clock of its own, as stores have.
struct LeaseTest : testing::Test {
  std::size_t leases() { return list_objects(store, "lease/").size(); }
  // Time goes by for everybody.
  void pass(Duration duration) {
    store_clock.jump(duration);
    clock.advance(duration);
  }
  HeldClock clock;
  HeldClock store_clock;
  MemoryStore store{store_clock};
};

TEST_F(LeaseTest, LivesAndEnds) {
  {
    const Lease lease(store, clock, "backup");
    EXPECT_EQ(leases(), 1u);
    EXPECT_TRUE(store.stat(lease.key()));
    EXPECT_EQ(lease.started(), store_clock.now());
    EXPECT_TRUE(lease.unbroken());
    const auto live = live_leases(store, store_now(store));
    ASSERT_EQ(live.size(), 1u);
    EXPECT_EQ(live[0].key, lease.key());
    EXPECT_NE(live[0].holder.find("backup on host " + host_name()), std::string::npos);
  }
  EXPECT_EQ(leases(), 0u);
}

TEST_F(LeaseTest, SharedLeasesLiveSideBySide) {
  const Lease a(store, clock, "backup");
  const Lease b(store, clock, "backup");
  const Lease c(store, clock, "restore");
  EXPECT_EQ(live_leases(store, store_now(store)).size(), 3u);
}

TEST_F(LeaseTest, RefreshesKeepItAliveAndRememberItsBeginning) {
  const Lease lease(store, clock, "backup");
  const Timestamp began = store_clock.now();
  for (int i = 0; i < 20; ++i) {
    pass(kLeaseRefresh);
    ASSERT_TRUE(lease.unbroken());
    const auto live = live_leases(store, store_now(store));
    ASSERT_EQ(live.size(), 1u);
    EXPECT_EQ(live[0].created, began);
    EXPECT_EQ(live[0].modified, store_clock.now());
  }
}

TEST_F(LeaseTest, ExclusiveLeaseExcludesAndNamesItsHolder) {
  const Lease first(store, clock, "prune", true);
  EXPECT_EQ(first.key(), "lease/prune.json");
  for (int i = 0; i < 10; ++i) {
    const auto error = error_of([&] { Lease second(store, clock, "prune", true); });
    ASSERT_TRUE(error);
    EXPECT_EQ(error->code(), Code::kConflict);
    EXPECT_NE(error->message().find(host_name()), std::string::npos);
    EXPECT_FALSE(error->hint().empty());
    pass(kLeaseRefresh);
  }
  EXPECT_TRUE(first.unbroken());
  EXPECT_EQ(leases(), 1u);
}

TEST_F(LeaseTest, ExclusiveLeaseIsFreeAgainAtTheEnd) {
  { const Lease first(store, clock, "prune", true); }
  const Lease second(store, clock, "prune", true);
  EXPECT_EQ(leases(), 1u);
}

// A holder whose process died left its object behind.
TEST_F(LeaseTest, TheDeadAreTakenOverNotBeforeTheirTime) {
  store.put("lease/prune.json", as_bytes("{\"kind\":\"prune\",\"host\":\"dead\",\"pid\":7}"));
  store_clock.jump(kLeaseLife - Duration(1));
  const auto error = error_of([&] { Lease early(store, clock, "prune", true); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code(), Code::kConflict);
  EXPECT_NE(error->message().find("dead"), std::string::npos);
  EXPECT_NE(error->message().find("last sign of life came 10m00s ago"), std::string::npos)
      << error->message();
  EXPECT_NE(error->hint().find("ends by itself at "), std::string::npos) << error->hint();
  store_clock.jump(Duration(1));
  EXPECT_TRUE(live_leases(store, store_now(store)).empty());
  const Lease heir(store, clock, "prune", true);
  EXPECT_TRUE(heir.unbroken());
  EXPECT_EQ(live_leases(store, store_now(store)).size(), 1u);
}

TEST_F(LeaseTest, GarbageInALeaseCountsAsAliveAndOld) {
  store.put("lease/prune.json", as_bytes("garbage"));
  store.put("lease/clock-1", as_bytes("{}"));
  expect_error(Code::kConflict, [&] { Lease lease(store, clock, "prune", true); });
  const auto live = live_leases(store, store_now(store));
  ASSERT_EQ(live.size(), 1u);
  EXPECT_EQ(live[0].created, Timestamp{}) << "as old as can be: a prune must wait for it";
}

TEST_F(LeaseTest, FailedRefreshesBreakItInTime) {
  auto plan = std::make_shared<FaultPlan>();
  FaultStore faulty(store, plan);
  const Lease lease(faulty, clock, "backup");
  plan->arm(1, Fault::kErrorBefore, true);
  for (int i = 1; i < 5; ++i) {
    pass(kLeaseRefresh);
    EXPECT_TRUE(lease.unbroken()) << i;
  }
  pass(kLeaseRefresh);
  EXPECT_FALSE(lease.unbroken());
  plan->disarm();
  pass(kLeaseRefresh);
  EXPECT_FALSE(lease.unbroken()) << "what was lost stays lost";
}

TEST_F(LeaseTest, AnInterruptionShorterThanItsLifeDoesNoHarm) {
  auto plan = std::make_shared<FaultPlan>();
  FaultStore faulty(store, plan);
  const Lease lease(faulty, clock, "backup");
  for (int round = 0; round < 3; ++round) {
    plan->arm(1, Fault::kErrorBefore, true);
    for (int i = 0; i < 3; ++i) pass(kLeaseRefresh);
    plan->disarm();
    pass(kLeaseRefresh);
    EXPECT_TRUE(lease.unbroken());
  }
}

TEST_F(LeaseTest, SleepingTooLongBreaksIt) {
  const Lease lease(store, clock, "backup");
  clock.jump(kLeaseLife);
  EXPECT_FALSE(lease.unbroken());
}

// An exclusive holder that slept through its life wakes up after somebody took over.
TEST_F(LeaseTest, AnOvertakenHolderLeavesItsHeirAlone) {
  std::optional<Lease> sleeper(std::in_place, store, clock, "prune", true);
  HeldClock heir_clock;
  store_clock.jump(kLeaseLife);
  const Lease heir(store, heir_clock, "prune", true);
  const Bytes of_heir = store.get(heir.key());
  clock.advance(kLeaseLife);
  EXPECT_FALSE(sleeper->unbroken());
  EXPECT_EQ(store.get(heir.key()), of_heir);
  sleeper.reset();
  EXPECT_TRUE(store.stat(heir.key()));
}

TEST_F(LeaseTest, StoreClockLeavesNothingBehind) {
  store_clock.jump(minutes(5));
  EXPECT_EQ(store_now(store), store_clock.now());
  EXPECT_EQ(leases(), 0u);
}

}  // namespace
}  // namespace holdfast
