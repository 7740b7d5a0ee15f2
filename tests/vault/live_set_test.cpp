#include "vault/live_set.h"

#include <gtest/gtest.h>

#include "store/expect_error.h"
#include "vault/test_vault.h"

namespace holdfast {
namespace {

PackContents pack_of(std::uint64_t seed, const std::vector<ChunkId>& ids) {
  PackContents pack;
  pack.name = lcg_array<32>(seed);
  pack.size = 1000;
  pack.sessions = {lcg_array<96>(seed)};
  pack.frames.resize(1);
  for (const ChunkId& id : ids) pack.frames[0].chunks.push_back({id, 10});
  return pack;
}

std::shared_ptr<const Index> index_of(const std::vector<PackContents>& packs) {
  std::vector<Segment> segments;
  for (const PackContents& pack : packs) {
    SegmentBuilder builder;
    builder.add(pack);
    segments.push_back(Segment::from_memory(pack.name, builder.build()));
  }
  return Index::of(std::move(segments));
}

Ref ref_to(std::uint64_t seed) { return {test_id(seed), 10, ChunkKind::kData}; }

// The packs whose copy of `seed` is marked.
std::vector<std::uint32_t> marked(const LiveSet& live, std::uint64_t seed) {
  std::vector<std::uint32_t> segments;
  for (const ChunkPlace& place : live.index().find(test_id(seed))) {
    const Segment& segment = live.index().segments()[place.segment];
    for (std::uint64_t i = segment.lower_bound(test_id(seed)); i < segment.chunks(); ++i) {
      if (segment.chunk(i).id != test_id(seed)) break;
      if (live.is_live(place.segment, i)) segments.push_back(place.segment);
    }
  }
  return segments;
}

TEST(LiveSet, MarksOneCopyOnce) {
  LiveSet live(index_of({pack_of(1, {test_id(1), test_id(2)}), pack_of(2, {test_id(2)})}));
  EXPECT_FALSE(live.is_live(test_id(2)));
  EXPECT_TRUE(live.add(ref_to(2)));
  EXPECT_FALSE(live.add(ref_to(2)));
  EXPECT_TRUE(live.is_live(test_id(2)));
  EXPECT_FALSE(live.is_live(test_id(1)));
  EXPECT_EQ(live.count(), 1u);
  EXPECT_EQ(marked(live, 2), (std::vector<std::uint32_t>{0}));
}

TEST(LiveSet, PrefersCopiesThatStay) {
  const auto index = index_of({pack_of(1, {test_id(1), test_id(2)}), pack_of(2, {test_id(2)})});
  const DoomSet doom({{"doom/x", {}, {DoomReason::kPrune, {lcg_array<32>(1)}, {}}}});
  LiveSet live(index, &doom);
  EXPECT_TRUE(live.add(ref_to(2)));
  EXPECT_EQ(marked(live, 2), (std::vector<std::uint32_t>{1}));
  EXPECT_TRUE(live.add(ref_to(1))) << "a doomed copy is better than none";
  EXPECT_TRUE(live.is_live(test_id(1)));
  EXPECT_TRUE(live.missing().empty());
}

TEST(LiveSet, UnknownChunksAreCollected) {
  LiveSet live(index_of({pack_of(1, {test_id(1)})}));
  EXPECT_TRUE(live.add(ref_to(9)));
  ASSERT_EQ(live.missing().size(), 1u);
  EXPECT_EQ(live.missing()[0], ref_to(9));
  EXPECT_FALSE(live.is_live(test_id(9)));
  EXPECT_EQ(live.count(), 0u);
}

TEST(LiveSet, AgreesWithASet) {
  std::vector<PackContents> packs;
  for (std::uint64_t p = 0; p < 5; ++p) {
    std::vector<ChunkId> ids;
    for (std::uint64_t i = 0; i < 400; ++i) ids.push_back(test_id(p * 300 + i));
    packs.push_back(pack_of(p, ids));
  }
  LiveSet live(index_of(packs));
  std::set<std::uint64_t> model;
  Lcg lcg(7);
  for (int i = 0; i < 2000; ++i) {
    const std::uint64_t seed = lcg.below(1600);
    ASSERT_EQ(live.add(ref_to(seed)), model.insert(seed).second);
  }
  EXPECT_EQ(live.count(), model.size());
  for (std::uint64_t i = 0; i < 1600; ++i) {
    ASSERT_EQ(live.is_live(test_id(i)), model.contains(i));
    ASSERT_LE(marked(live, i).size(), 2u);
  }
}

TEST(AddReachable, StopsWhenAsked) {
  TestVault made;
  TreeRoots roots;
  {
    WriteSession session(*made.vault, {.threads = 1});
    TreeWriter tree(session);
    roots = tree.finish();
    session.finish();
  }
  ChunkReader reader(*made.vault);
  LiveSet live(reader.frames()->shared_index());
  std::stop_source stop;
  add_reachable(reader, roots.reach, live, stop.get_token());
  EXPECT_EQ(live.count(), 2u);  // the reach page and the one empty leaf
  stop.request_stop();
  LiveSet other(reader.frames()->shared_index());
  expect_error(Code::kCancelled,
               [&] { add_reachable(reader, roots.reach, other, stop.get_token()); });
}

}  // namespace
}  // namespace holdfast
