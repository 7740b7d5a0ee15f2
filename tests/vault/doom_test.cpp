#include "vault/doom.h"

#include <gtest/gtest.h>

#include "store/expect_error.h"
#include "store/wrappers.h"
#include "vault/test_vault.h"

namespace holdfast {
namespace {

Doom some_doom(DoomReason reason) {
  return {reason, {lcg_array<32>(1), lcg_array<32>(2)}, {test_id(1), test_id(2), test_id(3)}};
}

struct DoomTest : testing::Test {
  HeldClock clock;
  MemoryStore store{clock};
  KeyRing ring = test_ring();
};

TEST_F(DoomTest, RoundTripsForEveryRole) {
  for (const DoomReason reason : {DoomReason::kPrune, DoomReason::kDamaged}) {
    for (const Role role : {Role::kWriter, Role::kOperator, Role::kRestorer}) {
      const std::string key = write_doom(store, ring, some_doom(reason));
      const auto dooms = read_dooms(store, ring.restricted_to(role));
      ASSERT_EQ(dooms.size(), 1u);
      EXPECT_EQ(dooms[0].key, key);
      EXPECT_EQ(dooms[0].modified, clock.now());
      EXPECT_EQ(dooms[0].doom.reason, reason);
      EXPECT_EQ(dooms[0].doom.packs, some_doom(reason).packs);
      EXPECT_EQ(dooms[0].doom.chunks, some_doom(reason).chunks);
      store.remove(key);
    }
  }
}

TEST_F(DoomTest, EmptyAndLargeRoundTrip) {
  Doom large;
  for (std::uint64_t i = 0; i < 20'000; ++i) large.chunks.push_back(test_id(i));
  for (const Doom& doom : {Doom{}, large}) {
    const std::string key = write_doom(store, ring, doom);
    const auto dooms = read_dooms(store, ring);
    ASSERT_EQ(dooms.size(), 1u);
    EXPECT_EQ(dooms[0].doom.chunks, doom.chunks);
    store.remove(key);
  }
}

TEST_F(DoomTest, IsBoundToItsName) {
  const std::string key = write_doom(store, ring, some_doom(DoomReason::kPrune));
  const Bytes object = store.get(key);
  const std::string name = key.substr(5);
  EXPECT_NO_THROW(parse_doom(object, ring, name));
  expect_error(Code::kCorrupt, [&] { parse_doom(object, ring, std::string(32, '0')); });
  expect_error(Code::kCorrupt, [&] { parse_doom(object, test_ring(2), name); });
}

TEST_F(DoomTest, EveryChangedByteAndLengthIsCorrupt) {
  const std::string key = write_doom(store, ring, some_doom(DoomReason::kDamaged));
  const std::string name = key.substr(5);
  const Bytes object = store.get(key);
  for (std::size_t i = 0; i < object.size(); ++i) {
    Bytes bad = object;
    bad[i] ^= 1;
    expect_error(Code::kCorrupt, [&] { parse_doom(bad, ring, name); });
    expect_error(Code::kCorrupt, [&] { parse_doom(ByteView(object).first(i), ring, name); });
  }
}

TEST_F(DoomTest, ADamagedObjectIsNamed) {
  const std::string key = write_doom(store, ring, some_doom(DoomReason::kPrune));
  flip(store, key, 60);
  const auto error = error_of([&] { read_dooms(store, ring); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code(), Code::kCorrupt);
  EXPECT_NE(error->message().find(key), std::string::npos);
}

// Removes every object between the list and the read.
class VanishingStore final : public ForwardingStore {
 public:
  using ForwardingStore::ForwardingStore;
  Bytes get(std::string_view key) override {
    inner().remove(key);
    return inner().get(key);
  }
};

TEST_F(DoomTest, SweptMeanwhileIsLeftOut) {
  write_doom(store, ring, some_doom(DoomReason::kPrune));
  VanishingStore vanishing(store);
  EXPECT_TRUE(read_dooms(vanishing, ring).empty());
}

TEST_F(DoomTest, SetOfPrunedThings) {
  const DoomSet set({{"doom/a", {}, some_doom(DoomReason::kPrune)}});
  EXPECT_FALSE(set.empty());
  EXPECT_TRUE(set.has(test_id(1)));
  EXPECT_FALSE(set.has(test_id(9)));
  EXPECT_TRUE(set.has(lcg_array<32>(1), test_id(9)));
  EXPECT_FALSE(set.has(lcg_array<32>(9), test_id(1)));
}

TEST_F(DoomTest, SetOfDamagedThings) {
  const DoomSet set({{"doom/a", {}, some_doom(DoomReason::kDamaged)},
                     {"doom/b", {}, {DoomReason::kDamaged, {lcg_array<32>(5)}, {}}}});
  EXPECT_FALSE(set.empty());
  EXPECT_FALSE(set.has(test_id(1))) << "other copies are fine";
  EXPECT_TRUE(set.has(lcg_array<32>(1), test_id(1)));
  EXPECT_TRUE(set.has(lcg_array<32>(2), test_id(3)));
  EXPECT_FALSE(set.has(lcg_array<32>(1), test_id(9)));
  EXPECT_TRUE(set.has(lcg_array<32>(5), test_id(9))) << "no chunks: the whole pack";
}

TEST_F(DoomTest, EmptySet) {
  EXPECT_TRUE(DoomSet().empty());
  EXPECT_TRUE(DoomSet(std::vector<StoredDoom>{}).empty());
  EXPECT_FALSE(DoomSet().has(test_id(1)));
  EXPECT_FALSE(DoomSet().has(lcg_array<32>(1), test_id(1)));
}

}  // namespace
}  // namespace holdfast
