#include "vault/segment.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

#include "store/expect_error.h"
#include "support/temp_dir.h"
#include "vault/test_vault.h"

namespace holdfast {
namespace {

// A pack of `frames` frames with `chunks` chunks of 10 bytes each; ids from `seed` on.
PackContents fake_pack(std::uint64_t seed, std::size_t frames, std::size_t chunks) {
  PackContents pack;
  pack.name = lcg_array<32>(seed);
  pack.sessions = {lcg_array<96>(seed / 1000)};
  std::uint32_t offset = 8;
  for (std::size_t f = 0; f < frames; ++f) {
    FrameEntry frame;
    frame.header = {.number = f,
                    .kind = ChunkKind::kData,
                    .method = FrameMethod::kZstd,
                    .raw_length = static_cast<std::uint32_t>(10 * chunks)};
    frame.offset = offset;
    frame.sealed_length = 77;
    offset += 77;
    for (std::size_t c = 0; c < chunks; ++c) {
      frame.chunks.push_back({test_id(seed + f * chunks + c), 10});
    }
    pack.frames.push_back(std::move(frame));
  }
  pack.size = offset + 200;
  return pack;
}

Segment segment_of(const std::vector<PackContents>& packs,
                   const std::vector<SegmentName>& covers = {}, std::uint64_t name = 1) {
  SegmentBuilder builder;
  for (const PackContents& pack : packs) builder.add(pack);
  for (const SegmentName& cover : covers) builder.cover(cover);
  return Segment::from_memory(lcg_array<32>(name), builder.build());
}

// A segment with these ids in one frame.
Segment segment_with(const std::vector<ChunkId>& ids) {
  PackContents pack = fake_pack(1, 1, 0);
  for (const ChunkId& id : ids) pack.frames[0].chunks.push_back({id, 0});
  return segment_of({pack});
}

ChunkId id_of_number(std::uint64_t number, std::uint8_t tail = 0) {
  ChunkId id;
  for (std::size_t i = 0; i < 8; ++i) {
    id.bytes[i] = static_cast<std::uint8_t>(number >> (56 - 8 * i));
  }
  id.bytes[23] = tail;
  return id;
}

void expect_like_std(std::vector<ChunkId> ids, const std::vector<ChunkId>& wanted) {
  const Segment segment = segment_with(ids);
  std::sort(ids.begin(), ids.end());
  for (const ChunkId& id : wanted) {
    const auto expected = std::lower_bound(ids.begin(), ids.end(), id) - ids.begin();
    ASSERT_EQ(segment.lower_bound(id), static_cast<std::uint64_t>(expected))
        << to_hex(id.bytes) << " in " << ids.size();
  }
}

// The ids, their neighbours in order and the two ends of the range.
std::vector<ChunkId> around(const std::vector<ChunkId>& ids) {
  std::vector<ChunkId> wanted{ChunkId{}, id_of_number(~std::uint64_t{0}, 255)};
  for (const ChunkId& id : ids) {
    wanted.push_back(id);
    ChunkId next = id;
    ++next.bytes[23];
    wanted.push_back(next);
    ChunkId previous = id;
    --previous.bytes[23];
    wanted.push_back(previous);
  }
  ChunkId last;
  last.bytes.fill(0xff);
  wanted.push_back(last);
  return wanted;
}

TEST(Segment, LowerBoundOfUniformIds) {
  for (const std::size_t count : {0u, 1u, 2u, 63u, 64u, 65u, 100u, 1000u, 20'000u}) {
    std::vector<ChunkId> ids;
    for (std::size_t i = 0; i < count; ++i) ids.push_back(test_id(i));
    std::vector<ChunkId> wanted = around(ids);
    for (std::size_t i = 0; i < 2000; ++i) wanted.push_back(test_id(1'000'000 + i));
    expect_like_std(ids, wanted);
  }
}

TEST(Segment, LowerBoundOfAdversarialIds) {
  std::vector<std::vector<ChunkId>> sets(7);
  for (std::uint64_t i = 0; i < 1000; ++i) {
    sets[0].push_back(id_of_number(i));                                      // all at the low end
    sets[1].push_back(id_of_number(~std::uint64_t{0} - i));                  // all at the high end
    sets[2].push_back(id_of_number(i % 2 == 0 ? i : ~i));                    // both ends
    sets[3].push_back(id_of_number(0, static_cast<std::uint8_t>(i % 256)));  // one prefix
    sets[4].push_back(id_of_number(std::uint64_t{1} << (i % 64), static_cast<std::uint8_t>(i)));
    sets[5].push_back(id_of_number(std::uint64_t{1} << 63));  // one id, a thousand times
    sets[6].push_back(i == 0 ? ChunkId{} : id_of_number(~std::uint64_t{0}, 255));
  }
  for (const auto& ids : sets) {
    std::vector<ChunkId> wanted = around(ids);
    for (std::size_t i = 0; i < 200; ++i) wanted.push_back(test_id(i));
    expect_like_std(ids, wanted);
  }
}

TEST(Segment, BuilderKeepsEverything) {
  const std::vector<PackContents> packs{fake_pack(1, 3, 4), fake_pack(2000, 1, 5),
                                        fake_pack(3000, 0, 0)};
  const SegmentName covered = lcg_array<32>(50);
  const Segment segment = segment_of(packs, {covered}, 9);
  segment.check();
  EXPECT_EQ(segment.name(), lcg_array<32>(9));
  EXPECT_EQ(segment.packs(), 3u);
  EXPECT_EQ(segment.frames(), 4u);
  EXPECT_EQ(segment.chunks(), 17u);
  EXPECT_EQ(segment.sessions(), 2u);
  ASSERT_EQ(segment.covers(), 1u);
  EXPECT_EQ(segment.covered(0), covered);
  for (const PackContents& pack : packs) {
    for (const FrameEntry& frame : pack.frames) {
      std::uint32_t offset = 0;
      for (const ChunkEntry& entry : frame.chunks) {
        const ChunkLocation chunk = segment.chunk(segment.lower_bound(entry.id));
        EXPECT_EQ(chunk.id, entry.id);
        EXPECT_EQ(chunk.length, 10u);
        EXPECT_EQ(chunk.offset, offset);
        offset += 10;
        const FrameLocation location = segment.frame(chunk.frame);
        EXPECT_EQ(location.offset, frame.offset);
        EXPECT_EQ(location.sealed_length, 77u);
        EXPECT_EQ(location.header.number, frame.header.number);
        EXPECT_EQ(location.header.raw_length, frame.header.raw_length);
        EXPECT_EQ(location.header.method, FrameMethod::kZstd);
        EXPECT_EQ(segment.pack(location.pack).name, pack.name);
        EXPECT_EQ(segment.pack(location.pack).size, pack.size);
        EXPECT_EQ(segment.session(location.session), pack.sessions[0]);
      }
    }
  }
}

TEST(Segment, EveryIndexOutOfRangeIsCorrupt) {
  const Segment segment = segment_of({fake_pack(1, 1, 1)});
  expect_error(Code::kCorrupt, [&] { segment.pack(1); });
  expect_error(Code::kCorrupt, [&] { segment.session(1); });
  expect_error(Code::kCorrupt, [&] { segment.frame(1); });
  expect_error(Code::kCorrupt, [&] { segment.chunk(1); });
  expect_error(Code::kCorrupt, [&] { segment.covered(0); });
}

TEST(Segment, MergingKeepsAndCovers) {
  const Segment a =
      segment_of({fake_pack(1, 2, 3), fake_pack(2000, 1, 4)}, {lcg_array<32>(70)}, 61);
  const Segment b = segment_of({fake_pack(3000, 2, 2)}, {}, 62);
  SegmentBuilder builder;
  builder.add(a, true);
  builder.add(b, true);
  const Segment merged = Segment::from_memory({}, builder.build());
  merged.check();
  EXPECT_EQ(merged.packs(), 3u);
  EXPECT_EQ(merged.chunks(), 14u);
  std::vector<SegmentName> covered;
  for (std::uint32_t i = 0; i < merged.covers(); ++i) covered.push_back(merged.covered(i));
  EXPECT_EQ(covered, (std::vector<SegmentName>{a.name(), lcg_array<32>(70), b.name()}));
  for (const Segment* from : {&a, &b}) {
    for (std::uint64_t i = 0; i < from->chunks(); ++i) {
      const ChunkLocation old = from->chunk(i);
      const ChunkLocation now = merged.chunk(merged.lower_bound(old.id));
      EXPECT_EQ(now.id, old.id);
      EXPECT_EQ(merged.pack(merged.frame(now.frame).pack).name,
                from->pack(from->frame(old.frame).pack).name);
      EXPECT_EQ(merged.session(merged.frame(now.frame).session),
                from->session(from->frame(old.frame).session));
    }
  }
}

TEST(Segment, RejectedPacksLeaveNothing) {
  const PackContents kept = fake_pack(1, 2, 3);
  const PackContents gone = fake_pack(2000, 2, 3);
  const Segment segment = segment_of({gone, kept});
  SegmentBuilder builder;
  builder.add(segment, false, [&](const SegmentPack& pack) { return pack.name != gone.name; });
  const Segment rest = Segment::from_memory({}, builder.build());
  rest.check();
  EXPECT_EQ(rest.packs(), 1u);
  EXPECT_EQ(rest.frames(), 2u);
  EXPECT_EQ(rest.chunks(), 6u);
  EXPECT_EQ(rest.covers(), 0u);
  EXPECT_EQ(rest.pack(0).name, kept.name);
  EXPECT_EQ(rest.session(rest.frame(0).session), kept.sessions[0]);
}

TEST(Segment, WrongSizesAreCorrupt) {
  SegmentBuilder builder;
  builder.add(fake_pack(1, 2, 3));
  builder.cover(lcg_array<32>(1));
  const Bytes body = builder.build();
  EXPECT_NO_THROW(Segment::from_memory({}, body));
  for (std::size_t size = 0; size < body.size(); ++size) {
    const Bytes cut(body.begin(), body.begin() + static_cast<std::ptrdiff_t>(size));
    expect_error(Code::kCorrupt, [&] { Segment::from_memory({}, cut); });
  }
  Bytes longer = body;
  longer.push_back(0);
  expect_error(Code::kCorrupt, [&] { Segment::from_memory({}, longer); });
  // Every count, made larger or huge; and the version.
  for (const std::size_t at : {0u, 4u, 8u, 12u, 16u, 20u, 23u, 24u}) {
    for (const int change : {0x01, 0x80, 0xff}) {
      Bytes bad = body;
      bad[at] ^= static_cast<std::uint8_t>(change);
      expect_error(Code::kCorrupt, [&] { Segment::from_memory({}, bad); });
    }
  }
}

constexpr std::size_t kPackAt = 32 + 96;
constexpr std::size_t kFrameAt = kPackAt + 48;
constexpr std::size_t kChunkAt = kFrameAt + 2 * 32;

TEST(Segment, CheckFindsEveryBadEntry) {
  SegmentBuilder builder;
  builder.add(fake_pack(1, 2, 3));
  const Bytes body = builder.build();
  Segment::from_memory({}, body).check();
  struct Change {
    const char* what;
    std::size_t at;
    std::uint32_t value;
  };
  for (const Change& change :
       {Change{"class of a pack", kPackAt + 40, 2}, Change{"size of a pack", kPackAt + 32, 100},
        Change{"pack of a frame", kFrameAt, 1}, Change{"session of a frame", kFrameAt + 4, 1},
        Change{"offset of a frame", kFrameAt + 8, 0xffffffff},
        Change{"sealed length", kFrameAt + 12, 0xffffffff},
        Change{"raw length, huge", kFrameAt + 16, 0x7fffffff},
        Change{"raw length, too small", kFrameAt + 16, 29},
        Change{"kind of a frame", kFrameAt + 20, 3},
        Change{"method of a frame", kFrameAt + 20, 2 << 8},
        Change{"frame of a chunk", kChunkAt + 24, 2},
        Change{"offset of a chunk", kChunkAt + 28, 0xffffffff},
        Change{"length of a chunk", kChunkAt + 32, 31},
        Change{"order of the chunks", kChunkAt, 0xffffffff}}) {
    SCOPED_TRACE(change.what);
    Bytes bad = body;
    std::memcpy(bad.data() + change.at, &change.value, 4);
    const Segment segment = Segment::from_memory({}, bad);
    const auto error = error_of([&] { segment.check(); });
    ASSERT_TRUE(error);
    EXPECT_EQ(error->code(), Code::kCorrupt);
    EXPECT_FALSE(error->hint().empty());
  }
}

TEST(Segment, MappedEqualsInMemory) {
  TempDir directory;
  SegmentBuilder builder;
  builder.add(fake_pack(1, 5, 50));
  const Bytes body = builder.build();
  write_file_atomic(directory / "body", body);
  const Segment mapped = Segment::from_file({}, directory / "body");
  EXPECT_EQ(to_bytes(mapped.body()), body);
  mapped.check();
  EXPECT_EQ(mapped.chunk(mapped.lower_bound(test_id(17))).id, test_id(17));
}

// Segments are moved into vectors: a body in memory must stay where its view looks.
TEST(Segment, SurvivesMoves) {
  std::vector<Segment> segments;
  for (std::uint64_t i = 0; i < 20; ++i)
    segments.push_back(segment_of({fake_pack(i * 1000, 1, 9)}));
  for (std::uint64_t i = 0; i < 20; ++i) {
    segments[i].check();
    EXPECT_EQ(segments[i].pack(0).name, lcg_array<32>(i * 1000));
  }
}

TEST(SegmentObject, RoundTripsForEveryRoleOfTheVault) {
  HeldClock clock;
  MemoryStore store(clock);
  SegmentBuilder builder;
  builder.add(fake_pack(1, 1, 3));
  const Bytes body = builder.build();
  const SegmentName name = write_segment(store, test_ring().restricted_to(Role::kWriter), body);
  EXPECT_EQ(sha256(store.get(segment_key(name))), name);
  for (const Role role : {Role::kWriter, Role::kOperator, Role::kRestorer}) {
    EXPECT_EQ(read_segment(store, test_ring().restricted_to(role), name), body);
  }
  expect_error(Code::kCorrupt, [&] { read_segment(store, test_ring(2), name); });
  expect_error(Code::kNotFound, [&] { read_segment(store, test_ring(), lcg_array<32>(8)); });
}

TEST(SegmentObject, EveryChangedByteAndLengthIsCorrupt) {
  HeldClock clock;
  MemoryStore store(clock);
  SegmentBuilder builder;
  builder.add(fake_pack(1, 1, 3));
  const SegmentName name = write_segment(store, test_ring(), builder.build());
  const std::string key = segment_key(name);
  const Bytes object = store.get(key);
  for (std::size_t i = 0; i < object.size(); ++i) {
    overwrite(store, key, object);
    flip(store, key, i);
    expect_error(Code::kCorrupt, [&] { read_segment(store, test_ring(), name); });
    overwrite(store, key, ByteView(object).first(i));
    expect_error(Code::kCorrupt, [&] { read_segment(store, test_ring(), name); });
  }
}

TEST(SegmentObject, KeysAreParsed) {
  const SegmentName name = sha256({});
  EXPECT_EQ(parse_segment_key(segment_key(name)), name);
  const std::string key = segment_key(name);
  std::string upper = key;
  upper[6] = 'E';
  for (const std::string& bad : {std::string(), std::string("index/"), key + "0", upper, "x" + key,
                                 "index/" + std::string(64, 'z'), key.substr(0, key.size() - 1)}) {
    EXPECT_FALSE(parse_segment_key(bad)) << bad;
  }
}

}  // namespace
}  // namespace holdfast
