#include "vault/pack.h"

#include <gtest/gtest.h>

#include "codec/hash.h"
#include "store/expect_error.h"
#include "vault/test_vault.h"

namespace holdfast {
namespace {

// A pack of two sessions with three frames of two chunks each.
struct TestPack {
  explicit TestPack(PackClass pack_class = PackClass::kData) {
    PackWriter writer(store, pack_class, ring);
    for (std::uint64_t i = 0; i < 3; ++i) {
      const Session& session = sessions[i / 2];
      const Bytes raw = raw_frame(i);
      FrameHeader header{.number = i, .kind = kind_of(pack_class)};
      Bytes sealed;
      seal_frame(session.keys, ring.vault, header, raw, 1, sealed);
      writer.append(session.block, header, sealed,
                    {{test_id(2 * i), 10}, {test_id(2 * i + 1), 20}});
    }
    written = writer.finish();
    key = pack_key(pack_class, written.name);
    object = store.get(key);
  }

  static ChunkKind kind_of(PackClass pack_class) {
    return pack_class == PackClass::kData ? ChunkKind::kData : ChunkKind::kRefs;
  }
  static Bytes raw_frame(std::uint64_t i) { return lcg_bytes(30, i); }
  PackContents read() { return read_pack_contents(store, key, store.stat(key)->size, ring); }

  // Reads the table of contents and every frame; throws, or has found what was written.
  void read_all(const KeyRing& with) {
    const PackContents contents = read_pack_contents(store, key, store.stat(key)->size, with);
    ASSERT_EQ(contents.frames.size(), 3u);
    for (std::size_t i = 0; i < 3; ++i) {
      const FrameEntry& frame = contents.frames[i];
      Bytes sealed(frame.sealed_length), raw;
      store.read(key, frame.offset, sealed);
      open_frame(open_session(contents.sessions.at(frame.session), with), with.vault, frame.header,
                 sealed, raw);
      ASSERT_EQ(raw, raw_frame(i));
      ASSERT_EQ(frame.chunks.size(), 2u);
      ASSERT_EQ(frame.chunks[0].id, test_id(2 * i));
      ASSERT_EQ(frame.chunks[1].length, 20u);
    }
  }

  HeldClock clock;
  MemoryStore store{clock};
  KeyRing ring = test_ring();
  Session sessions[2] = {new_session(ring), new_session(ring)};
  PackContents written;
  std::string key;
  Bytes object;
};

TEST(Pack, RoundTrips) {
  for (const PackClass pack_class : {PackClass::kData, PackClass::kMeta}) {
    TestPack pack(pack_class);
    pack.read_all(pack.ring);
    const PackContents contents = pack.read();
    EXPECT_EQ(contents.name, sha256(pack.object));
    EXPECT_EQ(contents.size, pack.object.size());
    EXPECT_EQ(contents.pack_class, pack_class);
    ASSERT_EQ(contents.sessions.size(), 2u);
    EXPECT_EQ(contents.sessions[1], pack.sessions[1].block);
    for (std::size_t i = 0; i < 3; ++i) {
      const FrameEntry& read = contents.frames[i];
      const FrameEntry& written = pack.written.frames[i];
      EXPECT_EQ(read.offset, written.offset);
      EXPECT_EQ(read.session, written.session);
      EXPECT_EQ(read.sealed_length, written.sealed_length);
      EXPECT_EQ(read.header.number, i);
    }
  }
}

TEST(Pack, EveryRoleReadsTheTableOfContents) {
  TestPack pack;
  for (const Role role : {Role::kWriter, Role::kOperator}) {
    const auto contents =
        read_pack_contents(pack.store, pack.key, pack.object.size(), pack.ring.restricted_to(role));
    EXPECT_EQ(contents.frames.size(), 3u);
  }
  expect_error(Code::kCorrupt,
               [&] { read_pack_contents(pack.store, pack.key, pack.object.size(), test_ring(2)); });
}

TEST(Pack, TruncatedAtEveryLengthIsCorrupt) {
  TestPack pack;
  for (std::size_t size = 0; size < pack.object.size(); ++size) {
    overwrite(pack.store, pack.key, ByteView(pack.object).first(size));
    expect_error(Code::kCorrupt, [&] { pack.read(); });
    // The index may remember the old size.
    expect_error(Code::kCorrupt,
                 [&] { read_pack_contents(pack.store, pack.key, pack.object.size(), pack.ring); });
  }
}

TEST(Pack, GrownIsCorrupt) {
  TestPack pack;
  Bytes longer = pack.object;
  longer.push_back(0);
  overwrite(pack.store, pack.key, longer);
  expect_error(Code::kCorrupt, [&] { pack.read(); });
}

TEST(Pack, EveryChangedByteIsCorrupt) {
  TestPack pack;
  for (std::size_t i = 0; i < pack.object.size(); ++i) {
    for (const int change : {0x01, 0x80, 0xff}) {
      Bytes bad = pack.object;
      bad[i] ^= static_cast<std::uint8_t>(change);
      overwrite(pack.store, pack.key, bad);
      const auto error = error_of([&] { pack.read_all(pack.ring); });
      ASSERT_TRUE(error) << "byte " << i;
      ASSERT_EQ(error->code(), Code::kCorrupt) << error->what();
    }
  }
}

TEST(Pack, AbsentIsNotFound) {
  TestPack pack;
  pack.store.remove(pack.key);
  expect_error(Code::kNotFound,
               [&] { read_pack_contents(pack.store, pack.key, pack.object.size(), pack.ring); });
}

TEST(Pack, KeysAreParsedStrictly) {
  const PackName name = sha256({});
  const std::string data = pack_key(PackClass::kData, name);
  EXPECT_EQ(data, "data/e3/e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(parse_pack_key(data), (std::pair{PackClass::kData, name}));
  EXPECT_EQ(parse_pack_key(pack_key(PackClass::kMeta, name)), (std::pair{PackClass::kMeta, name}));
  std::string other = data;
  other[5] = 'f';
  std::string upper = data;
  upper[8] = 'E';
  for (const std::string& key :
       {std::string(), other, upper, data + "0", data.substr(0, data.size() - 1), "x" + data,
        "data/e3/" + std::string(64, 'g'), "rata" + data.substr(4)}) {
    EXPECT_FALSE(parse_pack_key(key)) << key;
  }
}

Bytes trailer(const std::function<void(WireWriter&)>& write) {
  Bytes body;
  WireWriter out(body);
  write(out);
  return body;
}

struct TrailerCase {
  const char* what;
  std::uint64_t session, sealed, raw, chunk;
  std::uint8_t kind, method;
};

// Whoever holds the shared key can write any trailer.
TEST(Trailer, NonsenseIsCorrupt) {
  const auto parse = [](const TrailerCase& c, std::uint64_t end) {
    PackContents contents;
    parse_trailer(trailer([&](WireWriter& out) {
                    out.varint(1);
                    out.raw(Bytes(kSessionBlockSize, 1));
                    out.varint(1);
                    out.varint(c.session);
                    out.varint(9);
                    out.fixed(c.kind);
                    out.fixed(c.method);
                    out.varint(c.sealed);
                    out.varint(c.raw);
                    out.varint(1);
                    out.raw(Bytes(24, 1));
                    out.varint(c.chunk);
                  }),
                  end, contents);
  };
  EXPECT_NO_THROW(parse({"sound", 0, 100, 50, 50, 0, 0}, 108));
  for (const TrailerCase& c :
       {TrailerCase{"session", 1, 100, 50, 50, 0, 0}, TrailerCase{"kind", 0, 100, 50, 50, 3, 0},
        TrailerCase{"method", 0, 100, 50, 50, 0, 2}, TrailerCase{"short", 0, 99, 50, 50, 0, 0},
        TrailerCase{"long", 0, 101, 50, 50, 0, 0}, TrailerCase{"chunk", 0, 100, 50, 51, 0, 0},
        TrailerCase{"raw", 0, 100, 1u << 30, 1u << 30, 0, 0},
        TrailerCase{"64 bits", 0, (1ull << 32) + 100, 50, 50, 0, 0}}) {
    SCOPED_TRACE(c.what);
    expect_error(Code::kCorrupt, [&] { parse(c, 108); });
  }
}

TEST(Trailer, TruncatedOrExtendedIsCorrupt) {
  const Bytes body = trailer([](WireWriter& out) {
    out.varint(1);
    out.raw(Bytes(kSessionBlockSize, 1));
    out.varint(1);
    for (const int value : {0, 3}) out.varint(static_cast<std::uint64_t>(value));
    out.raw(Bytes{0, 0});
    for (const int value : {100, 50, 1}) out.varint(static_cast<std::uint64_t>(value));
    out.raw(Bytes(24, 1));
    out.varint(50);
  });
  const auto parse = [](ByteView bytes) {
    PackContents contents;
    parse_trailer(bytes, 108, contents);
  };
  EXPECT_NO_THROW(parse(body));
  for (std::size_t size = 0; size < body.size(); ++size) {
    expect_error(Code::kCorrupt, [&] { parse(ByteView(body).first(size)); });
  }
  Bytes longer = body;
  longer.push_back(0);
  expect_error(Code::kCorrupt, [&] { parse(longer); });
}

TEST(Trailer, HugeCountsRunOutOfDataInsteadOfMemory) {
  for (const int field : {0, 1}) {
    const Bytes body = trailer([&](WireWriter& out) {
      if (field == 1) out.varint(0);
      out.varint(~std::uint64_t{0});
    });
    PackContents contents;
    expect_error(Code::kCorrupt, [&] { parse_trailer(body, 8, contents); });
  }
}

}  // namespace
}  // namespace holdfast
