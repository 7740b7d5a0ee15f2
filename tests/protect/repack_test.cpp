// What a prune moves into new packs must be readable from there.
#include "protect/repack.h"

#include <gtest/gtest.h>

#include <map>

#include "vault/test_vault.h"

namespace holdfast {
namespace {

constexpr std::size_t kKiB = 1024;

// Stores chunks of these lengths in a frame of their own.
std::vector<Ref> store_frame(WriteSession& session, std::vector<std::size_t> lengths,
                             std::uint64_t seed) {
  ChunkWriter writer(session, ChunkKind::kData);
  std::vector<Ref> refs;
  for (const std::size_t length : lengths) refs.push_back(writer.add(lcg_bytes(length, seed++)));
  writer.flush();
  return refs;
}

// The frames of a vault, with all chunks but the one of this length kept.
void move_all(Repacker& repacker, FrameReader& frames, std::uint32_t dead) {
  const Segment& segment = frames.index().segments().at(0);
  for (std::uint32_t f = 0; f < segment.frames(); ++f) {
    std::map<std::uint32_t, Repacker::Copy> copies;  // by offset
    for (std::uint64_t c = 0; c < segment.chunks(); ++c) {
      const ChunkLocation chunk = segment.chunk(c);
      if (chunk.frame != f) continue;
      copies[chunk.offset] = {{chunk.id, chunk.length}, chunk.length != dead};
    }
    std::vector<Repacker::Copy> in_order;
    for (const auto& [offset, copy] : copies) in_order.push_back(copy);
    EXPECT_TRUE(repacker.move({0, f}, in_order).empty());
  }
}

// Two frames of the usual length and a little more, of which nearly all is kept.
TEST(Repack, FramesOfTheUsualLengthsStayReadable) {
  TestVault made{VaultParameters{}};
  std::vector<Ref> kept;
  {
    WriteSession session(*made.vault, {.threads = 1});
    kept = store_frame(session, {10 * kKiB, 1000 * kKiB, 1001 * kKiB, 1002 * kKiB, 1003 * kKiB}, 1);
    const std::vector<Ref> more = store_frame(
        session, {10 * kKiB, 1004 * kKiB, 1005 * kKiB, 1006 * kKiB, 1007 * kKiB, 1008 * kKiB}, 11);
    kept.insert(kept.end(), more.begin(), more.end());
    std::erase_if(kept, [](const Ref& ref) { return ref.length == 10 * kKiB; });
    session.finish();
  }
  const std::vector<ObjectInfo> old = list_objects(made.store, "");
  FrameReader frames(*made.vault, made.vault->load_index());
  ASSERT_EQ(frames.index().segments().at(0).frames(), 2u);
  Repacker repacker(*made.vault, frames, 1);
  move_all(repacker, frames, 10 * kKiB);
  write_segment(made.store, made.ring, repacker.finish().build());
  for (const ObjectInfo& info : old) {
    if (info.key.starts_with("data/") || info.key.starts_with("index/")) {
      made.store.remove(info.key);
    }
  }
  const auto vault = made.as(Role::kRestorer);
  ChunkReader reader(*vault);
  for (const Ref& ref : kept) {
    const Bytes content = reader.read(ref);
    EXPECT_EQ(vault->id_of(content), ref.id);
  }
  EXPECT_EQ(kept.size(), 9u);
}

}  // namespace
}  // namespace holdfast
