#include "vault/chunk_reader.h"

#include <gtest/gtest.h>

#include <thread>

#include "store/expect_error.h"
#include "store/wrappers.h"
#include "support/fault_store.h"
#include "vault/test_vault.h"

namespace holdfast {
namespace {

// Every data pack is written again under another name, with an index of its own: what a prune does.
std::vector<std::string> move_packs(TestVault& made) {
  std::vector<std::string> old;
  for (const ObjectInfo& info : list_objects(made.store, "data/")) {
    const auto contents = read_pack_contents(made.store, info.key, info.size, made.ring);
    PackWriter writer(made.store, PackClass::kData, made.ring);
    for (const FrameEntry& frame : contents.frames) {
      Bytes sealed(frame.sealed_length);
      made.store.read(info.key, frame.offset, sealed);
      writer.append(contents.sessions.at(frame.session), frame.header, sealed, frame.chunks);
    }
    SegmentBuilder builder;
    builder.add(writer.finish());
    write_segment(made.store, made.ring, builder.build());
    old.push_back(info.key);
  }
  return old;
}

void remove_packs(TestVault& made, const std::vector<std::string>& keys) {
  std::set<PackName> gone;
  for (const std::string& key : keys) gone.insert(parse_pack_key(key)->second);
  drop_from_index(made.store, made.ring, gone);
  for (const std::string& key : keys) made.store.remove(key);
}

TEST(ChunkReader, ReadsForRestorersOnly) {
  TestVault made;
  const auto refs = store_chunks(*made.vault, 3, 500, 1);
  EXPECT_EQ(ChunkReader(*made.vault).read(refs[1]), lcg_bytes(500, 2));
  for (const Role role : {Role::kWriter, Role::kOperator}) {
    const auto vault = made.as(role);
    expect_error(Code::kDenied, [&] { ChunkReader(*vault).read(refs[1]); });
  }
}

TEST(ChunkReader, EveryRoleReadsReferences) {
  TestVault made;
  Ref ref;
  {
    WriteSession session(*made.vault, {.threads = 1});
    ChunkWriter writer(session, ChunkKind::kRefs);
    ref = writer.add(lcg_bytes(100, 1));
    writer.flush();
    session.finish();
  }
  for (const Role role : {Role::kWriter, Role::kOperator, Role::kRestorer}) {
    const auto vault = made.as(role);
    EXPECT_EQ(ChunkReader(*vault).read(ref), lcg_bytes(100, 1));
  }
}

TEST(ChunkReader, UnknownChunksAreCorrupt) {
  TestVault made;
  const auto refs = store_chunks(*made.vault, 1, 500, 1);
  const auto refused = [&](const Ref& ref) {
    const auto error = error_of([&] { ChunkReader(*made.vault).read(ref); });
    ASSERT_TRUE(error);
    EXPECT_EQ(error->code(), Code::kCorrupt);
    EXPECT_NE(error->message().find(to_hex(ref.id.bytes)), std::string::npos);
    EXPECT_FALSE(error->hint().empty());
  };
  refused({test_id(5), 500, ChunkKind::kData});
  Ref shorter = refs[0];
  --shorter.length;
  refused(shorter);
}

TEST(ChunkReader, TheSecondCopyServesWhenTheFirstIsDamaged) {
  TestVault made;
  const auto refs = store_chunks(*made.vault, 40, 500, 1);
  const auto old = move_packs(made);
  for (const std::string& key : old) flip(made.store, key, 100);
  const auto read_all = [&] {
    ChunkReader reader(*made.vault);
    for (std::size_t i = 0; i < refs.size(); ++i) {
      ASSERT_EQ(reader.read(refs[i]), lcg_bytes(500, 1 + i));
    }
  };
  read_all();
  for (const std::string& key : old) made.store.remove(key);
  read_all();
}

TEST(ChunkReader, NoGoodCopyIsCorrupt) {
  TestVault made;
  const auto refs = store_chunks(*made.vault, 1, 500, 1);
  move_packs(made);
  for (const ObjectInfo& info : list_objects(made.store, "data/")) flip(made.store, info.key, 20);
  expect_error(Code::kCorrupt, [&] { ChunkReader(*made.vault).read(refs[0]); });
}

TEST(ChunkReader, FindsWhatMovedAfterItsIndexWasRead) {
  TestVault made;
  const auto refs = store_chunks(*made.vault, 60, 500, 1);
  ChunkReader reader(*made.vault, 2);
  EXPECT_EQ(reader.read(refs[0]), lcg_bytes(500, 1));
  const auto before = reader.frames();
  remove_packs(made, move_packs(made));
  for (std::size_t i = 0; i < refs.size(); ++i) {
    ASSERT_EQ(reader.read(refs[i]), lcg_bytes(500, 1 + i));
  }
  EXPECT_NE(reader.frames(), before);
}

// A frame that belongs to another id: an index that mixes chunks up must not do so to content.
TEST(ChunkReader, ContentIsComparedWithItsId) {
  TestVault made;
  const auto refs = store_chunks(*made.vault, 2, 500, 1);
  const std::string pack = list_objects(made.store, "data/")[0].key;
  auto contents = read_pack_contents(made.store, pack, made.store.stat(pack)->size, made.ring);
  for (FrameEntry& frame : contents.frames) {
    ASSERT_EQ(frame.chunks.size(), 2u);
    std::swap(frame.chunks[0].id, frame.chunks[1].id);
  }
  for (const ObjectInfo& info : list_objects(made.store, "index/")) made.store.remove(info.key);
  SegmentBuilder builder;
  builder.add(contents);
  write_segment(made.store, made.ring, builder.build());
  expect_error(Code::kCorrupt, [&] { ChunkReader(*made.vault).read(refs[0]); });
}

TEST(ChunkReader, AStoreThatDoesNotAnswerIsNotDamage) {
  TestVault made;
  const auto refs = store_chunks(*made.vault, 1, 500, 1);
  auto plan = std::make_shared<FaultPlan>();
  FaultStore faulty(made.store, plan);
  const auto vault = Vault::open(faulty, made.clock, made.ring, {});
  ChunkReader reader(*vault);
  plan->arm(1, Fault::kErrorBefore);
  expect_error(Code::kUnavailable, [&] { reader.read(refs[0]); });
  EXPECT_EQ(reader.read(refs[0]), lcg_bytes(500, 1));
}

TEST(ChunkReader, CachedFramesAreNotReadAgain) {
  TestVault made;
  const auto refs = store_chunks(*made.vault, 6, 500, 1);
  StoreCounters counters;
  CountingStore counting(made.store, counters);
  const auto vault = Vault::open(counting, made.clock, made.ring, {});
  ChunkReader reader(*vault);
  reader.read(refs[0]);
  const std::uint64_t reads = counters.reads;
  for (const Ref& ref : refs) reader.read(ref);
  EXPECT_EQ(counters.reads, reads);
}

TEST(ChunkReader, ManyThreads) {
  TestVault made;
  const auto refs = store_chunks(*made.vault, 100, 500, 1);
  ChunkReader reader(*made.vault, 2);
  std::vector<std::jthread> threads;
  for (std::size_t t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (std::size_t i = 0; i < refs.size(); ++i) {
        const std::size_t at = (i * (2 * t + 1)) % refs.size();
        if (reader.read(refs[at]) != lcg_bytes(500, 1 + at)) ADD_FAILURE() << at;
        if (i == 50 && t == 0) reader.refresh();
      }
    });
  }
}

}  // namespace
}  // namespace holdfast
