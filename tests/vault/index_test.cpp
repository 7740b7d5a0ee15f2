#include "vault/index.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <functional>

#include "store/expect_error.h"
#include "store/wrappers.h"
#include "support/temp_dir.h"
#include "vault/test_vault.h"

namespace holdfast {
namespace {

namespace fs = std::filesystem;

PackContents pack_of(std::uint64_t seed, const std::vector<ChunkId>& ids) {
  PackContents pack;
  pack.name = lcg_array<32>(seed);
  pack.size = 1000;
  pack.sessions = {lcg_array<96>(seed)};
  FrameEntry frame;
  frame.header.raw_length = static_cast<std::uint32_t>(10 * ids.size());
  frame.offset = 8;
  frame.sealed_length = 100;
  for (const ChunkId& id : ids) frame.chunks.push_back({id, 10});
  pack.frames.push_back(std::move(frame));
  return pack;
}

SegmentName put_segment(ObjectStore& store, std::uint64_t seed, const std::vector<ChunkId>& ids,
                        const std::vector<SegmentName>& covers = {}) {
  SegmentBuilder builder;
  builder.add(pack_of(seed, ids));
  for (const SegmentName& name : covers) builder.cover(name);
  return write_segment(store, test_ring(), builder.build());
}

// Calls a function before each get: what others do meanwhile.
class MeddledStore final : public ForwardingStore {
 public:
  using ForwardingStore::ForwardingStore;
  Bytes get(std::string_view key) override {
    ++gets;
    if (before_get) before_get(std::string(key));
    return inner().get(key);
  }
  std::function<void(const std::string&)> before_get;
  int gets = 0;
};

struct IndexTest : testing::Test {
  std::shared_ptr<const Index> load(const std::string& directory = {}) {
    return Index::load(store, test_ring(), directory);
  }
  HeldClock clock;
  MemoryStore memory{clock};
  MeddledStore store{memory};
  TempDir cache;
  const DoomSet no_doom{};
};

TEST_F(IndexTest, EmptyStoreHasAnEmptyIndex) {
  const auto index = load();
  EXPECT_TRUE(index->segments().empty());
  EXPECT_TRUE(index->problems().empty());
  EXPECT_TRUE(index->find(test_id(1)).empty());
  EXPECT_FALSE(index->contains(test_id(1), no_doom));
}

TEST_F(IndexTest, FindsEveryCopyNewestFirst) {
  put_segment(memory, 1, {test_id(1), test_id(2)});
  clock.jump(std::chrono::seconds(1));
  put_segment(memory, 2, {test_id(2), test_id(2), test_id(3)});
  const auto index = load();
  EXPECT_EQ(index->chunks(), 5u);
  EXPECT_EQ(index->find(test_id(1)).size(), 1u);
  const auto copies = index->find(test_id(2));
  ASSERT_EQ(copies.size(), 3u);
  EXPECT_EQ(copies[0].segment, 0u);
  EXPECT_EQ(copies[1].segment, 0u);
  EXPECT_EQ(copies[2].segment, 1u);
  EXPECT_EQ(index->segments()[0].pack(0).name, lcg_array<32>(2));
  EXPECT_TRUE(index->find(test_id(4)).empty());
}

TEST_F(IndexTest, DoomHidesCopies) {
  put_segment(memory, 1, {test_id(1), test_id(2)});
  put_segment(memory, 2, {test_id(2), test_id(3)});
  const auto index = load();
  const auto doomed = [](DoomReason reason, std::vector<PackName> packs,
                         std::vector<ChunkId> chunks) {
    return DoomSet({{"doom/x", {}, {reason, std::move(packs), std::move(chunks)}}});
  };
  const DoomSet pack = doomed(DoomReason::kPrune, {lcg_array<32>(1)}, {});
  EXPECT_FALSE(index->contains(test_id(1), pack));
  EXPECT_TRUE(index->contains(test_id(2), pack));
  const DoomSet chunk = doomed(DoomReason::kPrune, {}, {test_id(2)});
  EXPECT_TRUE(index->contains(test_id(1), chunk));
  EXPECT_FALSE(index->contains(test_id(2), chunk));
  const DoomSet one_copy = doomed(DoomReason::kDamaged, {lcg_array<32>(1)}, {test_id(2)});
  EXPECT_TRUE(index->contains(test_id(2), one_copy));
  EXPECT_TRUE(index->contains(test_id(1), one_copy));
  const DoomSet both =
      doomed(DoomReason::kDamaged, {lcg_array<32>(1), lcg_array<32>(2)}, {test_id(2)});
  EXPECT_FALSE(index->contains(test_id(2), both));
}

TEST_F(IndexTest, CacheSavesTheNextFetch) {
  put_segment(memory, 1, {test_id(1)});
  put_segment(memory, 2, {test_id(2)});
  load(cache.path());
  EXPECT_EQ(store.gets, 2);
  const auto index = load(cache.path());
  EXPECT_EQ(store.gets, 2);
  EXPECT_TRUE(index->contains(test_id(1), no_doom));
  EXPECT_TRUE(index->contains(test_id(2), no_doom));
  put_segment(memory, 3, {test_id(3)});
  EXPECT_TRUE(load(cache.path())->contains(test_id(3), no_doom));
  EXPECT_EQ(store.gets, 3);
}

TEST_F(IndexTest, CacheForgetsWhatIsGoneAndNothingElse) {
  const SegmentName gone = put_segment(memory, 1, {test_id(1)});
  put_segment(memory, 2, {test_id(2)});
  load(cache.path());
  write_file_atomic(cache / "index/notes.txt", as_bytes("mine"));
  memory.remove(segment_key(gone));
  const auto index = load(cache.path());
  EXPECT_FALSE(index->contains(test_id(1), no_doom));
  EXPECT_FALSE(path_exists(cache / ("index/" + to_hex(gone))));
  EXPECT_TRUE(path_exists(cache / "index/notes.txt"));
}

TEST_F(IndexTest, BrokenCacheFilesAreFetchedAgain) {
  const SegmentName name = put_segment(memory, 1, {test_id(1)});
  load(cache.path());
  const std::string path = cache / ("index/" + to_hex(name));
  const Bytes body = read_file(path);
  for (const std::size_t size : {std::size_t{0}, std::size_t{10}, body.size() - 1}) {
    write_file_atomic(path, ByteView(body).first(size));
    EXPECT_TRUE(load(cache.path())->contains(test_id(1), no_doom));
    EXPECT_EQ(read_file(path), body);
  }
}

TEST_F(IndexTest, WorksWithoutACacheThatCanBeWritten) {
  put_segment(memory, 1, {test_id(1)});
  // A file where the directory should be: refused to root, too.
  write_file_atomic(cache / "file", as_bytes("x"));
  EXPECT_TRUE(load(cache / "file")->contains(test_id(1), no_doom));
  EXPECT_TRUE(load(cache / "file/below")->contains(test_id(1), no_doom));
  // A directory where the segment's file should be.
  const SegmentName name = put_segment(memory, 2, {test_id(2)});
  make_directories(cache / ("c/index/" + to_hex(name) + "/x"));
  EXPECT_TRUE(load(cache / "c")->contains(test_id(2), no_doom));
  EXPECT_TRUE(load(cache / "c")->problems().empty());
}

TEST_F(IndexTest, CoveredSegmentsAreSkipped) {
  const SegmentName a = put_segment(memory, 1, {test_id(1)});
  const SegmentName b = put_segment(memory, 2, {test_id(2)});
  put_segment(memory, 3, {test_id(1), test_id(2)}, {a, b, lcg_array<32>(99)});
  const auto index = load();
  ASSERT_EQ(index->segments().size(), 1u);
  EXPECT_EQ(index->chunks(), 2u);
}

TEST_F(IndexTest, DamagedSegmentIsNamedAndTheRestUsed) {
  const SegmentName a = put_segment(memory, 1, {test_id(1)});
  put_segment(memory, 2, {test_id(2)});
  flip(memory, segment_key(a), 100);
  const auto index = load();
  ASSERT_EQ(index->problems().size(), 1u);
  EXPECT_NE(index->problems()[0].find(segment_key(a)), std::string::npos);
  EXPECT_FALSE(index->contains(test_id(1), no_doom));
  EXPECT_TRUE(index->contains(test_id(2), no_doom));
}

TEST_F(IndexTest, DamagedSegmentCoversNothing) {
  const SegmentName a = put_segment(memory, 1, {test_id(1)});
  const SegmentName b = put_segment(memory, 2, {test_id(1)}, {a});
  flip(memory, segment_key(b), 100);
  EXPECT_TRUE(load()->contains(test_id(1), no_doom));
}

// Sealed properly, but with nonsense in it: by a writer with a defect, say.
TEST_F(IndexTest, NonsenseInASealedSegmentIsAProblem) {
  PackContents pack = pack_of(1, {test_id(1)});
  pack.frames[0].sealed_length = 5000;
  SegmentBuilder builder;
  builder.add(pack);
  write_segment(memory, test_ring(), builder.build());
  for (int i = 0; i < 2; ++i) {
    const auto index = load(cache.path());
    EXPECT_EQ(index->problems().size(), 1u);
    EXPECT_TRUE(index->segments().empty());
  }
}

TEST_F(IndexTest, SegmentsMergedWhileLoadingAreFoundAgain) {
  const SegmentName a = put_segment(memory, 1, {test_id(1)});
  const SegmentName b = put_segment(memory, 2, {test_id(2)});
  bool done = false;
  store.before_get = [&](const std::string&) {
    if (std::exchange(done, true)) return;
    put_segment(memory, 3, {test_id(1), test_id(2)}, {a, b});
    memory.remove(segment_key(a));
    memory.remove(segment_key(b));
  };
  const auto index = load(cache.path());
  EXPECT_TRUE(index->contains(test_id(1), no_doom));
  EXPECT_TRUE(index->contains(test_id(2), no_doom));
  EXPECT_TRUE(index->problems().empty());
}

TEST_F(IndexTest, AnIndexThatKeepsChangingIsUnavailable) {
  put_segment(memory, 1, {test_id(1)});
  std::uint64_t next = 2;
  store.before_get = [&](const std::string& key) {
    put_segment(memory, next, {test_id(next)});
    ++next;
    memory.remove(key);
  };
  expect_error(Code::kUnavailable, [&] { load(); });
}

TEST_F(IndexTest, ForeignObjectsBesideTheSegmentsAreIgnored) {
  put_segment(memory, 1, {test_id(1)});
  memory.put("index/README", as_bytes("x"));
  memory.put("index/" + std::string(64, 'A'), as_bytes("x"));
  const auto index = load();
  EXPECT_TRUE(index->problems().empty());
  EXPECT_TRUE(index->contains(test_id(1), no_doom));
}

TEST_F(IndexTest, CompactionKeepsEveryChunk) {
  for (std::uint64_t i = 0; i < 20; ++i) put_segment(memory, i, {test_id(i), test_id(i + 100)});
  compact_index(store, test_ring(), *load(), 20);
  EXPECT_EQ(list_objects(memory, "index/").size(), 20u);
  compact_index(store, test_ring(), *load(), 5);
  const auto index = load();
  EXPECT_LE(index->segments().size(), 5u);
  EXPECT_EQ(list_objects(memory, "index/").size(), index->segments().size());
  EXPECT_EQ(index->chunks(), 40u);
  for (std::uint64_t i = 0; i < 20; ++i) EXPECT_TRUE(index->contains(test_id(i), no_doom));
}

// A store that keeps everything: what is covered stays, and is skipped.
class KeepingStore final : public ForwardingStore {
 public:
  using ForwardingStore::ForwardingStore;
  StoreTraits traits() const override {
    StoreTraits traits = ForwardingStore::traits();
    traits.can_remove = false;
    return traits;
  }
  void remove(std::string_view) override { throw Error(Code::kDenied, "kept"); }
};

TEST_F(IndexTest, CompactionWorksWhereNothingCanBeRemoved) {
  KeepingStore keeping(memory);
  for (std::uint64_t i = 0; i < 20; ++i) put_segment(memory, i, {test_id(i)});
  for (std::uint64_t round = 0; round < 2; ++round) {
    compact_index(keeping, test_ring(), *load(), 5);
    const auto index = load();
    EXPECT_LE(index->segments().size(), 5u);
    EXPECT_EQ(index->chunks(), 20u + round);
    put_segment(memory, 100, {test_id(0)});
  }
}

TEST_F(IndexTest, DroppedPacksAreNamedNowhere) {
  const SegmentName a = put_segment(memory, 1, {test_id(1)});
  put_segment(memory, 2, {test_id(2)});
  SegmentBuilder both;
  both.add(pack_of(1, {test_id(1)}));
  both.add(pack_of(2, {test_id(2)}));
  both.cover(a);
  write_segment(memory, test_ring(), both.build());
  drop_from_index(store, test_ring(), {});
  EXPECT_EQ(list_objects(memory, "index/").size(), 3u);
  drop_from_index(store, test_ring(), {lcg_array<32>(1)});
  const auto index = load();
  EXPECT_FALSE(index->contains(test_id(1), no_doom));
  EXPECT_TRUE(index->contains(test_id(2), no_doom));
  for (const ObjectInfo& info : list_objects(memory, "index/")) {
    const auto name = parse_segment_key(info.key).value();
    const Segment segment = Segment::from_memory(name, read_segment(memory, test_ring(), name));
    for (std::uint32_t p = 0; p < segment.packs(); ++p) {
      EXPECT_NE(segment.pack(p).name, lcg_array<32>(1));
    }
  }
}

}  // namespace
}  // namespace holdfast
