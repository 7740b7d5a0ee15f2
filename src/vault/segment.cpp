#include "vault/segment.h"

#include <algorithm>
#include <bit>

#include "base/error.h"

namespace holdfast {
namespace {

static_assert(std::endian::native == std::endian::little, "segments are mapped, not parsed");

constexpr std::string_view kSegmentMagic{"HFIDX1\n\0", 8};
constexpr std::size_t kHeaderSize = 32;
constexpr std::size_t kPackSize = 48;
constexpr std::size_t kFrameSize = 32;
constexpr std::size_t kChunkSize = 36;
constexpr std::uint32_t kVersion = 1;

template <typename Integer>
Integer load(const std::uint8_t* at) {
  Integer value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

[[noreturn]] void damaged_segment(const std::string& what) {
  throw Error(Code::kCorrupt, "an index segment is damaged: " + what,
              "run 'holdfast repair' to write the index again from the packs");
}

Bytes associated(const KeyRing& ring) {
  Bytes data = to_bytes(as_bytes("HFI1"));
  append(data, ring.vault);
  return data;
}

// The first eight bytes as a number that sorts like the id.
std::uint64_t prefix_of(const std::uint8_t* id) {
  return __builtin_bswap64(load<std::uint64_t>(id));
}

// The places of `chunks` in the order of their ids. What is sorted are the beginnings of ids, which
// differ all but always: less to move and to compare than what they stand for.
std::vector<std::uint32_t> order_of(const std::vector<ChunkLocation>& chunks) {
  struct Key {
    std::uint64_t prefix;
    std::uint32_t place;
  };
  std::vector<Key> keys;
  keys.reserve(chunks.size());
  for (const ChunkLocation& chunk : chunks) {
    keys.push_back({prefix_of(chunk.id.bytes.data()), static_cast<std::uint32_t>(keys.size())});
  }
  std::sort(keys.begin(), keys.end(), [&](const Key& a, const Key& b) {
    return a.prefix != b.prefix ? a.prefix < b.prefix : chunks[a.place].id < chunks[b.place].id;
  });
  std::vector<std::uint32_t> order;
  order.reserve(keys.size());
  for (const Key& key : keys) order.push_back(key.place);
  return order;
}

}  // namespace

std::string segment_key(const SegmentName& name) { return "index/" + to_hex(name); }

std::optional<SegmentName> parse_segment_key(std::string_view key) {
  if (key.size() != 6 + 64 || !key.starts_with("index/")) return std::nullopt;
  try {
    const SegmentName name = to_array<32>(from_hex(key.substr(6)));
    if (segment_key(name) != key) return std::nullopt;
    return name;
  } catch (const Error&) {
    return std::nullopt;
  }
}

Segment Segment::from_memory(const SegmentName& name, Bytes body) {
  Segment segment;
  segment.name_ = name;
  segment.memory_ = std::move(body);
  segment.parse(segment.memory_);
  return segment;
}

Segment Segment::from_file(const SegmentName& name, const std::string& path) {
  Segment segment;
  segment.name_ = name;
  segment.file_ = MappedFile(path);
  segment.parse(segment.file_.view());
  return segment;
}

void Segment::parse(ByteView body) {
  if (body.size() < kHeaderSize) damaged_segment("it is too short");
  WireReader in(body);
  if (in.fixed<std::uint32_t>() != kVersion) damaged_segment("its version is unknown");
  sessions_ = in.fixed<std::uint32_t>();
  packs_ = in.fixed<std::uint32_t>();
  frames_ = in.fixed<std::uint32_t>();
  chunks_ = in.fixed<std::uint64_t>();
  covers_ = in.fixed<std::uint32_t>();
  if (chunks_ > body.size() || chunks_ > 0xffffffff)
    damaged_segment("its counts do not match its size");
  sessions_at_ = kHeaderSize;
  packs_at_ = sessions_at_ + std::size_t{sessions_} * kSessionBlockSize;
  frames_at_ = packs_at_ + std::size_t{packs_} * kPackSize;
  chunks_at_ = frames_at_ + std::size_t{frames_} * kFrameSize;
  covers_at_ = chunks_at_ + static_cast<std::size_t>(chunks_) * kChunkSize;
  if (covers_at_ + std::size_t{covers_} * sizeof(SegmentName) != body.size()) {
    damaged_segment("its counts do not match its size");
  }
  body_ = body;
}

void Segment::check() const {
  for (std::uint32_t i = 0; i < packs_; ++i) pack(i);
  for (std::uint32_t i = 0; i < frames_; ++i) {
    const FrameLocation f = frame(i);
    if (f.pack >= packs_ || f.session >= sessions_) damaged_segment("a frame names no pack");
    if (f.header.raw_length > kMaxReadFrame ||
        std::uint64_t{f.offset} + f.sealed_length > pack(f.pack).size) {
      damaged_segment("a frame is out of bounds");
    }
  }
  for (std::uint64_t i = 0; i < chunks_; ++i) {
    const ChunkLocation c = chunk(i);
    if (c.frame >= frames_ ||
        std::uint64_t{c.offset} + c.length > frame(c.frame).header.raw_length) {
      damaged_segment("a chunk is out of bounds");
    }
    if (i > 0 && c.id < chunk(i - 1).id) damaged_segment("its chunks are not sorted");
  }
}

SegmentPack Segment::pack(std::uint32_t index) const {
  if (index >= packs_) damaged_segment("a pack is out of range");
  const std::uint8_t* at = body_.data() + packs_at_ + std::size_t{index} * kPackSize;
  SegmentPack pack;
  pack.name = to_array<32>(ByteView(at, 32));
  pack.size = load<std::uint64_t>(at + 32);
  const auto pack_class = load<std::uint32_t>(at + 40);
  if (pack_class > 1) damaged_segment("a pack has an unknown class");
  pack.pack_class = static_cast<PackClass>(pack_class);
  return pack;
}

SessionBlock Segment::session(std::uint32_t index) const {
  if (index >= sessions_) damaged_segment("a session is out of range");
  return to_array<kSessionBlockSize>(
      body_.subspan(sessions_at_ + std::size_t{index} * kSessionBlockSize, kSessionBlockSize));
}

FrameLocation Segment::frame(std::uint32_t index) const {
  if (index >= frames_) damaged_segment("a frame is out of range");
  const std::uint8_t* at = body_.data() + frames_at_ + std::size_t{index} * kFrameSize;
  if (at[20] > 2 || at[21] > 1) damaged_segment("a frame has an unknown kind");
  FrameLocation frame;
  frame.pack = load<std::uint32_t>(at);
  frame.session = load<std::uint32_t>(at + 4);
  frame.offset = load<std::uint32_t>(at + 8);
  frame.sealed_length = load<std::uint32_t>(at + 12);
  frame.header.raw_length = load<std::uint32_t>(at + 16);
  frame.header.kind = static_cast<ChunkKind>(at[20]);
  frame.header.method = static_cast<FrameMethod>(at[21]);
  frame.header.number = load<std::uint64_t>(at + 24);
  return frame;
}

ChunkLocation Segment::chunk(std::uint64_t index) const {
  if (index >= chunks_) damaged_segment("a chunk is out of range");
  const std::uint8_t* at = body_.data() + chunks_at_ + static_cast<std::size_t>(index) * kChunkSize;
  ChunkLocation chunk;
  std::memcpy(chunk.id.bytes.data(), at, 24);
  chunk.frame = load<std::uint32_t>(at + 24);
  chunk.offset = load<std::uint32_t>(at + 28);
  chunk.length = load<std::uint32_t>(at + 32);
  return chunk;
}

SegmentName Segment::covered(std::uint32_t index) const {
  if (index >= covers_) damaged_segment("a covered segment is out of range");
  return to_array<32>(body_.subspan(covers_at_ + std::size_t{index} * 32, 32));
}

std::uint64_t Segment::lower_bound(const ChunkId& id) const {
  const std::uint8_t* base = body_.data() + chunks_at_;
  const auto before = [&](std::uint64_t i) {
    return std::memcmp(base + i * kChunkSize, id.bytes.data(), 24) < 0;
  };
  std::uint64_t low = 0;
  std::uint64_t high = chunks_;  // the answer is in [low, high]
  if (high > 64) {
    // Where a uniform distribution puts the id, and a window that doubles until it holds it.
    const std::uint64_t guess = (prefix_of(id.bytes.data()) >> 32) * chunks_ >> 32;
    std::uint64_t step = 16;
    if (before(guess)) {
      low = guess + 1;
      while (low + step < chunks_ && before(low + step)) {
        low += step + 1;
        step *= 2;
      }
      high = std::min(chunks_, low + step);
    } else {
      high = guess;
      while (high > step && !before(high - step)) {
        high -= step;
        step *= 2;
      }
      low = high > step ? high - step : 0;
    }
  }
  while (low < high) {
    const std::uint64_t middle = low + (high - low) / 2;
    if (before(middle)) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

std::uint32_t SegmentBuilder::session_index(const SessionBlock& block) {
  const auto found = std::find(sessions_.rbegin(), sessions_.rend(), block);
  if (found != sessions_.rend()) {
    return static_cast<std::uint32_t>(sessions_.rend() - found - 1);
  }
  sessions_.push_back(block);
  return static_cast<std::uint32_t>(sessions_.size() - 1);
}

void SegmentBuilder::add(const PackContents& pack) {
  const auto pack_index = static_cast<std::uint32_t>(packs_.size());
  packs_.push_back({pack.name, pack.size, pack.pack_class});
  for (const FrameEntry& entry : pack.frames) {
    const auto frame = static_cast<std::uint32_t>(frames_.size());
    frames_.push_back({pack_index, session_index(pack.sessions.at(entry.session)), entry.offset,
                       entry.sealed_length, entry.header});
    std::uint32_t offset = 0;
    for (const ChunkEntry& chunk : entry.chunks) {
      chunks_.push_back({chunk.id, frame, offset, chunk.length});
      offset += chunk.length;
    }
  }
}

void SegmentBuilder::add(const Segment& segment, bool cover,
                         const std::function<bool(const SegmentPack&)>& keep) {
  constexpr std::uint32_t kDropped = 0xffffffff;
  std::vector<std::uint32_t> pack_of(segment.packs(), kDropped);
  for (std::uint32_t i = 0; i < segment.packs(); ++i) {
    const SegmentPack pack = segment.pack(i);
    if (keep && !keep(pack)) continue;
    pack_of[i] = static_cast<std::uint32_t>(packs_.size());
    packs_.push_back(pack);
  }
  std::vector<std::uint32_t> frame_of(segment.frames(), kDropped);
  for (std::uint32_t i = 0; i < segment.frames(); ++i) {
    FrameLocation frame = segment.frame(i);
    if (pack_of.at(frame.pack) == kDropped) continue;
    frame.pack = pack_of[frame.pack];
    frame.session = session_index(segment.session(frame.session));
    frame_of[i] = static_cast<std::uint32_t>(frames_.size());
    frames_.push_back(frame);
  }
  for (std::uint64_t i = 0; i < segment.chunks(); ++i) {
    ChunkLocation chunk = segment.chunk(i);
    if (frame_of.at(chunk.frame) == kDropped) continue;
    chunk.frame = frame_of[chunk.frame];
    chunks_.push_back(chunk);
  }
  if (cover) {
    covers_.push_back(segment.name());
    for (std::uint32_t i = 0; i < segment.covers(); ++i) covers_.push_back(segment.covered(i));
  }
}

Bytes SegmentBuilder::build() {
  Bytes body;
  body.reserve(kHeaderSize + sessions_.size() * kSessionBlockSize + packs_.size() * kPackSize +
               frames_.size() * kFrameSize + chunks_.size() * kChunkSize + covers_.size() * 32);
  WireWriter out(body);
  out.fixed(kVersion);
  out.fixed(static_cast<std::uint32_t>(sessions_.size()));
  out.fixed(static_cast<std::uint32_t>(packs_.size()));
  out.fixed(static_cast<std::uint32_t>(frames_.size()));
  out.fixed(std::uint64_t{chunks_.size()});
  out.fixed(static_cast<std::uint32_t>(covers_.size()));
  out.fixed(std::uint32_t{0});
  for (const SessionBlock& block : sessions_) out.raw(block);
  for (const SegmentPack& pack : packs_) {
    out.raw(pack.name);
    out.fixed(pack.size);
    out.fixed(static_cast<std::uint32_t>(pack.pack_class));
    out.fixed(std::uint32_t{0});
  }
  for (const FrameLocation& frame : frames_) {
    out.fixed(frame.pack);
    out.fixed(frame.session);
    out.fixed(frame.offset);
    out.fixed(frame.sealed_length);
    out.fixed(frame.header.raw_length);
    out.fixed(static_cast<std::uint8_t>(frame.header.kind));
    out.fixed(static_cast<std::uint8_t>(frame.header.method));
    out.fixed(std::uint16_t{0});
    out.fixed(frame.header.number);
  }
  for (const std::uint32_t place : order_of(chunks_)) {
    const ChunkLocation& chunk = chunks_[place];
    out.raw(chunk.id.bytes);
    out.fixed(chunk.frame);
    out.fixed(chunk.offset);
    out.fixed(chunk.length);
  }
  for (const SegmentName& name : covers_) out.raw(name);
  return body;
}

SegmentName write_segment(ObjectStore& store, const KeyRing& ring, ByteView body) {
  const auto salt = random_array<32>();
  Bytes object = to_bytes(as_bytes(kSegmentMagic));
  append(object, salt);
  seal(hkdf(ring.shared, salt, "holdfast index 1"), counter_nonce(0), associated(ring), body,
       object);
  const SegmentName name = sha256(object);
  store.put_new(segment_key(name), object);
  return name;
}

Bytes read_segment(ObjectStore& store, const KeyRing& ring, const SegmentName& name) {
  const Bytes object = store.get(segment_key(name));
  const ByteView view(object);
  if (object.size() < kSegmentMagic.size() + 32 + kTagSize ||
      as_text(view.first(8)) != kSegmentMagic) {
    damaged_segment("it is not an index segment");
  }
  if (sha256(object) != name) damaged_segment("its bytes are not those that its name stands for");
  return open(hkdf(ring.shared, view.subspan(8, 32), "holdfast index 1"), counter_nonce(0),
              associated(ring), view.subspan(40), "an index segment");
}

}  // namespace holdfast
