#include "vault/lease.h"

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "store/expect_error.h"
#include "store/memory_store.h"
#include "store/wrappers.h"
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

// Else the next prune would wait for it.
TEST_F(LeaseTest, WhatCannotBeLookedAtIsTakenBack) {
  for (const bool exclusive : {false, true}) {
    auto plan = std::make_shared<FaultPlan>();
    FaultStore faulty(store, plan);
    plan->arm(2, Fault::kErrorBefore);
    expect_error(Code::kUnavailable, [&] { Lease lease(faulty, clock, "restore", exclusive); });
    EXPECT_TRUE(plan->fired());
    EXPECT_EQ(leases(), 0u);
  }
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

// A store that looks and then writes where a condition is asked for. In front of a request of
// choice somebody else acts.
class Weak final : public ForwardingStore {
 public:
  using ForwardingStore::ForwardingStore;

  StoreTraits traits() const override {
    StoreTraits traits = ForwardingStore::traits();
    traits.conditional_create = traits.conditional_replace = false;
    return traits;
  }
  void put(std::string_view key, ByteView data) override {
    step();
    ForwardingStore::put(key, data);
  }
  bool put_new(std::string_view key, ByteView data) override {
    if (stat(key)) return false;
    put(key, data);
    return true;
  }
  bool replace(std::string_view key, ByteView data, std::string_view etag) override {
    const auto info = stat(key);
    if (!info || info->etag != etag) return false;
    put(key, data);
    return true;
  }
  std::optional<ObjectInfo> stat(std::string_view key) override {
    step();
    return ForwardingStore::stat(key);
  }
  void list(std::string_view prefix, const std::function<void(const ObjectInfo&)>& visit) override {
    step();
    ForwardingStore::list(prefix, visit);
  }
  void remove(std::string_view key) override {
    step();
    ForwardingStore::remove(key);
  }

  // False when the last one was not reached.
  bool act_before(unsigned request, std::function<void()> act) {
    const bool reached = !act_;
    left_ = request;
    act_ = std::move(act);
    return reached;
  }

 private:
  void step() {
    if (left_ == 0 || --left_ > 0) return;
    std::exchange(act_, nullptr)();
  }
  unsigned left_ = 0;
  std::function<void()> act_;
};

struct WeakLeaseTest : LeaseTest {
  // Whether it got the lease.
  bool take(std::optional<Lease>& lease) {
    try {
      lease.emplace(weak, clock, "prune", true);
      return true;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Code::kConflict);
      EXPECT_NE(error.message().find("another prune"), std::string::npos) << error.message();
      return false;
    }
  }
  Weak weak{store};
};

// Which of the two has the smaller name is chance, hence the repetition.
TEST_F(WeakLeaseTest, OfTwoThatBeginAtOnceOneGetsItWhereverTheyMeet) {
  for (int round = 0; round < 20; ++round) {
    unsigned request = 1;
    for (;; ++request) {
      std::optional<Lease> first, second;
      bool other = false;
      weak.act_before(request, [&] { other = take(second); });
      const bool one = take(first);
      if (!weak.act_before(0, nullptr)) break;
      EXPECT_NE(one, other) << "request " << request;
    }
    EXPECT_GT(request, 2u);
    EXPECT_EQ(leases(), 0u);
  }
}

TEST_F(WeakLeaseTest, TheHolderIsNamedAndTheDeadAreTakenAway) {
  std::optional<Lease> next;
  store.put("lease/prune-" + std::string(32, 'd') + ".json",
            as_bytes("{\"kind\":\"prune\",\"host\":\"dead\"}"));
  EXPECT_FALSE(take(next));
  EXPECT_EQ(leases(), 1u);
  store_clock.jump(kLeaseLife);
  EXPECT_TRUE(take(next));
  EXPECT_EQ(leases(), 1u);
  // By a program that has conditional writes, or had them.
  next.reset();
  store.put("lease/prune.json", as_bytes("{}"));
  EXPECT_FALSE(take(next));
}

TEST_F(WeakLeaseTest, WhoSleptTooLongKnowsIt) {
  std::optional<Lease> sleeper, next;
  ASSERT_TRUE(take(sleeper));
  store_clock.jump(kLeaseLife);
  ASSERT_TRUE(take(next));
  EXPECT_FALSE(sleeper->confirm());
  sleeper.reset();
  EXPECT_TRUE(next->confirm());
}

TEST_F(WeakLeaseTest, OtherKindsAreNoRivals) {
  const Lease copy(weak, clock, "prune-all", true);
  const Lease backup(weak, clock, "prune");
  std::optional<Lease> lease;
  EXPECT_TRUE(take(lease));
}

TEST_F(LeaseTest, StoreClockLeavesNothingBehind) {
  store_clock.jump(minutes(5));
  EXPECT_EQ(store_now(store), store_clock.now());
  EXPECT_EQ(leases(), 0u);
}

}  // namespace
}  // namespace holdfast
