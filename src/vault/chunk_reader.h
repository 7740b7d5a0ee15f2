// Reading chunks back: finds, fetches, opens and verifies, and tries every copy before giving up.
#pragma once

#include <list>
#include <memory>
#include <unordered_map>
#include <vector>

#include "os/mutex.h"
#include "vault/vault.h"

namespace holdfast {

// A frame of the vault, by its place in one Index.
struct FrameKey {
  std::uint32_t segment = 0;
  std::uint32_t frame = 0;
  auto operator<=>(const FrameKey&) const = default;
};

using FrameData = std::shared_ptr<const Bytes>;

// Opens frames: keeps the unsealed session keys. Thread-safe.
class FrameReader {
 public:
  FrameReader(const Vault& vault, std::shared_ptr<const Index> index);

  const Index& index() const { return *index_; }
  std::shared_ptr<const Index> shared_index() const { return index_; }
  // The keys of a frame's session.
  const SessionKeys& keys(FrameKey key);
  // Reads a frame from the store, as it lies there. Makes `sealed` large enough for any frame at
  // once: buffers that grow step by step leave their smaller selves in the heap of each thread.
  // Throws kNotFound: the pack is gone.
  void fetch(FrameKey key, Bytes& sealed) { fetch(key, key, sealed); }
  // Whether `next` is better fetched together with the frames from `first` to `last`: it lies not
  // far behind them in the same pack, and not much more than one large frame has to be read for
  // all.
  bool continues_run(FrameKey first, FrameKey last, FrameKey next) const;
  // Reads a run in one request.
  void fetch(FrameKey first, FrameKey last, Bytes& sealed);
  // The frame `key` in what was fetched from `first` on.
  MutableBytes of_run(FrameKey first, FrameKey key, Bytes& sealed) const;
  // Opens what was fetched, which is scratch memory afterwards. Throws kCorrupt, kDenied.
  void open(FrameKey key, MutableBytes sealed, Bytes& raw);
  // Both.
  void read(FrameKey key, Bytes& raw);

 private:
  struct KeyHash {
    std::size_t operator()(const SessionId& id) const {
      std::size_t hash = 0;  // session ids are random: their first bytes will do
      std::memcpy(&hash, id.data(), sizeof hash);
      return hash;
    }
  };

  const Vault& vault_;
  std::shared_ptr<const Index> index_;
  Mutex mutex_;
  std::unordered_map<SessionId, std::unique_ptr<SessionKeys>, KeyHash> sessions_ GUARDED_BY(mutex_);
};

// Chunks one by one, with a small cache of opened frames: for trees, `cat`, and the hard cases of a
// restore. Thread-safe.
class ChunkReader {
 public:
  explicit ChunkReader(const Vault& vault, std::size_t cached_frames = 8);

  // The content of a chunk, verified against its id where the ring has the id key. When a pack is
  // gone or damaged, other copies are tried, then the index is read again once. Throws
  // Error(kCorrupt) when no copy can be read, Error(kDenied) without the right key.
  Bytes read(const Ref& ref);
  std::shared_ptr<FrameReader> frames() const;
  // Reads the index again: after a prune moved things, or the local cache rotted.
  void refresh();

 private:
  std::optional<Bytes> try_copies(FrameReader& frames, const Ref& ref, std::string& trouble);
  FrameData frame(FrameReader& frames, FrameKey key);

  const Vault& vault_;
  const std::size_t limit_;
  mutable Mutex mutex_;
  std::shared_ptr<FrameReader> frames_ GUARDED_BY(mutex_);
  bool cache_distrusted_ GUARDED_BY(mutex_) = false;
  std::list<std::pair<FrameKey, FrameData>> cache_ GUARDED_BY(mutex_);  // newest first
};

}  // namespace holdfast
