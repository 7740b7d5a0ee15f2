#include "store/memory_store.h"

#include <gtest/gtest.h>

#include "store/expect_error.h"
#include "store/manual_clock.h"

namespace holdfast {
namespace {

TEST(MemoryStore, TimesComeFromTheClock) {
  const Timestamp start = parse_rfc3339("2025-11-10T12:00:00Z");
  ManualClock clock(start);
  MemoryStore store(clock);
  store.put("object", as_bytes("x"));
  const auto staged = store.stage();
  clock.sleep_for(std::chrono::hours{1}, {});
  EXPECT_EQ(store.stat("object")->modified, start);
  staged->commit("staged");
  EXPECT_EQ(store.stat("staged")->modified, start + std::chrono::hours{1});
  store.replace("object", as_bytes("y"), store.stat("object")->etag);
  EXPECT_EQ(store.stat("object")->modified, start + std::chrono::hours{1});
}

TEST(MemoryStore, StagedObjectCommitsOnce) {
  ManualClock clock{Timestamp{}};
  MemoryStore store(clock);
  const auto staged = store.stage();
  EXPECT_TRUE(staged->commit("a"));
  expect_error(Code::kInternal, [&] { staged->commit("b"); });
  expect_error(Code::kInternal, [&] { staged->append(as_bytes("x")); });
}

}  // namespace
}  // namespace holdfast
