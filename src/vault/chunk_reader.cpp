#include "vault/chunk_reader.h"

#include <algorithm>

#include "base/error.h"

namespace holdfast {
namespace {

// To read 1 GiB took the processes of Ceph 16 2.2 s in pieces of 1 MiB, 1.5 s in pieces of 4 MiB,
// and as much in larger ones.
constexpr std::uint64_t kLongestRun = 4u << 20;
// What is read for nothing between two frames of a run costs about as much as one more request.
constexpr std::uint64_t kLargestGap = 256u << 10;

bool same_segments(const Index& a, const Index& b) {
  return std::equal(a.segments().begin(), a.segments().end(), b.segments().begin(),
                    b.segments().end(),
                    [](const Segment& x, const Segment& y) { return x.name() == y.name(); });
}

}  // namespace

FrameReader::FrameReader(const Vault& vault, std::shared_ptr<const Index> index)
    : vault_(vault), index_(std::move(index)) {}

const SessionKeys& FrameReader::keys(FrameKey key) {
  const Segment& segment = index_->segments().at(key.segment);
  const SessionBlock block = segment.session(segment.frame(key.frame).session);
  SessionId id;
  std::copy_n(block.begin(), id.size(), id.begin());
  MutexLock lock(mutex_);
  auto& slot = sessions_[id];
  if (!slot) slot = std::make_unique<SessionKeys>(open_session(block, vault_.ring()));
  return *slot;
}

bool FrameReader::continues_run(FrameKey first, FrameKey last, FrameKey next) const {
  if (first.segment != next.segment) return false;
  const Segment& segment = index_->segments().at(first.segment);
  const FrameLocation frame = segment.frame(next.frame);
  const FrameLocation begin = segment.frame(first.frame);
  const FrameLocation end = segment.frame(last.frame);
  const std::uint64_t read = std::uint64_t{end.offset} + end.sealed_length;
  return frame.pack == begin.pack && frame.offset >= read && frame.offset - read <= kLargestGap &&
         std::uint64_t{frame.offset} + frame.sealed_length - begin.offset <= kLongestRun;
}

void FrameReader::fetch(FrameKey first, FrameKey last, Bytes& sealed) {
  const Segment& segment = index_->segments().at(first.segment);
  const FrameLocation begin = segment.frame(first.frame);
  const FrameLocation end = segment.frame(last.frame);
  const SegmentPack pack = segment.pack(begin.pack);
  sealed.reserve(kTagSize + vault_.parameters().frame_bytes + vault_.parameters().chunks.maximum);
  sealed.resize(std::size_t{end.offset} - begin.offset + end.sealed_length);
  vault_.store().read(pack_key(pack.pack_class, pack.name), begin.offset, sealed);
}

MutableBytes FrameReader::of_run(FrameKey first, FrameKey key, Bytes& sealed) const {
  const Segment& segment = index_->segments().at(first.segment);
  const FrameLocation frame = segment.frame(key.frame);
  return MutableBytes(sealed).subspan(frame.offset - segment.frame(first.frame).offset,
                                      frame.sealed_length);
}

void FrameReader::open(FrameKey key, MutableBytes sealed, Bytes& raw) {
  const FrameLocation frame = index_->segments().at(key.segment).frame(key.frame);
  open_frame(keys(key), vault_.parameters().id, frame.header, sealed, raw);
}

void FrameReader::read(FrameKey key, Bytes& raw) {
  thread_local Bytes sealed;
  fetch(key, sealed);
  open(key, sealed, raw);
}

ChunkReader::ChunkReader(const Vault& vault, std::size_t cached_frames)
    : vault_(vault),
      limit_(cached_frames),
      frames_(std::make_shared<FrameReader>(vault, vault.load_index())) {}

std::shared_ptr<FrameReader> ChunkReader::frames() const {
  MutexLock lock(mutex_);
  return frames_;
}

void ChunkReader::refresh() {
  std::shared_ptr<const Index> index = vault_.load_index();
  MutexLock lock(mutex_);
  if (same_segments(*index, frames_->index())) {
    // Nothing moved. What is left is a cached segment that rotted; once per reader is enough, since
    // the whole index may have to be fetched.
    if (cache_distrusted_) return;
    cache_distrusted_ = true;
    forget_cached_index(vault_.cache_directory());
    index = vault_.load_index();
  }
  frames_ = std::make_shared<FrameReader>(vault_, std::move(index));
  cache_.clear();
}

FrameData ChunkReader::frame(FrameReader& frames, FrameKey key) {
  {
    MutexLock lock(mutex_);
    const auto found =
        std::find_if(cache_.begin(), cache_.end(), [&](const auto& e) { return e.first == key; });
    if (found != cache_.end() && frames_.get() == &frames) {
      cache_.splice(cache_.begin(), cache_, found);
      return found->second;
    }
  }
  auto data = std::make_shared<Bytes>();
  frames.read(key, *data);
  MutexLock lock(mutex_);
  if (frames_.get() == &frames) {
    cache_.emplace_front(key, data);
    if (cache_.size() > limit_) cache_.pop_back();
  }
  return data;
}

std::optional<Bytes> ChunkReader::try_copies(FrameReader& frames, const Ref& ref,
                                             std::string& trouble) {
  for (const ChunkPlace& place : frames.index().find(ref.id)) {
    try {
      const FrameData data = frame(frames, {place.segment, place.chunk.frame});
      if (place.chunk.length != ref.length ||
          std::size_t{place.chunk.offset} + place.chunk.length > data->size()) {
        throw Error(Code::kCorrupt, "the index gives a chunk a wrong place");
      }
      const ByteView content = ByteView(*data).subspan(place.chunk.offset, place.chunk.length);
      if (vault_.ring().id && vault_.id_of(content) != ref.id) {
        throw Error(Code::kCorrupt, "a chunk has other content than its id says");
      }
      return to_bytes(content);
    } catch (const Error& error) {
      if (error.code() != Code::kCorrupt && error.code() != Code::kNotFound) throw;
      trouble = error.message();
    }
  }
  return std::nullopt;
}

Bytes ChunkReader::read(const Ref& ref) {
  std::string trouble = "the index does not know it";
  if (auto content = try_copies(*frames(), ref, trouble)) return std::move(*content);
  refresh();
  if (auto content = try_copies(*frames(), ref, trouble)) return std::move(*content);
  throw Error(Code::kCorrupt, "chunk " + to_hex(ref.id.bytes) + " cannot be read: " + trouble,
              "run 'holdfast validate all --read-data' to see what is affected, and "
              "'holdfast repair --from URL' to bring it back from another copy of the vault");
}

}  // namespace holdfast
