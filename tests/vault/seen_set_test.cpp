#include "vault/seen_set.h"

#include <gtest/gtest.h>

#include <atomic>
#include <set>
#include <thread>
#include <vector>

#include "vault/test_vault.h"

namespace holdfast {
namespace {

TEST(SeenSet, AgreesWithStdSet) {
  SeenSet seen;
  std::set<ChunkId> model;
  Lcg lcg(1);
  for (int i = 0; i < 200'000; ++i) {
    const ChunkId id = test_id(lcg.below(100'000));
    if (i % 3 == 0) {
      ASSERT_EQ(seen.contains(id), model.contains(id));
    } else {
      ASSERT_EQ(seen.insert(id), model.insert(id).second);
    }
  }
  EXPECT_EQ(seen.size(), model.size());
  for (std::uint64_t i = 0; i < 100'000; ++i) {
    ASSERT_EQ(seen.contains(test_id(i)), model.contains(test_id(i)));
  }
}

// All in one shard and one row of slots: the probing alone tells them apart.
TEST(SeenSet, CollidingIdsAreToldApart) {
  SeenSet seen;
  for (int round = 0; round < 2; ++round) {
    for (unsigned i = 0; i < 3000; ++i) {
      ChunkId id;
      id.bytes[0] = 7;
      id.bytes[10] = static_cast<std::uint8_t>(i);
      id.bytes[11] = static_cast<std::uint8_t>(i >> 8);
      ASSERT_EQ(seen.contains(id), round == 1);
      ASSERT_EQ(seen.insert(id), round == 0);
    }
  }
  EXPECT_EQ(seen.size(), 3000u);
}

TEST(SeenSet, EmptyHasNothing) {
  const SeenSet seen;
  EXPECT_EQ(seen.size(), 0u);
  EXPECT_FALSE(seen.contains(test_id(1)));
}

TEST(SeenSet, OneThreadWinsEachId) {
  constexpr std::uint64_t kIds = 20'000;
  SeenSet seen;
  std::atomic<std::uint64_t> won{0};
  {
    std::vector<std::jthread> threads;
    for (std::uint64_t t = 0; t < 4; ++t) {
      threads.emplace_back([&, t] {
        for (std::uint64_t i = 0; i < kIds; ++i) {
          const ChunkId id = test_id((i * (2 * t + 1)) % kIds);
          if (seen.insert(id)) ++won;
          if (!seen.contains(id)) ADD_FAILURE() << "an inserted id is gone";
        }
      });
    }
  }
  // Each thread's step may share a factor with kIds; the first one's covers all.
  EXPECT_EQ(won, kIds);
  EXPECT_EQ(seen.size(), kIds);
}

}  // namespace
}  // namespace holdfast
