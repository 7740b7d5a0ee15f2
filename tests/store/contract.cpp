#include "store/contract.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <atomic>
#include <barrier>
#include <numeric>
#include <thread>

#include "store/expect_error.h"

namespace holdfast {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

Bytes pattern(std::size_t size) {
  Bytes data(size);
  std::uint32_t state = 1;
  for (std::uint8_t& byte : data) {
    state = state * 1664525 + 1013904223;
    byte = static_cast<std::uint8_t>(state >> 24);
  }
  return data;
}

TEST_P(StoreContract, PutCreatesAndReplaces) {
  store().put("a/b", as_bytes("one"));
  EXPECT_EQ(text("a/b"), "one");
  store().put("a/b", as_bytes("three"));
  EXPECT_EQ(text("a/b"), "three");
  EXPECT_THAT(keys(""), ElementsAre("a/b"));
}

TEST_P(StoreContract, PutNewKeepsTheFirst) {
  EXPECT_TRUE(store().put_new("a/b", as_bytes("one")));
  EXPECT_FALSE(store().put_new("a/b", as_bytes("two")));
  EXPECT_EQ(text("a/b"), "one");
}

TEST_P(StoreContract, EmptyObjects) {
  EXPECT_TRUE(store().put_new("empty", {}));
  EXPECT_EQ(text("empty"), "");
  EXPECT_EQ(range("empty", 0, 0), "");
  EXPECT_EQ(store().stat("empty").value().size, 0u);
  EXPECT_TRUE(store().stage()->commit("staged-empty"));
  EXPECT_THAT(keys(""), ElementsAre("empty", "staged-empty"));
}

TEST_P(StoreContract, ReplaceOnlyWithTheCurrentEtag) {
  store().put("lease", as_bytes("one"));
  const std::string first = store().stat("lease").value().etag;
  EXPECT_TRUE(store().replace("lease", as_bytes("two"), first));
  EXPECT_FALSE(store().replace("lease", as_bytes("six"), first));
  EXPECT_EQ(text("lease"), "two");
  const std::string second = store().stat("lease").value().etag;
  EXPECT_NE(first, second);
  EXPECT_TRUE(store().replace("lease", as_bytes("ten"), second));
  EXPECT_EQ(text("lease"), "ten");
}

TEST_P(StoreContract, ReplaceOfAnAbsentObjectDoesNothing) {
  EXPECT_FALSE(store().replace("lease", as_bytes("x"), "etag"));
  EXPECT_FALSE(store().stat("lease").has_value());
}

TEST_P(StoreContract, OtherContentHasAnotherEtag) {
  std::vector<std::string> etags;
  for (int i = 0; i < 60; ++i) {
    if (i % 3 == 0) store().remove("lease");
    store().put("lease", as_bytes("beat " + std::to_string(100 + i)));
    etags.push_back(store().stat("lease").value().etag);
  }
  std::sort(etags.begin(), etags.end());
  EXPECT_EQ(std::adjacent_find(etags.begin(), etags.end()), etags.end());
}

TEST_P(StoreContract, StagedObjectAppearsAtTheCommit) {
  const auto staged = store().stage();
  staged->append(as_bytes("hello "));
  staged->append(as_bytes("world"));
  EXPECT_THAT(keys(""), IsEmpty());
  EXPECT_TRUE(staged->commit("data/ab/pack"));
  EXPECT_EQ(text("data/ab/pack"), "hello world");
  EXPECT_THAT(keys(""), ElementsAre("data/ab/pack"));
}

TEST_P(StoreContract, SecondCommitOfAKeyKeepsTheFirst) {
  const auto first = store().stage();
  const auto second = store().stage();
  first->append(as_bytes("first"));
  second->append(as_bytes("second"));
  EXPECT_TRUE(second->commit("key"));
  EXPECT_FALSE(first->commit("key"));
  EXPECT_EQ(text("key"), "second");
}

TEST_P(StoreContract, AbandonedStageLeavesNothing) {
  store().stage()->append(as_bytes("lost"));
  EXPECT_THAT(keys(""), IsEmpty());
}

TEST_P(StoreContract, StagesAreIndependent) {
  std::vector<std::unique_ptr<StagedObject>> stages;
  for (int i = 0; i < 10; ++i) stages.push_back(store().stage());
  for (int i = 0; i < 10; ++i) stages[static_cast<std::size_t>(i)]->append(as_bytes("n"));
  for (int i = 0; i < 10; ++i) {
    EXPECT_TRUE(stages[static_cast<std::size_t>(i)]->commit("k" + std::to_string(i)));
  }
  EXPECT_EQ(keys("k").size(), 10u);
}

TEST_P(StoreContract, ReadsRanges) {
  store().put("object", as_bytes("0123456789"));
  EXPECT_EQ(range("object", 0, 10), "0123456789");
  EXPECT_EQ(range("object", 3, 4), "3456");
  EXPECT_EQ(range("object", 9, 1), "9");
  EXPECT_EQ(range("object", 10, 0), "");
}

TEST_P(StoreContract, ReadPastTheEndIsCorrupt) {
  store().put("object", as_bytes("0123456789"));
  expect_error(Code::kCorrupt, [&] { range("object", 0, 11); });
  expect_error(Code::kCorrupt, [&] { range("object", 9, 2); });
  expect_error(Code::kCorrupt, [&] { range("object", 1000, 1); });
}

TEST_P(StoreContract, MissingObjectsAreNotFoundByName) {
  store().put("a/b", as_bytes("x"));
  for (const char* key : {"missing", "a", "a/c", "a/d/e"}) {
    const auto from_get = error_of([&] { store().get(key); });
    ASSERT_TRUE(from_get.has_value()) << key;
    EXPECT_EQ(from_get->code(), Code::kNotFound);
    EXPECT_THAT(from_get->message(), ::testing::HasSubstr(key));
    expect_error(Code::kNotFound, [&] { range(key, 0, 1); });
    EXPECT_FALSE(store().stat(key).has_value());
  }
}

TEST_P(StoreContract, StatTellsSizeAndTime) {
  const auto before = store().stat("object");
  EXPECT_FALSE(before.has_value());
  store().put("object", as_bytes("12345"));
  const ObjectInfo info = store().stat("object").value();
  EXPECT_EQ(info.key, "object");
  EXPECT_EQ(info.size, 5u);
  EXPECT_GT(info.modified, parse_rfc3339("2025-01-01T00:00:00Z"));
  EXPECT_FALSE(info.etag.empty());
  EXPECT_EQ(store().stat("object").value().etag, info.etag);
}

TEST_P(StoreContract, ListsInByteOrderOfTheKeys) {
  // '-', '.' and '+' sort below '/', digits and letters above.
  const std::vector<std::string> wanted = {"A",    "a+b/x", "a-b",    "a-b2/c", "a.b/c",
                                           "a/b",  "a/b-c", "a/c/d",  "a/c0",   "a0",
                                           "a@/z", "aa/b",  "b/1/2/3"};
  std::vector<std::string> shuffled = wanted;
  std::reverse(shuffled.begin(), shuffled.end());
  std::swap(shuffled[2], shuffled[7]);
  for (const std::string& key : shuffled) store().put(key, as_bytes(key));
  ASSERT_TRUE(std::is_sorted(wanted.begin(), wanted.end()));
  EXPECT_EQ(keys(""), wanted);
}

TEST_P(StoreContract, ListsWhatStatSays) {
  store().put("a/b", as_bytes("12345"));
  const auto objects = list_objects(store(), "");
  ASSERT_EQ(objects.size(), 1u);
  const ObjectInfo info = store().stat("a/b").value();
  EXPECT_EQ(objects[0].key, info.key);
  EXPECT_EQ(objects[0].size, info.size);
  EXPECT_EQ(objects[0].modified, info.modified);
  EXPECT_EQ(objects[0].etag, info.etag);
}

TEST_P(StoreContract, ListsByAnyPrefix) {
  for (const char* key : {"data/ab/1", "data/ab/2", "data/ac/3", "data/b", "data-2/x", "date"}) {
    store().put(key, as_bytes("x"));
  }
  EXPECT_THAT(keys("data/ab/"), ElementsAre("data/ab/1", "data/ab/2"));
  EXPECT_THAT(keys("data/a"), ElementsAre("data/ab/1", "data/ab/2", "data/ac/3"));
  EXPECT_THAT(keys("dat"),
              ElementsAre("data-2/x", "data/ab/1", "data/ab/2", "data/ac/3", "data/b", "date"));
  EXPECT_THAT(keys("data/ab/2"), ElementsAre("data/ab/2"));
  EXPECT_THAT(keys("data/ab"), ElementsAre("data/ab/1", "data/ab/2"));
  for (const char* prefix : {"x", "data/ab/3", "data/b/", "date/", "/", "..", "../", "data//",
                             "data/../", "d/", "\xff", "da ta"}) {
    EXPECT_THAT(keys(prefix), IsEmpty()) << prefix;
  }
}

TEST_P(StoreContract, ListingMayChangeTheStore) {
  for (const char* key : {"a/1", "a/2", "b/1"}) store().put(key, as_bytes("x"));
  std::size_t seen = 0;
  store().list("", [&](const ObjectInfo& info) {
    ++seen;
    store().remove(info.key);
  });
  EXPECT_EQ(seen, 3u);
  EXPECT_THAT(keys(""), IsEmpty());
}

TEST_P(StoreContract, ErrorOfTheVisitorComesOut) {
  store().put("a", as_bytes("x"));
  expect_error(Code::kCancelled, [&] {
    store().list("", [](const ObjectInfo&) { throw Error(Code::kCancelled, "enough"); });
  });
}

TEST_P(StoreContract, RemoveIsIdempotent) {
  store().put("a/b", as_bytes("x"));
  store().remove("a/b");
  EXPECT_FALSE(store().stat("a/b").has_value());
  store().remove("a/b");
  store().remove("never/was");
  store().remove("a");
  EXPECT_THAT(keys(""), IsEmpty());
  EXPECT_TRUE(store().put_new("a/b", as_bytes("again")));
}

TEST_P(StoreContract, ReadAfterReplacementAndRemoval) {
  store().put("object", as_bytes("old"));
  EXPECT_EQ(range("object", 0, 3), "old");
  store().put("object", as_bytes("new"));
  EXPECT_EQ(range("object", 0, 3), "new");
  EXPECT_TRUE(store().replace("object", as_bytes("2nd"), store().stat("object").value().etag));
  EXPECT_EQ(range("object", 0, 3), "2nd");
  store().remove("object");
  expect_error(Code::kNotFound, [&] { range("object", 0, 3); });
}

TEST_P(StoreContract, ChecksKeys) {
  for (const char* key : {"", "/", "/a", "a/", "a//b", ".", "..", "a/./b", "a/../b", "a b", "a\nb",
                          "a\\b", "a:b", "\xc3\xa4", "a*"}) {
    const ByteView data = as_bytes("x");
    expect_error(Code::kInvalid, [&] { store().put(key, data); });
    expect_error(Code::kInvalid, [&] { store().put_new(key, data); });
    expect_error(Code::kInvalid, [&] { store().replace(key, data, "etag"); });
    expect_error(Code::kInvalid, [&] { store().stage()->commit(key); });
    expect_error(Code::kInvalid, [&] { store().get(key); });
    expect_error(Code::kInvalid, [&] { range(key, 0, 1); });
    expect_error(Code::kInvalid, [&] { store().stat(key); });
    expect_error(Code::kInvalid, [&] { store().remove(key); });
  }
  EXPECT_THAT(keys(""), IsEmpty());
}

TEST_P(StoreContract, AllowsAllKeyCharacters) {
  const std::string key = "A.z_0-9+=@/...x/-/_/a.b..c";
  store().put(key, as_bytes("x"));
  EXPECT_EQ(text(key), "x");
  EXPECT_THAT(keys(""), ElementsAre(key));
}

TEST_P(StoreContract, LargeObjects) {
  const Bytes data = pattern((std::size_t{20} << 20) + 12345);
  const auto staged = store().stage();
  const ByteView view = data;
  for (std::size_t at = 0; at < data.size(); at += 3'000'000) {
    staged->append(view.subspan(at, std::min<std::size_t>(3'000'000, data.size() - at)));
  }
  EXPECT_TRUE(staged->commit("large"));
  EXPECT_EQ(store().stat("large").value().size, data.size());
  EXPECT_TRUE(store().get("large") == data);
  Bytes out(54321);
  store().read("large", 10'000'000, out);
  EXPECT_TRUE(std::equal(out.begin(), out.end(), data.begin() + 10'000'000));
  out.clear();
  store().read_through("large", data.size(),
                       [&](ByteView part) { out.insert(out.end(), part.begin(), part.end()); });
  EXPECT_TRUE(out == data);
}

TEST_P(StoreContract, OneCreatorWins) {
  constexpr int kThreads = 8;
  constexpr int kRounds = 20;
  for (int round = 0; round < kRounds; ++round) {
    const std::string key = "lease/" + std::to_string(round);
    std::atomic<int> winners{0};
    std::atomic<int> winner{-1};
    {
      std::barrier start(kThreads);
      std::vector<std::jthread> threads;
      for (int i = 0; i < kThreads; ++i) {
        threads.emplace_back([&, i] {
          start.arrive_and_wait();
          const std::string content(1000, static_cast<char>('a' + i));
          bool won = false;
          if (i % 2 == 0) {
            won = store().put_new(key, as_bytes(content));
          } else {
            const auto staged = store().stage();
            staged->append(as_bytes(content));
            won = staged->commit(key);
          }
          if (won) {
            ++winners;
            winner = i;
          }
        });
      }
    }
    EXPECT_EQ(winners, 1);
    EXPECT_EQ(text(key), std::string(1000, static_cast<char>('a' + winner)));
  }
}

TEST_P(StoreContract, ConcurrentReplacementsLoseNoUpdate) {
  constexpr int kThreads = 4;
  constexpr int kIncrements = 20;
  store().put("counter", as_bytes("0"));
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < kThreads; ++i) {
      threads.emplace_back([&, i] {
        for (int done = 0; done < kIncrements;) {
          // The etag first: a value read later can only be newer, and then the etag is stale.
          const std::string etag = store().stat("counter").value().etag;
          // With its writer, so that no two write the same bytes: see replace().
          const std::string next = std::to_string(std::stoi(text("counter")) + 1) + " by " +
                                   std::to_string(i) + "/" + std::to_string(done);
          if (store().replace("counter", as_bytes(next), etag)) ++done;
        }
      });
    }
  }
  EXPECT_EQ(std::stoi(text("counter")), kThreads * kIncrements);
}

TEST_P(StoreContract, ReadersSeeWholeObjects) {
  constexpr std::size_t kSize = 100'000;
  store().put("object", Bytes(kSize, 0));
  std::atomic<int> torn{0};
  {
    std::vector<std::jthread> readers;
    for (int i = 0; i < 3; ++i) {
      readers.emplace_back([&, i](const std::stop_token& stop) {
        do {
          Bytes data(kSize);
          if (i == 0) {
            data = store().get("object");
          } else {
            store().read("object", 0, data);
          }
          if (data != Bytes(kSize, data.at(0))) ++torn;
        } while (!stop.stop_requested());
      });
    }
    for (int i = 1; i < 50; ++i) {
      store().put("object", Bytes(kSize, static_cast<std::uint8_t>(i)));
      Bytes out(1);
      store().read("object", kSize - 1, out);
      EXPECT_EQ(out[0], i);
    }
  }
  EXPECT_EQ(torn, 0);
}

TEST_P(StoreContract, TraitsNameTheStore) {
  const StoreTraits traits = store().traits();
  EXPECT_FALSE(traits.url.empty());
  EXPECT_TRUE(traits.conditional_create);
  EXPECT_TRUE(traits.conditional_replace);
  EXPECT_TRUE(traits.can_remove);
  EXPECT_GE(traits.parallelism, 1u);
}

}  // namespace
}  // namespace holdfast
