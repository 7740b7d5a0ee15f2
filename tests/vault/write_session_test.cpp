#include "vault/write_session.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <thread>

#include "store/expect_error.h"
#include "support/fault_store.h"
#include "vault/chunk_reader.h"
#include "vault/test_vault.h"

namespace holdfast {
namespace {

std::set<std::string> packs_of(ObjectStore& store) {
  std::set<std::string> keys;
  for (const char* prefix : {"data/", "meta/"}) {
    for (const ObjectInfo& info : list_objects(store, prefix)) keys.insert(info.key);
  }
  return keys;
}

void expect_readable(const Vault& vault, const std::vector<Ref>& refs, std::size_t size,
                     std::uint64_t seed) {
  ChunkReader reader(vault);
  for (std::size_t i = 0; i < refs.size(); ++i) {
    ASSERT_EQ(reader.read(refs[i]), lcg_bytes(size, seed + i)) << i;
  }
}

TEST(WriteSession, StoresWhatItIsGiven) {
  TestVault made;
  WriteStats stats;
  const auto refs = store_chunks(*made.vault, 300, 700, 1, &stats);
  EXPECT_EQ(stats.new_chunks, 300u);
  EXPECT_EQ(stats.new_raw_bytes, 300u * 700);
  EXPECT_EQ(stats.packs, packs_of(made.store).size());
  EXPECT_GT(stats.packs, 5u);
  std::uint64_t stored = 0;
  for (const std::string& key : packs_of(made.store)) stored += made.store.stat(key)->size;
  EXPECT_EQ(stats.stored_bytes, stored);
  expect_readable(*made.vault, refs, 700, 1);
  EXPECT_TRUE(list_objects(made.store, "lease/").empty());
}

TEST(WriteSession, KindsGoToTheirPacks) {
  TestVault made;
  {
    WriteSession session(*made.vault, {.threads = 2});
    ChunkWriter data(session, ChunkKind::kData), tree(session, ChunkKind::kTree);
    ChunkWriter refs(session, ChunkKind::kRefs);
    data.add(lcg_bytes(100, 1));
    tree.add(lcg_bytes(100, 2));
    refs.add(lcg_bytes(100, 3));
    for (ChunkWriter* writer : {&data, &tree, &refs}) writer->flush();
    session.finish();
  }
  EXPECT_EQ(list_objects(made.store, "data/").size(), 1u);
  EXPECT_EQ(list_objects(made.store, "meta/").size(), 1u);
  for (const std::string& key : packs_of(made.store)) {
    const auto contents =
        read_pack_contents(made.store, key, made.store.stat(key)->size, made.ring);
    for (const FrameEntry& frame : contents.frames) {
      EXPECT_EQ(frame.header.kind == ChunkKind::kData, key.starts_with("data/"));
    }
  }
}

TEST(WriteSession, EmptySessionsStoreNothing) {
  TestVault made;
  store_chunks(*made.vault, 0, 0, 0);
  EXPECT_EQ(list_objects(made.store, "").size(), 1u);
}

TEST(WriteSession, FrameNumbersNeverRepeat) {
  TestVault made;
  store_chunks(*made.vault, 300, 700, 1);
  std::set<std::pair<SessionBlock, std::uint64_t>> numbers;
  for (const std::string& key : packs_of(made.store)) {
    const auto contents =
        read_pack_contents(made.store, key, made.store.stat(key)->size, made.ring);
    for (const FrameEntry& frame : contents.frames) {
      EXPECT_TRUE(
          numbers.insert({contents.sessions.at(frame.session), frame.header.number}).second);
    }
  }
  EXPECT_GT(numbers.size(), 40u);
}

// Read to where they are compressed, several times the size of a frame, with known ones among them.
TEST(WriteSession, ChunksInTheRoomBehindAFrameAreStored) {
  constexpr std::size_t kSize = 700;
  constexpr std::size_t kCount = 40;
  TestVault made;
  store_chunks(*made.vault, 7, kSize, 103);  // the ids 103 to 109
  WriteSession session(*made.vault, {.threads = 2});
  ChunkWriter writer(session, ChunkKind::kData);
  std::vector<Ref> refs;
  for (std::uint64_t batch = 0; batch < 5; ++batch) {
    refs.push_back(writer.add(lcg_bytes(kSize, 100 + batch * (kCount + 1))));  // from elsewhere
    const MutableBytes room = writer.room();
    ASSERT_GE(room.size(), ChunkWriter::kRoom);
    std::vector<ByteView> contents;
    for (std::size_t i = 0; i < kCount; ++i) {
      const MutableBytes place = room.subspan(i * kSize, kSize);
      const Bytes content = lcg_bytes(kSize, 100 + batch * (kCount + 1) + 1 + i);
      std::copy(content.begin(), content.end(), place.begin());
      contents.push_back(place);
    }
    writer.add(contents, refs);
  }
  writer.flush();
  session.finish();
  EXPECT_EQ(session.stats().new_chunks, 5u * (kCount + 1) - 7);
  expect_readable(*made.vault, refs, kSize, 100);
}

TEST(FrameBuffer, MovesWhatLiesInItsRoomAndGrows) {
  FrameBuffer buffer(10);
  std::copy_n("0123456789", 10, buffer.room().begin());
  const ByteView room = buffer.room();
  buffer.append(room.subspan(2, 5));  // onto itself
  EXPECT_EQ(as_text(buffer.view()), "23456");
  buffer.append(as_bytes("abcdefgh"));
  EXPECT_EQ(as_text(buffer.view()), "23456abcdefgh");
  const FrameBuffer taken = std::move(buffer);
  EXPECT_EQ(taken.size(), 13u);
  EXPECT_EQ(buffer.size() + buffer.capacity(), 0u);
}

TEST(WriteSession, DeduplicatesWithinASession) {
  TestVault made;
  WriteSession session(*made.vault, {.threads = 2});
  ChunkWriter a(session, ChunkKind::kData), b(session, ChunkKind::kData);
  const Ref first = a.add(lcg_bytes(500, 1));
  EXPECT_TRUE(session.has(first.id));
  EXPECT_EQ(b.add(lcg_bytes(500, 1)), first);
  EXPECT_FALSE(session.claim(first.id));
  a.flush();
  b.flush();
  session.finish();
  EXPECT_EQ(session.stats().new_chunks, 1u);
}

TEST(WriteSession, DeduplicatesAcrossSessionsAndRoles) {
  TestVault made;
  const auto writer = made.as(Role::kWriter);
  const auto first = store_chunks(*writer, 100, 700, 1);
  const auto packs = packs_of(made.store);
  WriteStats stats;
  EXPECT_EQ(store_chunks(*made.vault, 100, 700, 1, &stats), first);
  EXPECT_EQ(stats.new_chunks, 0u);
  EXPECT_EQ(packs_of(made.store), packs);
  store_chunks(*writer, 101, 700, 1, &stats);
  EXPECT_EQ(stats.new_chunks, 1u);
  expect_readable(*made.vault, first, 700, 1);
}

TEST(WriteSession, DoomedChunksAreStoredAgain) {
  TestVault made;
  const auto refs = store_chunks(*made.vault, 10, 100, 1);
  write_doom(made.store, made.ring, {DoomReason::kPrune, {}, {refs[3].id}});
  WriteStats stats;
  store_chunks(*made.vault, 10, 100, 1, &stats);
  EXPECT_EQ(stats.new_chunks, 1u);
  const auto pack = parse_pack_key(list_objects(made.store, "data/")[0].key)->second;
  write_doom(made.store, made.ring, {DoomReason::kPrune, {pack}, {}});
  store_chunks(*made.vault, 10, 100, 1, &stats);
  EXPECT_GT(stats.new_chunks, 0u);
}

TEST(WriteSession, SegmentsAreMerged) {
  TestVault made;
  WriteStats stats;
  store_chunks(*made.vault, 300, 700, 1, &stats);
  EXPECT_GT(stats.packs, 1u);
  const auto segments = list_objects(made.store, "index/");
  ASSERT_EQ(segments.size(), 1u);
  EXPECT_EQ(made.vault->load_index()->chunks(), 300u);
}

TEST(WriteSession, ManySessionsKeepTheIndexSmall) {
  TestVault made;
  std::vector<Ref> all;
  for (std::uint64_t i = 0; i < 120; ++i) {
    all.push_back(store_chunks(*made.vault, 1, 100, i)[0]);
    ASSERT_LE(list_objects(made.store, "index/").size(), 50u);
  }
  expect_readable(*made.vault, all, 100, 0);
}

// A writer that began after a mark may hold an index that names packs that the sweep removes
// meanwhile: what it merges would name them for ever.
TEST(WriteSession, TheIndexIsNotMergedWhileAPruneIsUnderWay) {
  TestVault made;
  for (std::uint64_t i = 0; i < 48; ++i) store_chunks(*made.vault, 1, 100, i);
  const std::string doom =
      write_doom(made.store, made.ring, {DoomReason::kPrune, {lcg_array<32>(1)}, {}});
  for (std::uint64_t i = 48; i < 60; ++i) store_chunks(*made.vault, 1, 100, i);
  EXPECT_EQ(list_objects(made.store, "index/").size(), 60u);
  made.store.remove(doom);
  store_chunks(*made.vault, 1, 100, 60);
  EXPECT_LT(list_objects(made.store, "index/").size(), 30u);
}

TEST(WriteSession, AnInterruptedSessionsPacksAreFoundAgain) {
  TestVault made;
  std::size_t stored = 0;
  {
    WriteSession session(*made.vault, {.threads = 2});
    ChunkWriter writer(session, ChunkKind::kData);
    for (std::size_t i = 0; i < 300; ++i) writer.add(lcg_bytes(700, 1 + i));
    // Abandoned: neither flushed nor finished.
  }
  const std::size_t packs = packs_of(made.store).size();
  ASSERT_GT(packs, 0u);
  EXPECT_EQ(list_objects(made.store, "index/").size(), packs) << "each pack has its segment";
  stored = made.vault->load_index()->chunks();
  EXPECT_GT(stored, 0u);
  WriteStats stats;
  const auto refs = store_chunks(*made.vault, 300, 700, 1, &stats);
  EXPECT_EQ(stats.new_chunks, 300 - stored);
  expect_readable(*made.vault, refs, 700, 1);
}

TEST(WriteSession, AbandoningEndsAtOnceAndLeavesNoLease) {
  TestVault made;
  { WriteSession session(*made.vault, {.threads = 3}); }
  EXPECT_TRUE(list_objects(made.store, "lease/").empty());
}

// Opens the vault over a store that fails.
struct FaultyVault : testing::Test {
  std::unique_ptr<Vault> open() { return Vault::open(faulty, made.clock, made.ring, {}); }
  TestVault made;
  std::shared_ptr<FaultPlan> plan = std::make_shared<FaultPlan>();
  FaultStore faulty{made.store, plan};
};

TEST_F(FaultyVault, ErrorsOfTheBackgroundComeOut) {
  const auto vault = open();
  WriteSession session(*vault, {.threads = 2});
  EXPECT_FALSE(session.failed());
  plan->arm(1, Fault::kNoSpace, true);
  ChunkWriter writer(session, ChunkKind::kData);
  const auto error = error_of([&] {
    for (std::uint64_t i = 0; i < 100'000; ++i) writer.add(lcg_bytes(1000, i));
    writer.flush();
    session.finish();
  });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code(), Code::kExhausted);
  EXPECT_TRUE(session.failed());
  expect_error(Code::kExhausted, [&] { session.submit(ChunkKind::kData, FrameBuffer(10), {}); });
  expect_error(Code::kExhausted, [&] { session.finish(); });
}

// Fails the N-th operation of a session, for every N: the session fails or all can be read.
TEST_F(FaultyVault, AfterAnyFaultTheNextSessionIsRight) {
  std::uint64_t at = 1;
  for (;; ++at) {
    const std::uint64_t seed = 1000 * at;
    std::vector<Ref> refs;
    const auto vault = open();
    plan->arm(plan->operations() + at, Fault::kErrorBefore);
    try {
      refs = store_chunks(*vault, 60, 700, seed);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Code::kUnavailable) << error.what();
    }
    const bool fired = plan->fired();
    plan->disarm();
    if (refs.empty()) refs = store_chunks(*vault, 60, 700, seed);
    expect_readable(*made.vault, refs, 700, seed);
    if (!fired) break;
  }
  EXPECT_GT(at, 10u);
}

TEST(WriteSession, ALostLeaseForbidsTheCommit) {
  TestVault made;
  WriteSession session(*made.vault, {.threads = 1});
  EXPECT_NO_THROW(session.check_still_valid());
  made.clock.jump(kLeaseLife);
  const auto error = error_of([&] { session.check_still_valid(); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code(), Code::kConflict);
  EXPECT_FALSE(error->hint().empty());
}

// The machine was suspended: its own clock did not see the time go by, the store's did.
TEST(WriteSession, ALeaseThatTheStoreTookForDeadForbidsTheCommit) {
  HeldClock clock, store_clock;
  MemoryStore store(store_clock);
  const auto vault = Vault::create(store, clock, test_ring(), small_parameters(), {});
  WriteSession session(*vault, {.threads = 1});
  store_clock.jump(kLeaseLife - Duration(1));
  EXPECT_NO_THROW(session.check_still_valid());
  store_clock.jump(kLeaseLife);
  expect_error(Code::kConflict, [&] { session.check_still_valid(); });
}

TEST(WriteSession, ManyThreadsStoreEachChunkOnce) {
  TestVault made;
  WriteSession session(*made.vault, {.threads = 2});
  constexpr std::size_t kChunks = 400;
  std::vector<std::vector<Ref>> refs(4);
  {
    std::vector<std::jthread> threads;
    for (std::size_t t = 0; t < refs.size(); ++t) {
      threads.emplace_back([&, t] {
        ChunkWriter writer(session, ChunkKind::kData);
        for (std::size_t i = 0; i < kChunks; ++i) {
          refs[t].push_back(writer.add(lcg_bytes(300, (i + 100 * t) % kChunks)));
        }
        writer.flush();
      });
    }
  }
  session.finish();
  EXPECT_EQ(session.stats().new_chunks, kChunks);
  EXPECT_EQ(made.vault->load_index()->chunks(), kChunks);
  expect_readable(*made.vault, refs[0], 300, 0);
}

TEST(WriteSession, SessionsSideBySide) {
  TestVault made;
  {
    std::vector<std::jthread> threads;
    for (std::uint64_t t = 0; t < 3; ++t) {
      threads.emplace_back([&, t] { store_chunks(*made.vault, 100, 500, 50 * t); });
    }
  }
  std::vector<Ref> refs;
  for (std::uint64_t i = 0; i < 200; ++i) {
    refs.push_back({made.vault->id_of(lcg_bytes(500, i)), 500, ChunkKind::kData});
  }
  expect_readable(*made.vault, refs, 500, 0);
}

}  // namespace
}  // namespace holdfast
