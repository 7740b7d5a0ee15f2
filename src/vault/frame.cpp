#include "vault/frame.h"

#include <algorithm>

#include "base/error.h"
#include "codec/compress.h"

namespace holdfast {
namespace {

Key shared_session_key(const KeyRing& ring, const SessionId& id) {
  return hkdf(ring.shared, id, "holdfast session 1");
}

Bytes associated_data(const SessionId& session, const VaultId& vault, const FrameHeader& header) {
  Bytes data = to_bytes(as_bytes("HFF1"));
  append(data, vault);
  append(data, session);
  WireWriter out(data);
  out.fixed(header.number);
  out.fixed(static_cast<std::uint8_t>(header.kind));
  out.fixed(static_cast<std::uint8_t>(header.method));
  out.fixed(header.raw_length);
  return data;
}

const Key& frame_key(const SessionKeys& keys, ChunkKind kind) {
  if (kind == ChunkKind::kRefs) return keys.shared;
  if (!keys.content) {
    throw Error(Code::kDenied, "this key cannot read content",
                "use a restorer key: --key-file, or the recovery sheet");
  }
  return *keys.content;
}

void open_bytes(const SessionKeys& keys, const VaultId& vault, const FrameHeader& header,
                ByteView sealed, MutableBytes plain) {
  if (!open_into(frame_key(keys, header.kind), counter_nonce(header.number),
                 associated_data(keys.id, vault, header), sealed, plain)) {
    throw Error(Code::kCorrupt, "a frame does not authenticate");
  }
}

}  // namespace

Session new_session(const KeyRing& ring) {
  Session session;
  session.keys.id = random_array<16>();
  session.keys.content = random_array<32>();
  session.keys.shared = shared_session_key(ring, session.keys.id);
  const Bytes box = box_seal(ring.content_public, *session.keys.content);
  std::copy(session.keys.id.begin(), session.keys.id.end(), session.block.begin());
  std::copy(box.begin(), box.end(), session.block.begin() + 16);
  return session;
}

SessionKeys open_session(const SessionBlock& block, const KeyRing& ring) {
  const ByteView view(block);
  SessionKeys keys;
  keys.id = to_array<16>(view.first(16));
  keys.shared = shared_session_key(ring, keys.id);
  if (ring.content_secret) {
    keys.content = to_array<32>(box_open(*ring.content_secret, view.subspan(16)));
  }
  return keys;
}

void seal_frame(const SessionKeys& keys, const VaultId& vault, FrameHeader& header, ByteView raw,
                int level, Bytes& sealed) {
  if (raw.size() > kMaxFrame) throw Error(Code::kInternal, "a frame is too long to be read again");
  header.raw_length = static_cast<std::uint32_t>(raw.size());
  const ByteView compressed = compress(raw, level);
  // What saves less than one part in 64 is not worth the time to decompress it.
  const bool smaller = compressed.size() + raw.size() / 64 < raw.size();
  header.method = smaller ? FrameMethod::kZstd : FrameMethod::kStored;
  sealed.clear();
  seal(frame_key(keys, header.kind), counter_nonce(header.number),
       associated_data(keys.id, vault, header), smaller ? compressed : raw, sealed);
}

void open_frame(const SessionKeys& keys, const VaultId& vault, const FrameHeader& header,
                MutableBytes sealed, Bytes& raw) {
  const std::size_t plain = sealed.size() < kTagSize ? 0 : sealed.size() - kTagSize;
  if (header.method == FrameMethod::kStored) {
    raw.resize(plain);
    open_bytes(keys, vault, header, sealed, raw);
    if (raw.size() != header.raw_length) throw Error(Code::kCorrupt, "a frame has a wrong length");
    return;
  }
  open_bytes(keys, vault, header, sealed, sealed.first(plain));
  raw.resize(header.raw_length);
  decompress_into(sealed.first(plain), raw);
}

}  // namespace holdfast
