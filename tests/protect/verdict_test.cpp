// Evidence: what a proof found is not lost to what the next one finds.
#include "protect/verdict.h"

#include <gtest/gtest.h>

#include <string>

#include "store/manual_clock.h"
#include "store/memory_store.h"

namespace holdfast {
namespace {

const Timestamp kNow = parse_rfc3339("2025-11-10T12:00:00Z");

TEST(Verdict, TwoOfOneSecondAreBothKept) {
  ManualClock clock(kNow);
  MemoryStore store(clock);
  note_verdict(store, "a", kNow, "failed", {{"steps", 1}});
  note_verdict(store, "a", kNow, "failed", {{"steps", 2}});
  const auto kept = list_objects(store, "run/verify/a/");
  ASSERT_EQ(kept.size(), 2u);
  EXPECT_EQ(kept[0].key, "run/verify/a/20251110-120000-failed");
  EXPECT_EQ(kept[1].key, "run/verify/a/20251110-120001-failed");
  const auto second = nlohmann::json::parse(as_text(store.get(kept[1].key)));
  EXPECT_EQ(second.at("steps"), 2);
  EXPECT_EQ(second.at("time"), "20251110-120001");
}

TEST(Verdict, OnlyGoodOnesVerify) {
  ManualClock clock(kNow);
  MemoryStore store(clock);
  note_verdict(store, "a", kNow, "restored");
  note_verdict(store, "a", kNow + std::chrono::hours{1}, "content");
  note_verdict(store, "a", kNow + std::chrono::hours{2}, "failed");
  note_verdict(store, "b", kNow, "structure");
  const auto verified = verified_times(store);
  ASSERT_EQ(verified.size(), 1u);
  EXPECT_EQ(verified[0].first, "a");
  EXPECT_EQ(verified[0].second, kNow + std::chrono::hours{1});
}

}  // namespace
}  // namespace holdfast
