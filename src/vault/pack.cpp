#include "vault/pack.h"

#include <algorithm>

#include "base/error.h"
#include "codec/compress.h"
#include "os/processors.h"

namespace holdfast {
namespace {

constexpr std::string_view kHead = "HFPACK1\n";
constexpr std::string_view kTail = "HFPEND1\n";
constexpr std::size_t kFooterSize = 56;
constexpr std::size_t kMaxTrailer = 256u << 20;
constexpr unsigned kLeastRemotePacks = 4;

Bytes trailer_associated(const VaultId& vault) {
  Bytes data = to_bytes(as_bytes("HFT1"));
  append(data, vault);
  return data;
}

Key trailer_key(const KeyRing& ring, ByteView salt) {
  return hkdf(ring.shared, salt, "holdfast trailer 1");
}

Bytes encode_trailer(const PackContents& contents) {
  Bytes body;
  WireWriter out(body);
  out.varint(contents.sessions.size());
  for (const SessionBlock& block : contents.sessions) out.raw(block);
  out.varint(contents.frames.size());
  for (const FrameEntry& frame : contents.frames) {
    out.varint(frame.session);
    out.varint(frame.header.number);
    out.fixed(static_cast<std::uint8_t>(frame.header.kind));
    out.fixed(static_cast<std::uint8_t>(frame.header.method));
    out.varint(frame.sealed_length);
    out.varint(frame.header.raw_length);
    out.varint(frame.chunks.size());
    for (const ChunkEntry& chunk : frame.chunks) {
      out.raw(chunk.id.bytes);
      out.varint(chunk.length);
    }
  }
  return body;
}

[[noreturn]] void damaged(const char* what) {
  throw Error(Code::kCorrupt, std::string("the pack's table of contents is damaged: ") + what);
}

std::uint32_t u32_varint(WireReader& in) {
  const std::uint64_t value = in.varint();
  if (value > 0xffffffffu) damaged("a number is too large");
  return static_cast<std::uint32_t>(value);
}

FrameEntry parse_frame(WireReader& in, std::size_t sessions, std::uint64_t& offset,
                       std::uint64_t frames_end) {
  FrameEntry frame;
  frame.session = u32_varint(in);
  frame.header.number = in.varint();
  const auto kind = in.fixed<std::uint8_t>();
  const auto method = in.fixed<std::uint8_t>();
  if (frame.session >= sessions || kind > 2 || method > 1) damaged("an unknown kind of frame");
  frame.header.kind = static_cast<ChunkKind>(kind);
  frame.header.method = static_cast<FrameMethod>(method);
  frame.sealed_length = u32_varint(in);
  frame.header.raw_length = u32_varint(in);
  frame.offset = static_cast<std::uint32_t>(offset);
  offset += frame.sealed_length;
  if (offset > frames_end || frame.header.raw_length > kMaxReadFrame) {
    damaged("a frame is out of bounds");
  }
  std::uint64_t raw = 0;
  for (std::uint64_t left = in.varint(); left > 0; --left) {
    ChunkEntry chunk;
    chunk.id.bytes = to_array<24>(in.raw(24));
    chunk.length = u32_varint(in);
    raw += chunk.length;
    frame.chunks.push_back(chunk);
  }
  if (raw != frame.header.raw_length) damaged("a frame's chunks do not fill it");
  return frame;
}

}  // namespace

std::string pack_key(PackClass pack_class, const PackName& name) {
  const std::string hex = to_hex(name);
  return (pack_class == PackClass::kData ? "data/" : "meta/") + hex.substr(0, 2) + "/" + hex;
}

std::optional<std::pair<PackClass, PackName>> parse_pack_key(std::string_view key) {
  if (key.size() != 5 + 3 + 64) return std::nullopt;
  const bool data = key.starts_with("data/");
  if ((!data && !key.starts_with("meta/")) || key[7] != '/') return std::nullopt;
  try {
    const PackName name = to_array<32>(from_hex(key.substr(8)));
    const PackClass pack_class = data ? PackClass::kData : PackClass::kMeta;
    if (pack_key(pack_class, name) != key) return std::nullopt;
    return std::pair{pack_class, name};
  } catch (const Error&) {
    return std::nullopt;
  }
}

PackWriter::PackWriter(ObjectStore& store, PackClass pack_class, const KeyRing& ring)
    : ring_(ring), object_(store.stage()) {
  contents_.pack_class = pack_class;
  write(as_bytes(kHead));
}

void PackWriter::write(ByteView data) {
  hash_.update(data);
  object_->append(data);
  contents_.size += data.size();
}

std::uint32_t PackWriter::session_index(const SessionBlock& block) {
  auto& sessions = contents_.sessions;
  const auto found = std::find(sessions.rbegin(), sessions.rend(), block);
  if (found == sessions.rend()) {
    sessions.push_back(block);
    return static_cast<std::uint32_t>(sessions.size() - 1);
  }
  return static_cast<std::uint32_t>(sessions.rend() - found - 1);
}

void PackWriter::append(const SessionBlock& block, const FrameHeader& header, ByteView sealed,
                        std::vector<ChunkEntry> chunks) {
  FrameEntry entry;
  entry.header = header;
  entry.session = session_index(block);
  entry.offset = static_cast<std::uint32_t>(contents_.size);
  entry.sealed_length = static_cast<std::uint32_t>(sealed.size());
  entry.chunks = std::move(chunks);
  write(sealed);
  contents_.frames.push_back(std::move(entry));
}

PackContents PackWriter::finish() {
  const std::uint64_t trailer_offset = contents_.size;
  const Bytes body = encode_trailer(contents_);
  // Ids do not compress and lengths hardly; the frame is there for its exact size.
  const ByteView packed = compress(body, 1);
  const auto salt = random_array<32>();
  const Bytes trailer =
      seal(trailer_key(ring_, salt), counter_nonce(0), trailer_associated(ring_.vault), packed);
  write(trailer);
  Bytes footer;
  WireWriter out(footer);
  out.raw(salt);
  out.fixed(trailer_offset);
  out.fixed(static_cast<std::uint32_t>(trailer.size()));
  out.fixed(std::uint32_t{0});
  out.raw(as_bytes(kTail));
  write(footer);
  contents_.name = hash_.finish();
  object_->commit(pack_key(contents_.pack_class, contents_.name), to_hex(contents_.name));
  object_.reset();
  return std::move(contents_);
}

std::size_t packs_at_once(const ObjectStore& store) {
  const StoreTraits traits = store.traits();
  if (!traits.remote) return 1;
  const unsigned least = std::min(kLeastRemotePacks, traits.parallelism);
  return std::clamp(2 * processors(), least, std::max(least, traits.parallelism));
}

void parse_trailer(ByteView body, std::uint64_t frames_end, PackContents& contents) {
  WireReader in(body);
  for (std::uint64_t left = in.varint(); left > 0; --left) {
    contents.sessions.push_back(to_array<kSessionBlockSize>(in.raw(kSessionBlockSize)));
  }
  std::uint64_t offset = kHead.size();
  for (std::uint64_t left = in.varint(); left > 0; --left) {
    contents.frames.push_back(parse_frame(in, contents.sessions.size(), offset, frames_end));
  }
  if (!in.done() || offset != frames_end) damaged("the frames do not fill the pack");
}

PackContents read_pack_contents(ObjectStore& store, const std::string& key, std::uint64_t size,
                                const KeyRing& ring) {
  const auto named = parse_pack_key(key);
  if (!named || size < kHead.size() + kFooterSize) damaged("it is too short");
  Bytes head(kHead.size());
  store.read(key, 0, head);
  Bytes footer(kFooterSize);
  store.read(key, size - kFooterSize, footer);
  WireReader in(footer);
  const Bytes salt = to_bytes(in.raw(32));
  const auto offset = in.fixed<std::uint64_t>();
  const auto length = in.fixed<std::uint32_t>();
  const auto zero = in.fixed<std::uint32_t>();
  if (as_text(head) != kHead || as_text(in.raw(kTail.size())) != kTail || zero != 0) {
    damaged("it is not a pack");
  }
  if (length > kMaxTrailer || offset < kHead.size() || offset > size ||
      offset + length + kFooterSize != size) {
    damaged("it was truncated");
  }
  Bytes sealed(length);
  store.read(key, offset, sealed);
  const Bytes packed = open(trailer_key(ring, salt), counter_nonce(0),
                            trailer_associated(ring.vault), sealed, "the table of contents");
  PackContents contents;
  contents.pack_class = named->first;
  contents.name = named->second;
  contents.size = size;
  parse_trailer(decompress(packed, kMaxTrailer), offset, contents);
  return contents;
}

}  // namespace holdfast
