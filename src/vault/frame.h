// Sessions and frames: chunks are compressed and sealed together; docs/FORMAT.md, "Sessions and
// frames".
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "codec/aead.h"
#include "vault/ids.h"
#include "vault/keyring.h"

namespace holdfast {

inline constexpr std::size_t kSessionBlockSize = 96;
using SessionBlock = std::array<std::uint8_t, kSessionBlockSize>;

// The keys of one writing session. `content` is empty for whoever may not read content.
struct SessionKeys {
  SessionId id{};
  std::optional<Key> content;
  Key shared{};
};

// A fresh session and the block that travels with everything it writes.
struct Session {
  SessionKeys keys;
  SessionBlock block{};
};
Session new_session(const KeyRing& ring);

// Opens a block as far as `ring` can. Throws Error(kCorrupt) when a restorer cannot open it.
SessionKeys open_session(const SessionBlock& block, const KeyRing& ring);

// Raw bytes. What is written has less: `frame` bytes of the vault's parameters, and what the last
// chunks exceed it by. Programs up to 2026-11 wrote up to three times `frame` when they pruned.
inline constexpr std::uint32_t kMaxFrame = 2 * (kMaxChunk + 1);
inline constexpr std::uint32_t kMaxReadFrame = 2 * kMaxFrame;

enum class FrameMethod : std::uint8_t { kStored = 0, kZstd = 1 };

// What one must know of a frame to open it, besides its keys.
struct FrameHeader {
  std::uint64_t number = 0;
  ChunkKind kind = ChunkKind::kData;
  FrameMethod method = FrameMethod::kStored;
  std::uint32_t raw_length = 0;
};

// Compresses and seals `raw` into `sealed` (replaced). Sets the method of `header`. Thread-safe.
void seal_frame(const SessionKeys& keys, const VaultId& vault, FrameHeader& header, ByteView raw,
                int level, Bytes& sealed);

// Opens a frame into `raw` (resized); `sealed` is scratch memory afterwards. Throws Error(kDenied)
// without the content key, Error(kCorrupt) when it was altered. Thread-safe.
void open_frame(const SessionKeys& keys, const VaultId& vault, const FrameHeader& header,
                MutableBytes sealed, Bytes& raw);

}  // namespace holdfast
