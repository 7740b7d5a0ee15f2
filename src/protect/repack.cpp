#include "protect/repack.h"

#include <algorithm>
#include <functional>

#include "base/error.h"

namespace holdfast {
namespace {

PackClass class_of(ChunkKind kind) {
  return kind == ChunkKind::kData ? PackClass::kData : PackClass::kMeta;
}

std::vector<ChunkId> ids_of_kept(const std::vector<Repacker::Copy>& copies) {
  std::vector<ChunkId> ids;
  for (const Repacker::Copy& copy : copies) {
    if (copy.keep) ids.push_back(copy.chunk.id);
  }
  return ids;
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

std::vector<ChunkId> Repacker::move(FrameKey key, const std::vector<Copy>& copies) {
  const auto kept = std::count_if(copies.begin(), copies.end(), std::mem_fn(&Copy::keep));
  if (kept == 0) return {};
  Bytes sealed;
  frames_.fetch(key, sealed);
  const ChunkKind kind = frames_.index().segments()[key.segment].frame(key.frame).header.kind;
  if (kind != ChunkKind::kRefs && !vault_.ring().can_read()) {
    move_whole(key, sealed, copies);  // of a pack whose hash was checked
    return {};
  }
  Bytes opened = sealed;
  Bytes raw;
  try {
    frames_.open(key, opened, raw);
  } catch (const Error& error) {
    if (error.code() != Code::kCorrupt) throw;
    return ids_of_kept(copies);
  }
  std::vector<ChunkId> damaged = find_damaged(raw, copies);
  if (!damaged.empty()) return damaged;
  if (kept == static_cast<std::ptrdiff_t>(copies.size())) {
    move_whole(key, sealed, copies);
  } else {
    move_kept(kind, raw, copies);
  }
  return {};
}

std::vector<ChunkId> Repacker::find_damaged(ByteView raw, const std::vector<Copy>& copies) const {
  std::size_t size = 0;
  std::vector<ByteView> contents;
  for (const Copy& copy : copies) {
    if (size + copy.chunk.length > raw.size()) return ids_of_kept(copies);
    contents.push_back(raw.subspan(size, copy.chunk.length));
    size += copy.chunk.length;
  }
  std::vector<ChunkId> damaged;
  if (!vault_.ring().id) return damaged;  // the frame's own tag has to do
  const std::vector<ChunkId> ids = vault_.ids_of(contents);
  for (std::size_t i = 0; i < copies.size(); ++i) {
    if (copies[i].keep && ids[i] != copies[i].chunk.id) damaged.push_back(copies[i].chunk.id);
  }
  return damaged;
}

void Repacker::move_kept(ChunkKind kind, ByteView raw, const std::vector<Copy>& copies) {
  Making& making = making_[static_cast<std::size_t>(kind)];
  std::size_t offset = 0;
  for (const Copy& copy : copies) {
    if (copy.keep) {
      append(making.raw, raw.subspan(offset, copy.chunk.length));
      making.chunks.push_back(copy.chunk);
      // Not only at the end: a frame has a greatest length.
      if (making.raw.size() >= vault_.parameters().frame_bytes) seal(kind);
    }
    offset += copy.chunk.length;
  }
}

void Repacker::move_whole(FrameKey key, ByteView sealed, const std::vector<Copy>& copies) {
  const Segment& segment = frames_.index().segments()[key.segment];
  const FrameLocation frame = segment.frame(key.frame);
  std::vector<ChunkEntry> chunks;
  for (const Copy& copy : copies) chunks.push_back(copy.chunk);
  const PackClass pack_class = class_of(frame.header.kind);
  pack(pack_class).append(segment.session(frame.session), frame.header, sealed, std::move(chunks));
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
