#include "store/wrappers.h"

#include <gtest/gtest.h>

#include <memory>

#include "store/expect_error.h"
#include "store/manual_clock.h"
#include "store/memory_store.h"

namespace holdfast {
namespace {

class Wrappers : public ::testing::Test {
 protected:
  ManualClock clock_{Timestamp{}};
  MemoryStore inner_{clock_};
};

TEST_F(Wrappers, ReadOnlyRefusesEveryChange) {
  inner_.put("object", as_bytes("x"));
  ReadOnlyStore store(inner_);
  const std::string etag = inner_.stat("object")->etag;
  expect_error(Code::kDenied, [&] { store.put("object", as_bytes("y")); });
  expect_error(Code::kDenied, [&] { store.put_new("new", as_bytes("y")); });
  expect_error(Code::kDenied, [&] { store.replace("object", as_bytes("y"), etag); });
  expect_error(Code::kDenied, [&] { store.stage(); });
  expect_error(Code::kDenied, [&] { store.remove("object"); });
  EXPECT_EQ(list_objects(inner_, "").size(), 1u);
  EXPECT_EQ(inner_.stat("object")->etag, etag);
}

TEST_F(Wrappers, ReadOnlyLetsReadsThrough) {
  inner_.put("object", as_bytes("123"));
  ReadOnlyStore store(inner_);
  Bytes out(2);
  store.read("object", 1, out);
  EXPECT_EQ(as_text(out), "23");
  EXPECT_EQ(as_text(store.get("object")), "123");
  EXPECT_EQ(store.stat("object")->size, 3u);
  EXPECT_EQ(list_objects(store, "").size(), 1u);
  EXPECT_FALSE(store.traits().can_remove);
  EXPECT_EQ(store.traits().url, inner_.traits().url);
}

// Not what was not there.
TEST_F(Wrappers, RemembersOneObject) {
  StoreCounters counters;
  auto counting = std::make_unique<CountingStore>(inner_, counters);
  RememberingStore store(std::move(counting), "known");
  expect_error(Code::kNotFound, [&] { store.get("known"); });
  inner_.put("known", as_bytes("1"));
  inner_.put("other", as_bytes("2"));
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(as_text(store.get("known")), "1");
    EXPECT_EQ(as_text(store.get("other")), "2");
  }
  EXPECT_EQ(counters.reads, 4u);
  Bytes read;
  store.read_through("known", 1, [&](ByteView piece) { append(read, piece); });
  EXPECT_EQ(as_text(read), "1");
}

TEST_F(Wrappers, CountsRequestsAndBytes) {
  StoreCounters counters;
  CountingStore store(inner_, counters);
  store.put("a", as_bytes("1"));
  store.put_new("b", as_bytes("22"));
  store.put_new("b", as_bytes("22"));
  store.replace("a", as_bytes("4444"), store.stat("a")->etag);
  const auto staged = store.stage();
  staged->append(as_bytes("12345678"));
  EXPECT_EQ(counters.writes, 4u);
  staged->commit("c");
  EXPECT_EQ(counters.writes, 5u);
  EXPECT_EQ(counters.bytes_written, 1u + 2u + 2u + 4u + 8u);
  EXPECT_EQ(counters.reads, 1u);  // the stat

  store.get("c");
  Bytes out(3);
  store.read("c", 1, out);
  EXPECT_EQ(counters.reads, 3u);
  EXPECT_EQ(counters.bytes_read, 11u);
  list_objects(store, "");
  EXPECT_EQ(counters.lists, 1u);
  store.remove("c");
  EXPECT_EQ(counters.removes, 1u);
}

TEST_F(Wrappers, FailedRequestsCountWithoutBytes) {
  StoreCounters counters;
  CountingStore store(inner_, counters);
  expect_error(Code::kNotFound, [&] { store.get("absent"); });
  expect_error(Code::kInvalid, [&] { store.put("not a key", as_bytes("x")); });
  EXPECT_EQ(counters.reads, 1u);
  EXPECT_EQ(counters.writes, 1u);
  EXPECT_EQ(counters.bytes_read, 0u);
  EXPECT_EQ(counters.bytes_written, 0u);
}

}  // namespace
}  // namespace holdfast
