// Names and references of the vault; layouts are those of docs/FORMAT.md.
#pragma once

#include <array>
#include <compare>
#include <cstring>
#include <string>

#include "base/bytes.h"
#include "base/wire.h"
#include "codec/hash.h"

namespace holdfast {

using VaultId = std::array<std::uint8_t, 16>;
using SessionId = std::array<std::uint8_t, 16>;
using PackName = Digest;  // SHA-256 of the whole pack

// The first 24 bytes of HMAC(K_id, content).
struct ChunkId {
  std::array<std::uint8_t, 24> bytes{};
  auto operator<=>(const ChunkId&) const = default;
};

// Chunk ids and pack names are uniformly distributed: their first bytes are the hash.
struct ChunkIdHash {
  std::size_t operator()(const ChunkId& id) const {
    std::size_t hash = 0;
    std::memcpy(&hash, id.bytes.data(), sizeof hash);
    return hash;
  }
};
struct DigestHash {
  std::size_t operator()(const Digest& digest) const {
    std::size_t hash = 0;
    std::memcpy(&hash, digest.data(), sizeof hash);
    return hash;
  }
};

enum class ChunkKind : std::uint8_t { kData = 0, kTree = 1, kRefs = 2 };

inline constexpr std::uint32_t kMaxChunk = (4u << 20) - 1;
inline constexpr std::size_t kRefSize = 28;

// A pointer to a chunk: 28 bytes on disk.
struct Ref {
  ChunkId id;
  std::uint32_t length = 0;  // bytes of the chunk, at most kMaxChunk
  ChunkKind kind = ChunkKind::kData;
  bool operator==(const Ref&) const = default;
};

inline void write_ref(WireWriter& out, const Ref& ref) {
  out.raw(ref.id.bytes);
  out.fixed(static_cast<std::uint32_t>(ref.kind) << 30 | ref.length);
}

// Throws Error(kCorrupt) on a kind or length that no writer makes.
inline Ref read_ref(WireReader& in) {
  Ref ref;
  const ByteView id = in.raw(ref.id.bytes.size());
  std::memcpy(ref.id.bytes.data(), id.data(), id.size());
  const auto word = in.fixed<std::uint32_t>();
  ref.length = word & 0x3fffffff;
  if (word >> 30 > 2 || ref.length > kMaxChunk) {
    throw Error(Code::kCorrupt, "a reference is damaged");
  }
  ref.kind = static_cast<ChunkKind>(word >> 30);
  return ref;
}

template <std::size_t Size>
std::array<std::uint8_t, Size> to_array(ByteView bytes) {
  if (bytes.size() != Size) throw Error(Code::kCorrupt, "a value has the wrong length");
  std::array<std::uint8_t, Size> out;
  std::memcpy(out.data(), bytes.data(), Size);
  return out;
}

}  // namespace holdfast
