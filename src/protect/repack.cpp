#include "protect/repack.h"

#include <algorithm>

namespace holdfast {
namespace {

PackClass class_of(ChunkKind kind) {
  return kind == ChunkKind::kData ? PackClass::kData : PackClass::kMeta;
}

}  // namespace

Repacker::Repacker(const Vault& vault, FrameReader& frames, int level)
    : vault_(vault), frames_(frames), level_(level), session_(new_session(vault.ring())) {}

PackWriter& Repacker::pack(PackClass pack_class) {
  auto& slot = packs_[static_cast<std::size_t>(pack_class)];
  if (!slot) slot = std::make_unique<PackWriter>(vault_.store(), pack_class, vault_.ring());
  return *slot;
}

void Repacker::end_pack(PackClass pack_class) {
  auto& slot = packs_[static_cast<std::size_t>(pack_class)];
  if (!slot) return;
  const PackContents contents = slot->finish();
  slot.reset();
  bytes_written_ += contents.size;
  index_.add(contents);
}

void Repacker::move(FrameKey key, const std::vector<ChunkEntry>& chunks,
                    const std::function<bool(const ChunkId&)>& keep) {
  const auto kept = std::count_if(chunks.begin(), chunks.end(),
                                  [&](const ChunkEntry& chunk) { return keep(chunk.id); });
  if (kept == 0) return;
  const FrameLocation frame = frames_.index().segments()[key.segment].frame(key.frame);
  const ChunkKind kind = frame.header.kind;
  const bool can_open = kind == ChunkKind::kRefs || vault_.ring().can_read();
  if (!can_open || kept == static_cast<std::ptrdiff_t>(chunks.size())) {
    move_whole(key, chunks);
    return;
  }
  Bytes raw;
  frames_.read(key, raw);
  Making& making = making_[static_cast<std::size_t>(kind)];
  std::size_t offset = 0;
  for (const ChunkEntry& chunk : chunks) {
    if (keep(chunk.id)) {
      append(making.raw, ByteView(raw).subspan(offset, chunk.length));
      making.chunks.push_back(chunk);
    }
    offset += chunk.length;
  }
  if (making.raw.size() >= vault_.parameters().frame_bytes) seal(kind);
}

void Repacker::move_whole(FrameKey key, const std::vector<ChunkEntry>& chunks) {
  const Segment& segment = frames_.index().segments()[key.segment];
  const FrameLocation frame = segment.frame(key.frame);
  const SegmentPack from = segment.pack(frame.pack);
  Bytes sealed(frame.sealed_length);
  vault_.store().read(pack_key(from.pack_class, from.name), frame.offset, sealed);
  const PackClass pack_class = class_of(frame.header.kind);
  pack(pack_class).append(segment.session(frame.session), frame.header, sealed, chunks);
  if (pack(pack_class).size() >= vault_.parameters().pack_bytes) end_pack(pack_class);
}

void Repacker::seal(ChunkKind kind) {
  Making& making = making_[static_cast<std::size_t>(kind)];
  if (making.chunks.empty()) return;
  FrameHeader header;
  header.number = next_frame_++;
  header.kind = kind;
  Bytes sealed;
  seal_frame(session_.keys, vault_.parameters().id, header, making.raw, level_, sealed);
  const PackClass pack_class = class_of(kind);
  pack(pack_class).append(session_.block, header, sealed, std::move(making.chunks));
  making = Making();
  if (pack(pack_class).size() >= vault_.parameters().pack_bytes) end_pack(pack_class);
}

SegmentBuilder Repacker::finish() {
  for (const ChunkKind kind : {ChunkKind::kData, ChunkKind::kTree, ChunkKind::kRefs}) seal(kind);
  end_pack(PackClass::kData);
  end_pack(PackClass::kMeta);
  return std::move(index_);
}

}  // namespace holdfast
