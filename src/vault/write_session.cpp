#include "vault/write_session.h"

#include <algorithm>
#include <functional>

#include "base/error.h"
#include "codec/compress.h"
#include "os/processors.h"

namespace holdfast {
namespace {

constexpr std::uint64_t kChunksPerSegment = 500'000;
constexpr std::size_t kManySegments = 48;
constexpr std::size_t kFewSegments = 12;
constexpr std::size_t kWaitingPacks = 2;

// Before the first byte goes out.
const Vault& writable(const Vault& vault) {
  vault.require_writable();
  return vault;
}

// All of them, or none.
bool lie_in(std::span<const ByteView> contents, ByteView memory) {
  const std::less<const std::uint8_t*> before;
  const auto inside = std::count_if(contents.begin(), contents.end(), [&](ByteView content) {
    return !memory.empty() && !before(content.data(), memory.data()) &&
           before(content.data(), memory.data() + memory.size());
  });
  if (inside == 0) return false;
  if (inside == static_cast<std::ptrdiff_t>(contents.size())) return true;
  throw Error(Code::kInternal, "chunks of a batch lie in different memory");
}

unsigned thread_count(unsigned wanted) { return wanted > 0 ? wanted : processors(); }

}  // namespace

struct WriteSession::Frame {
  ChunkKind kind;
  FrameBuffer raw;
  std::vector<ChunkEntry> chunks;
};

// The pack of one class that is being filled.
struct WriteSession::Lane {
  Mutex mutex;
  std::unique_ptr<PackWriter> pack GUARDED_BY(mutex);
};

WriteSession::WriteSession(const Vault& vault, const WriteOptions& options)
    : vault_(writable(vault)),
      options_(options),
      session_(new_session(vault.ring())),
      lease_(vault.store(), vault.clock(), options.kind) {
  // The order matters: first the lease, then doom and index. See docs/FORMAT.md, "Prune".
  const std::vector<StoredDoom> dooms = read_dooms(vault.store(), vault.ring());
  doom_ = DoomSet(dooms);
  prune_under_way_ = std::any_of(dooms.begin(), dooms.end(), [](const StoredDoom& stored) {
    return stored.doom.reason == DoomReason::kPrune;
  });
  index_ = vault.load_index();
  for (auto& lane : lanes_) lane = std::make_unique<Lane>();
  sealer_count_ = thread_count(options.threads);
  for (std::size_t i = 0; i < sealer_count_; ++i) {
    sealers_.emplace_back([this] { seal_frames(); });
  }
  for (std::size_t i = 0; i < packs_at_once(vault.store()); ++i) {
    committers_.emplace_back([this] { commit_packs(); });
  }
}

WriteSession::~WriteSession() { stop_threads(); }

void WriteSession::stop_threads() {
  {
    MutexLock lock(mutex_);
    closing_ = true;
    if (!finished_ && !error_) {
      error_ = std::make_exception_ptr(Error(Code::kCancelled, "the session was abandoned"));
    }
  }
  changed_.notify_all();
  sealers_.clear();
  committers_.clear();
}

bool WriteSession::has(const ChunkId& id) const {
  return seen_.contains(id) || index_->contains(id, doom_);
}

bool WriteSession::claim(const ChunkId& id) {
  return !index_->contains(id, doom_) && seen_.insert(id);
}

void WriteSession::rethrow() {
  if (error_) std::rethrow_exception(error_);
}

void WriteSession::fail(std::exception_ptr error) {
  {
    MutexLock lock(mutex_);
    if (!error_) error_ = std::move(error);
  }
  changed_.notify_all();
}

FrameBuffer WriteSession::take_buffer() {
  {
    MutexLock lock(mutex_);
    if (!spare_.empty()) {
      FrameBuffer buffer = std::move(spare_.back());
      spare_.pop_back();
      return buffer;
    }
  }
  const VaultParameters& parameters = vault_.parameters();
  return FrameBuffer(parameters.frame_bytes +
                     std::max(std::size_t{parameters.chunks.maximum}, ChunkWriter::kRoom));
}

void WriteSession::submit(ChunkKind kind, FrameBuffer raw, std::vector<ChunkEntry> chunks) {
  {
    MutexLock lock(mutex_);
    while (!error_ && queue_.size() >= sealer_count_) lock.wait(changed_);
    rethrow();
    queue_.push_back({kind, std::move(raw), std::move(chunks)});
  }
  changed_.notify_all();
}

void WriteSession::seal_frames() {
  for (;;) {
    Frame frame;
    {
      MutexLock lock(mutex_);
      while (!error_ && !closing_ && queue_.empty()) lock.wait(changed_);
      if (error_ || queue_.empty()) return;
      frame = std::move(queue_.front());
      queue_.pop_front();
      ++busy_;
    }
    changed_.notify_all();
    try {
      seal_one(frame);
    } catch (...) {
      fail(std::current_exception());
    }
    {
      MutexLock lock(mutex_);
      --busy_;
      frame.raw.clear();
      if (spare_.size() < 2 * sealer_count_) spare_.push_back(std::move(frame.raw));
    }
    changed_.notify_all();
  }
}

void WriteSession::seal_one(Frame& frame) {
  thread_local Bytes sealed;
  FrameHeader header;
  header.number = next_frame_++;
  header.kind = frame.kind;
  const int level = options_.level != 0 ? options_.level : kDefaultCompression;
  seal_frame(session_.keys, vault_.parameters().id, header, frame.raw.view(), level, sealed);
  {
    MutexLock lock(mutex_);
    stats_.new_chunks += frame.chunks.size();
    stats_.new_raw_bytes += frame.raw.size();
  }
  const PackClass pack_class = frame.kind == ChunkKind::kData ? PackClass::kData : PackClass::kMeta;
  append(pack_class, header, sealed, std::move(frame.chunks));
}

void WriteSession::append(PackClass pack_class, const FrameHeader& header, ByteView sealed,
                          std::vector<ChunkEntry> chunks) {
  Lane& lane = *lanes_[static_cast<std::size_t>(pack_class)];
  MutexLock lock(lane.mutex);
  if (!lane.pack) {
    lane.pack = std::make_unique<PackWriter>(vault_.store(), pack_class, vault_.ring());
  }
  lane.pack->append(session_.block, header, sealed, std::move(chunks));
  if (lane.pack->size() < vault_.parameters().pack_bytes) return;
  // With the lane: the others wait, too, so that no more packs pile up than the store can take.
  hand_over(std::move(lane.pack));
}

void WriteSession::hand_over(std::unique_ptr<PackWriter> pack) {
  {
    MutexLock lock(mutex_);
    while (!error_ && full_packs_.size() >= kWaitingPacks) lock.wait(changed_);
    if (error_) return;
    full_packs_.push_back(std::move(pack));
  }
  changed_.notify_all();
}

// These threads wait for the store, so that the others keep sealing.
void WriteSession::commit_packs() {
  for (;;) {
    std::unique_ptr<PackWriter> pack;
    {
      MutexLock lock(mutex_);
      while (!error_ && !closing_ && full_packs_.empty()) lock.wait(changed_);
      if (error_ || full_packs_.empty()) return;
      pack = std::move(full_packs_.front());
      full_packs_.pop_front();
      ++busy_;
    }
    changed_.notify_all();
    try {
      commit(*pack);
    } catch (...) {
      fail(std::current_exception());
    }
    {
      MutexLock lock(mutex_);
      --busy_;
    }
    changed_.notify_all();
  }
}

void WriteSession::commit(PackWriter& pack) {
  const PackContents contents = pack.finish();
  SegmentBuilder single;
  single.add(contents);
  const SegmentName name = write_segment(vault_.store(), vault_.ring(), single.build());
  {
    MutexLock lock(mutex_);
    ++stats_.packs;
    stats_.stored_bytes += contents.size;
  }
  MutexLock lock(segments_mutex_);
  pending_.add(contents);
  small_.push_back(name);
  if (pending_.chunks() >= kChunksPerSegment) merge_segments();
}

// One segment that covers those written pack by pack.
void WriteSession::merge_segments() {
  if (small_.size() > 1) {
    for (const SegmentName& name : small_) pending_.cover(name);
    write_segment(vault_.store(), vault_.ring(), pending_.build());
    // All of them were locked in the same way: one question answers for most.
    ObjectStore& store = vault_.store();
    if (store.traits().can_remove && !store.locked_until(segment_key(small_.front()))) {
      remove_free_segments(store, small_);
    }
  }
  pending_ = SegmentBuilder();
  small_.clear();
}

void WriteSession::drain() {
  MutexLock lock(mutex_);
  while (!error_ && (!queue_.empty() || !full_packs_.empty() || busy_ > 0)) lock.wait(changed_);
  rethrow();
}

void WriteSession::finish() {
  drain();
  for (auto& lane : lanes_) {
    std::unique_ptr<PackWriter> last;
    {
      MutexLock lock(lane->mutex);
      last = std::move(lane->pack);
    }
    if (last && !last->empty()) hand_over(std::move(last));
  }
  drain();
  {
    MutexLock lock(mutex_);
    finished_ = true;
  }
  stop_threads();
  {
    MutexLock lock(segments_mutex_);
    merge_segments();
  }
  // What a sweep drops from the index meanwhile must not come back in a merged segment. A sweep of
  // a mark that we did not see waits for our lease.
  if (index_->segments().size() > kManySegments && !prune_under_way_ && lease_.confirm()) {
    compact_index(vault_.store(), vault_.ring(), *vault_.load_index(), kFewSegments);
  }
}

void WriteSession::check_still_valid() {
  if (lease_.confirm()) return;
  throw Error(
      Code::kConflict,
      "the backup was out of touch with the store for so long that a prune may have removed "
      "what it relies on",
      "run it again: what it stored is found again, so that it will be quick");
}

bool WriteSession::failed() const {
  MutexLock lock(mutex_);
  return error_ != nullptr;
}

WriteStats WriteSession::stats() const {
  MutexLock lock(mutex_);
  return stats_;
}

ChunkWriter::ChunkWriter(WriteSession& session, ChunkKind kind) : session_(session), kind_(kind) {}

Ref ChunkWriter::add(ByteView content) {
  const Ref ref = store(session_.vault().id_of(content), content);
  if (is_full()) flush();
  return ref;
}

void ChunkWriter::add(std::span<const ByteView> contents, std::vector<Ref>& refs) {
  const std::vector<ChunkId> ids = session_.vault().ids_of(contents);
  // The room goes with the frame, and so would contents that are still there.
  const bool in_room = lie_in(contents, raw_.room());
  for (std::size_t i = 0; i < ids.size(); ++i) {
    refs.push_back(store(ids[i], contents[i]));
    if (is_full() && !in_room) flush();
  }
  if (is_full()) flush();
}

MutableBytes ChunkWriter::room() {
  if (raw_.capacity() == 0) raw_ = session_.take_buffer();
  return raw_.room();
}

Ref ChunkWriter::store(const ChunkId& id, ByteView content) {
  const Ref ref{id, static_cast<std::uint32_t>(content.size()), kind_};
  if (!session_.claim(ref.id)) return ref;
  if (raw_.capacity() == 0) raw_ = session_.take_buffer();
  raw_.append(content);
  chunks_.push_back({ref.id, ref.length});
  return ref;
}

bool ChunkWriter::is_full() const {
  return raw_.size() >= session_.vault().parameters().frame_bytes;
}

void ChunkWriter::flush() {
  if (chunks_.empty()) return;
  session_.submit(kind_, std::move(raw_), std::move(chunks_));
  raw_ = FrameBuffer();
  chunks_.clear();
}

}  // namespace holdfast
