#include "support/fault_store.h"

#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "store/expect_error.h"
#include "store/manual_clock.h"
#include "store/memory_store.h"

namespace holdfast {
namespace {

class FaultStoreTest : public ::testing::Test {
 protected:
  FaultStoreTest() { inner_.put("old", as_bytes("0123")); }

  ManualClock clock_{Timestamp{}};
  MemoryStore inner_{clock_};
  std::shared_ptr<FaultPlan> plan_ = std::make_shared<FaultPlan>();
  FaultStore store_{inner_, plan_};
};

TEST_F(FaultStoreTest, ErrorBeforeHasNoEffect) {
  plan_->arm(1, Fault::kErrorBefore);
  expect_error(Code::kUnavailable, [&] { store_.put("new", as_bytes("x")); });
  EXPECT_TRUE(plan_->fired());
  EXPECT_FALSE(inner_.stat("new").has_value());
  store_.put("new", as_bytes("x"));  // only once
  EXPECT_TRUE(inner_.stat("new").has_value());
}

TEST_F(FaultStoreTest, ErrorAfterHasTheEffect) {
  plan_->arm(1, Fault::kErrorAfter);
  expect_error(Code::kUnavailable, [&] { store_.put_new("new", as_bytes("x")); });
  EXPECT_TRUE(inner_.stat("new").has_value());
  plan_->arm(2, Fault::kErrorAfter);
  expect_error(Code::kUnavailable, [&] { store_.remove("new"); });
  EXPECT_FALSE(inner_.stat("new").has_value());
}

TEST_F(FaultStoreTest, TruncatedWritesLeaveNothing) {
  for (int operation = 0; operation < 4; ++operation) {
    plan_->arm(plan_->operations() + 1, Fault::kTruncate);
    expect_error(Code::kUnavailable, [&] {
      if (operation == 0) store_.put("new", as_bytes("1234"));
      if (operation == 1) store_.put_new("new", as_bytes("1234"));
      if (operation == 2) store_.replace("old", as_bytes("1234"), inner_.stat("old")->etag);
      if (operation == 3) store_.stage()->append(as_bytes("1234"));
    });
    EXPECT_TRUE(plan_->fired());
  }
  const auto staged = store_.stage();
  staged->append(as_bytes("1234"));
  plan_->arm(plan_->operations() + 1, Fault::kTruncate);
  expect_error(Code::kUnavailable, [&] { staged->commit("new"); });
  EXPECT_FALSE(inner_.stat("new").has_value());
  EXPECT_EQ(as_text(inner_.get("old")), "0123");
}

TEST_F(FaultStoreTest, TruncatedReadsAreCorrupt) {
  plan_->arm(1, Fault::kTruncate, true);
  Bytes out(4);
  expect_error(Code::kCorrupt, [&] { store_.get("old"); });
  expect_error(Code::kCorrupt, [&] { store_.read("old", 0, out); });
  EXPECT_EQ(as_text(ByteView(out).first(2)), "01");
}

TEST_F(FaultStoreTest, TruncatedListsStopHalfWay) {
  inner_.put("old2", as_bytes("x"));
  plan_->arm(1, Fault::kTruncate);
  std::size_t seen = 0;
  expect_error(Code::kUnavailable, [&] { store_.list("", [&](const ObjectInfo&) { ++seen; }); });
  EXPECT_EQ(seen, 1u);
}

TEST_F(FaultStoreTest, NoSpaceWaitsForAWrite) {
  plan_->arm(1, Fault::kNoSpace);
  store_.get("old");
  store_.remove("absent");
  EXPECT_FALSE(plan_->fired());
  expect_error(Code::kExhausted, [&] { store_.stage()->append(as_bytes("x")); });
  EXPECT_TRUE(plan_->fired());
}

TEST_F(FaultStoreTest, DuplicatesGiveTheSecondAnswer) {
  plan_->arm(1, Fault::kDuplicate, true);
  EXPECT_FALSE(store_.put_new("new", as_bytes("x")));
  EXPECT_TRUE(inner_.stat("new").has_value());
  EXPECT_FALSE(store_.replace("old", as_bytes("y"), inner_.stat("old")->etag));
  EXPECT_EQ(as_text(inner_.get("old")), "y");
  const auto staged = store_.stage();
  staged->append(as_bytes("once"));
  EXPECT_FALSE(staged->commit("staged"));
  EXPECT_EQ(as_text(inner_.get("staged")), "once");
  std::size_t seen = 0;
  store_.list("", [&](const ObjectInfo&) { ++seen; });
  EXPECT_EQ(seen, 3u);
}

TEST_F(FaultStoreTest, EverAfterLastsUntilDisarmed) {
  plan_->arm(2, Fault::kErrorBefore, true);
  store_.get("old");
  expect_error(Code::kUnavailable, [&] { store_.get("old"); });
  expect_error(Code::kUnavailable, [&] { store_.stat("old"); });
  plan_->disarm();
  store_.get("old");
  EXPECT_TRUE(plan_->fired());
  plan_->arm(1000, Fault::kErrorBefore);
  EXPECT_FALSE(plan_->fired());
}

TEST_F(FaultStoreTest, TellsOfEveryOperationInOrder) {
  std::vector<std::string> seen;
  plan_->on_operation([&](std::uint64_t number, Operation operation, std::string_view key) {
    EXPECT_EQ(number, seen.size() + 1);
    seen.push_back(std::to_string(static_cast<int>(operation)) + std::string(key));
  });
  FaultStore other(inner_, plan_);
  store_.put("a", {});
  other.put_new("b", {});
  store_.replace("c", {}, "etag");
  const auto staged = other.stage();
  staged->append({});
  staged->commit("d");
  store_.get("a");
  store_.read("a", 0, {});
  store_.stat("a");
  list_objects(store_, "p");
  store_.remove("a");
  EXPECT_EQ(seen,
            (std::vector<std::string>{"0a", "1b", "2c", "3", "4d", "5a", "6a", "7a", "8p", "9a"}));
  EXPECT_EQ(plan_->operations(), 10u);
}

TEST_F(FaultStoreTest, CallbackMayEndTheOperation) {
  plan_->on_operation(
      [](std::uint64_t, Operation, std::string_view) { throw Error(Code::kCancelled, "stopped"); });
  expect_error(Code::kCancelled, [&] { store_.put("new", {}); });
  EXPECT_FALSE(inner_.stat("new").has_value());
}

TEST_F(FaultStoreTest, FiresOnceAmongManyThreads) {
  constexpr int kThreads = 4;
  constexpr int kReads = 200;
  plan_->arm(kThreads * kReads / 2, Fault::kErrorBefore);
  std::atomic<int> failures{0};
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < kThreads; ++i) {
      threads.emplace_back([&] {
        for (int n = 0; n < kReads; ++n) {
          if (error_of([&] { store_.get("old"); })) ++failures;
        }
      });
    }
  }
  EXPECT_EQ(failures, 1);
  EXPECT_EQ(plan_->operations(), static_cast<std::uint64_t>(kThreads * kReads));
}

}  // namespace
}  // namespace holdfast
