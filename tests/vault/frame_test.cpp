#include "vault/frame.h"

#include <gtest/gtest.h>

#include "store/expect_error.h"
#include "vault/test_vault.h"

namespace holdfast {
namespace {

const VaultId kVault = lcg_array<16>(1);

struct Sealed {
  Session session = new_session(test_ring());
  FrameHeader header{.number = 5, .kind = ChunkKind::kData};
  Bytes raw;
  Bytes sealed;

  explicit Sealed(Bytes content = Bytes(1000, 'x'), ChunkKind kind = ChunkKind::kData)
      : raw(std::move(content)) {
    header.kind = kind;
    seal_frame(session.keys, kVault, header, raw, 1, sealed);
  }
  Bytes opened(const SessionKeys& keys) const {
    Bytes scratch = sealed, out;
    open_frame(keys, kVault, header, scratch, out);
    return out;
  }
};

TEST(Session, BlockOpensAsFarAsTheRoleAllows) {
  const KeyRing ring = test_ring();
  const Session session = new_session(ring);
  const SessionKeys full = open_session(session.block, ring);
  EXPECT_EQ(full.id, session.keys.id);
  EXPECT_EQ(full.content, session.keys.content);
  EXPECT_EQ(full.shared, session.keys.shared);
  for (const Role role : {Role::kWriter, Role::kOperator}) {
    const SessionKeys keys = open_session(session.block, ring.restricted_to(role));
    EXPECT_EQ(keys.id, session.keys.id);
    EXPECT_EQ(keys.shared, session.keys.shared);
    EXPECT_FALSE(keys.content);
  }
}

TEST(Session, BlockOfAnotherVaultOrAlteredIsCorrupt) {
  const Session session = new_session(test_ring());
  expect_error(Code::kCorrupt, [&] { open_session(session.block, test_ring(2)); });
  for (std::size_t i = 16; i < kSessionBlockSize; ++i) {
    SessionBlock block = session.block;
    block[i] ^= 1;
    expect_error(Code::kCorrupt, [&] { open_session(block, test_ring()); });
  }
}

TEST(Session, EachHasItsOwnKeys) {
  const Session a = new_session(test_ring());
  const Session b = new_session(test_ring());
  EXPECT_NE(a.keys.id, b.keys.id);
  EXPECT_NE(a.keys.content, b.keys.content);
  EXPECT_NE(a.keys.shared, b.keys.shared);
}

TEST(Frame, RoundTripsStoredAndCompressed) {
  for (const std::size_t size : {0u, 1u, 100u, 5000u, 1u << 20}) {
    const Sealed zeros(Bytes(size, 0));
    EXPECT_EQ(zeros.opened(zeros.session.keys), zeros.raw);
    const Sealed random(lcg_bytes(size, 1));
    EXPECT_EQ(random.opened(random.session.keys), random.raw);
    EXPECT_EQ(random.header.method, FrameMethod::kStored);
    EXPECT_EQ(random.sealed.size(), size + kTagSize);
    if (size >= 5000) {
      EXPECT_EQ(zeros.header.method, FrameMethod::kZstd);
      EXPECT_LT(zeros.sealed.size(), size / 10);
    }
  }
}

TEST(Frame, WritersAndOperatorsReadReferencesOnly) {
  for (const Role role : {Role::kWriter, Role::kOperator}) {
    for (const ChunkKind kind : {ChunkKind::kData, ChunkKind::kTree, ChunkKind::kRefs}) {
      const Sealed frame(Bytes(100, 'a'), kind);
      const SessionKeys keys = open_session(frame.session.block, test_ring().restricted_to(role));
      if (kind == ChunkKind::kRefs) {
        EXPECT_EQ(frame.opened(keys), frame.raw);
        continue;
      }
      const auto error = error_of([&] { frame.opened(keys); });
      ASSERT_TRUE(error);
      EXPECT_EQ(error->code(), Code::kDenied);
      EXPECT_FALSE(error->hint().empty());
    }
  }
}

TEST(Frame, IsBoundToItsPlace) {
  const Sealed frame;
  const auto refused = [&](const SessionKeys& keys, const VaultId& vault,
                           const FrameHeader& header) {
    Bytes scratch = frame.sealed, out;
    const auto error = error_of([&] { open_frame(keys, vault, header, scratch, out); });
    ASSERT_TRUE(error);
    EXPECT_EQ(error->code(), Code::kCorrupt);
    // By the tag, before anything is decompressed.
    EXPECT_NE(error->message().find("does not authenticate"), std::string::npos);
  };
  const SessionKeys& keys = frame.session.keys;
  EXPECT_EQ(frame.opened(keys), frame.raw);
  refused(keys, lcg_array<16>(2), frame.header);
  FrameHeader other = frame.header;
  other.number = 6;
  refused(keys, kVault, other);
  for (const ChunkKind kind : {ChunkKind::kTree, ChunkKind::kRefs}) {
    other = frame.header;
    other.kind = kind;
    refused(keys, kVault, other);
  }
  other = frame.header;
  other.method = FrameMethod::kStored;
  refused(keys, kVault, other);
  for (const std::uint32_t length : {0u, 999u, 1001u}) {
    other = frame.header;
    other.raw_length = length;
    refused(keys, kVault, other);
  }
  SessionKeys renamed = keys;
  renamed.id[0] ^= 1;
  refused(renamed, kVault, frame.header);
  refused(new_session(test_ring()).keys, kVault, frame.header);
}

TEST(Frame, FramesOfOneSessionCannotBeSwapped) {
  const Session session = new_session(test_ring());
  FrameHeader a{.number = 1, .kind = ChunkKind::kData};
  FrameHeader b{.number = 2, .kind = ChunkKind::kData};
  Bytes sealed_a, sealed_b, out;
  seal_frame(session.keys, kVault, a, lcg_bytes(100, 1), 1, sealed_a);
  seal_frame(session.keys, kVault, b, lcg_bytes(100, 2), 1, sealed_b);
  expect_error(Code::kCorrupt, [&] { open_frame(session.keys, kVault, a, sealed_b, out); });
  expect_error(Code::kCorrupt, [&] { open_frame(session.keys, kVault, b, sealed_a, out); });
}

TEST(Frame, EveryChangedByteAndLengthIsCorrupt) {
  for (const ChunkKind kind : {ChunkKind::kData, ChunkKind::kRefs}) {
    for (const Bytes& raw : {Bytes(1000, 'x'), lcg_bytes(50, 1)}) {
      Sealed frame(raw, kind);
      for (std::size_t i = 0; i < frame.sealed.size(); ++i) {
        Bytes out, bad = frame.sealed;
        bad[i] ^= 1;
        const SessionKeys& keys = frame.session.keys;
        expect_error(Code::kCorrupt, [&] { open_frame(keys, kVault, frame.header, bad, out); });
        Bytes cut(frame.sealed.begin(), frame.sealed.begin() + static_cast<std::ptrdiff_t>(i));
        expect_error(Code::kCorrupt, [&] { open_frame(keys, kVault, frame.header, cut, out); });
      }
    }
  }
}

}  // namespace
}  // namespace holdfast
