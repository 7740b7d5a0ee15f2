// A bounded number of files on their way back: planned in the order of the tree, written in the
// order of the packs.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "base/error.h"
#include "os/mutex.h"
#include "os/queue.h"
#include "protect/restore.h"
#include "vault/chunk_reader.h"

namespace holdfast {

// One file in the making. Its chunks may arrive in any order and from several threads.
struct FileInMaking {
  Entry entry;  // with the path below the target
  std::vector<Ref> chunks;
  bool existed = false;  // there is a file to compare with, and to change in place
  bool replace = false;  // something may be in the way

  Mutex mutex;
  Fd fd GUARDED_BY(mutex);
  std::uint32_t left GUARDED_BY(mutex) = 0;  // pieces still to be written
  bool begun GUARDED_BY(mutex) = false;
  bool damaged GUARDED_BY(mutex) = false;
  bool failed GUARDED_BY(mutex) = false;
};

// Memory for frames, the large part of a restore's: as many as there are buffers can be on their
// way from the store or opened at once, however many threads there are. Thread-safe.
class FrameBuffers {
 public:
  explicit FrameBuffers(unsigned count);

  // One of the buffers, for as long as this lives; waits for one.
  class Borrowed {
   public:
    explicit Borrowed(FrameBuffers& buffers) : buffers_(buffers), bytes_(*buffers.free_.pop()) {}
    Borrowed(const Borrowed&) = delete;
    Borrowed& operator=(const Borrowed&) = delete;
    ~Borrowed() { buffers_.free_.push(std::move(bytes_)); }
    Bytes& operator*() { return bytes_; }

   private:
    FrameBuffers& buffers_;
    Bytes bytes_;
  };

 private:
  BoundedQueue<Bytes> free_;
};

// What windows share during one restore.
struct RestoreContext {
  const Vault& vault;
  const RestoreJob& job;
  Target& target;
  ChunkReader& reader;
  RestoreProgress& progress;
  Warnings& warnings;
  std::stop_token stop;
  unsigned threads;
  bool remote;  // the store: better few large requests than many
  // Large writes go to the disk at once. From a remote store, which is slower than the disk: left
  // to the kernel they come in one flood later, behind which every read waits. And when somebody
  // waits for the disk at the end. Else a store in a directory is faster than the disk, and waits
  // for it.
  bool writes_back;
  FrameBuffers sealed;  // on their way
  FrameBuffers opened;  // few, as processors are
  std::atomic<std::uint64_t> bytes_written{0};
  std::atomic<std::uint64_t> bytes_kept{0};
  std::atomic<std::uint64_t> damaged{0};
  std::atomic<std::uint64_t> damaged_bytes{0};  // what these files should hold
  // What could not be made at all, each with a warning.
  std::atomic<std::uint64_t> failed_files{0};
  std::atomic<std::uint64_t> failed_bytes{0};
  std::atomic<std::uint64_t> failed_links{0};
  std::atomic<int> open_files{0};
  // An error ended the restore: no window begins anything more.
  std::atomic<bool> over{false};
};

class RestoreWindow {
 public:
  // For up to `files` files, or as many pieces as a large window has.
  RestoreWindow(RestoreContext& context, std::size_t files) : context_(context), limit_(files) {}

  void add(std::unique_ptr<FileInMaking> file);
  // Made when all files of this window are there.
  void add_hardlink(Entry entry, bool replace);
  bool full() const { return files_.size() >= limit_ || chunks_ >= 262'144; }
  bool empty() const { return files_.empty() && hardlinks_.empty(); }

  // Both with context.threads threads. They throw what is no matter of a single file: a full disk,
  // a store that is away, a stop.
  // Finds out what is to be written, also while another window runs. Makes the files without
  // content, and those that are as they should be.
  void prepare();
  // Then writes all files.
  void run();
  // Waits until run() has begun with its last task or ended. From there on it leaves more and more
  // of its threads idle, so another window may run beside it.
  void wait_for_last() const { last_has_begun_.wait(false); }
  // To be called when all windows before this one have run, too.
  void make_hardlinks();

 private:
  // One chunk's way into one file.
  struct Piece {
    FrameKey frame;
    std::uint32_t offset = 0;  // in the raw frame
    std::uint32_t file = 0;
    std::uint32_t chunk = 0;  // index into the file's chunks
    std::uint64_t at = 0;     // in the file's content (of a sparse file: its extents)
  };
  struct Task {
    std::size_t begin = 0, end = 0;  // pieces of one frame, or of a run of frames
  };

  void plan_file(std::uint32_t index);
  void lookup_pieces(std::uint32_t index, const std::vector<bool>& keep);
  std::vector<bool> compare(FileInMaking& file);
  void make_tasks();
  bool belongs_to(const Task& task, FrameKey frame) const;
  std::size_t end_of_frame(std::size_t begin, std::size_t end) const;
  void run_task(const Task& task);
  bool fetch_run(const Task& task, Bytes& sealed);
  // `sealed` is empty when the frame could not be fetched.
  void write_frame(const Task& frame, MutableBytes sealed);
  const Ref& ref_of(const Piece& piece) const { return files_[piece.file]->chunks[piece.chunk]; }
  std::vector<ByteView> verified_contents(const Task& task, const Bytes* raw);
  // `contents` begins with that of piece `begin`.
  void write_group(std::span<const ByteView> contents, std::size_t begin, std::size_t end);
  Bytes fetch(const Ref& ref, bool& damaged);
  void begin_file(FileInMaking& file) REQUIRES(file.mutex);
  void end_file(FileInMaking& file) REQUIRES(file.mutex);
  void give_up(FileInMaking& file, const Error& error) REQUIRES(file.mutex);

  RestoreContext& context_;
  std::size_t limit_;
  std::vector<std::unique_ptr<FileInMaking>> files_;
  std::vector<std::pair<Entry, bool>> hardlinks_;
  std::uint64_t chunks_ = 0;
  std::shared_ptr<FrameReader> frames_;
  Mutex pieces_mutex_;
  std::vector<Piece> pieces_;
  std::vector<Task> tasks_;
  std::atomic_flag last_has_begun_;
};

// Where a part of a file's content lies in the file: once for a plain file, once per extent touched
// for a sparse one. `visit(from, length, at)`: `from` is relative to the part.
void for_each_range(
    const Entry& entry, std::uint64_t content_offset, std::uint64_t length,
    const std::function<void(std::uint64_t from, std::uint64_t length, std::uint64_t at)>& visit);

}  // namespace holdfast
