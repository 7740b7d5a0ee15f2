#include "protect/restore_window.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <tuple>

#include "base/error.h"
#include "base/human.h"
#include "os/disk_hints.h"
#include "os/parallel.h"

namespace holdfast {
namespace {

constexpr int kMaxOpenFiles = 200;
constexpr std::uint32_t kUnknownSegment = 0xffffffff;
// Large files get their room at once, since their parts come in any order.
constexpr std::uint64_t kLargeFile = std::uint64_t{1} << 20;
// What goes to the disk at once where the context says so.
constexpr std::uint64_t kWriteBackAtOnce = std::uint64_t{256} << 10;

// What concerns one file only; everything else ends the restore.
bool concerns_one_file(const Error& error) {
  switch (error.code()) {
    case Code::kCorrupt:
    case Code::kConflict:
    case Code::kDenied:
    case Code::kInvalid:
    case Code::kNotFound:
      return true;
    default:
      return false;
  }
}

// Makes `all` reach over `more`, too.
void cover(Extent& all, const Extent& more) {
  if (all.length == 0) all = more;
  const std::uint64_t end = std::max(all.offset + all.length, more.offset + more.length);
  all.offset = std::min(all.offset, more.offset);
  all.length = end - all.offset;
}

bool matches(const Vault& vault, const Ref& ref, ByteView content) {
  return content.size() == ref.length && vault.id_of(content) == ref.id;
}

}  // namespace

void for_each_range(const Entry& entry, std::uint64_t content_offset, std::uint64_t length,
                    const std::function<void(std::uint64_t, std::uint64_t, std::uint64_t)>& visit) {
  if (!entry.sparse) {
    visit(0, length, content_offset);
    return;
  }
  std::uint64_t begin = 0;  // of the extent, in the content
  std::uint64_t done = 0;
  for (const Extent& extent : entry.extents) {
    const std::uint64_t end = begin + extent.length;
    const std::uint64_t from = content_offset + done;
    if (done < length && from < end) {
      const std::uint64_t part = std::min(length - done, end - from);
      visit(done, part, extent.offset + (from - begin));
      done += part;
    }
    begin = end;
  }
}

FrameBuffers::FrameBuffers(unsigned count) : free_(count) {
  for (unsigned i = 0; i < count; ++i) free_.push({});
}

void RestoreWindow::add(std::unique_ptr<FileInMaking> file) {
  chunks_ += file->chunks.size();
  files_.push_back(std::move(file));
}

void RestoreWindow::add_hardlink(Entry entry, bool replace) {
  hardlinks_.emplace_back(std::move(entry), replace);
}

void RestoreWindow::prepare() {
  frames_ = context_.reader.frames();
  in_parallel(context_.threads, files_.size(), context_.stop,
              [&](std::size_t i) { plan_file(static_cast<std::uint32_t>(i)); });
  make_tasks();
}

void RestoreWindow::run() {
  const auto begin_last = [this] {
    last_has_begun_.test_and_set();
    last_has_begun_.notify_all();
  };
  try {
    in_parallel(context_.threads, tasks_.size(), context_.stop, [&](std::size_t i) {
      if (i + 1 == tasks_.size()) begin_last();
      if (!context_.over) run_task(tasks_[i]);
    });
  } catch (...) {
    context_.over = true;
    begin_last();
    throw;
  }
  begin_last();
}

// Finds out what the file needs; one that needs nothing is finished at once.
void RestoreWindow::plan_file(std::uint32_t index) {
  FileInMaking& file = *files_[index];
  try {
    std::vector<bool> keep(file.chunks.size(), false);
    if (file.existed) keep = compare(file);
    lookup_pieces(index, keep);
    MutexLock lock(file.mutex);
    if (file.left > 0) return;
    begin_file(file);
    end_file(file);
  } catch (const Error& error) {
    if (!concerns_one_file(error)) throw;
    MutexLock lock(file.mutex);
    give_up(file, error);
  }
}

// One file less; the restore goes on.
void RestoreWindow::give_up(FileInMaking& file, const Error& error) {
  file.failed = true;
  if (file.fd.valid()) {
    file.fd.reset();
    --context_.open_files;
  }
  ++context_.failed_files;
  for (const Ref& ref : file.chunks) context_.failed_bytes += ref.length;
  context_.warnings.add(printable(file.entry.path) + ": " + error.message());
}

// Which chunks are in place already.
std::vector<bool> RestoreWindow::compare(FileInMaking& file) {
  std::vector<bool> keep(file.chunks.size(), false);
  const Fd fd = context_.target.open_existing(file.entry.path);
  if (!fd.valid()) {
    file.existed = false;  // not a plain file, or one with other names that must not change
    file.replace = true;
    return keep;
  }
  Bytes content;
  std::uint64_t offset = 0;
  for (std::size_t i = 0; i < file.chunks.size(); ++i) {
    const Ref& ref = file.chunks[i];
    content.resize(ref.length);
    bool whole = true;
    for_each_range(file.entry, offset, ref.length,
                   [&](std::uint64_t from, std::uint64_t length, std::uint64_t at) {
                     const MutableBytes part = MutableBytes(content).subspan(from, length);
                     whole = whole && pread_full(fd.get(), part, at, file.entry.path) == length;
                   });
    keep[i] = whole && matches(context_.vault, ref, content);
    if (keep[i]) {
      context_.bytes_kept += ref.length;
      context_.progress.bytes += ref.length;
    }
    offset += ref.length;
  }
  return keep;
}

void RestoreWindow::lookup_pieces(std::uint32_t index, const std::vector<bool>& keep) {
  FileInMaking& file = *files_[index];
  std::vector<Piece> found;
  std::uint64_t offset = 0;
  for (std::uint32_t i = 0; i < file.chunks.size(); ++i) {
    const Ref& ref = file.chunks[i];
    if (!keep[i]) {
      Piece piece;
      piece.frame = {kUnknownSegment, 0};  // unknown: read one by one, which says what is wrong
      const auto places = frames_->index().find(ref.id);
      if (!places.empty() && places[0].chunk.length == ref.length) {
        piece.frame = {places[0].segment, places[0].chunk.frame};
        piece.offset = places[0].chunk.offset;
      }
      piece.file = index;
      piece.chunk = i;
      piece.at = offset;
      found.push_back(piece);
    }
    offset += ref.length;
  }
  {
    MutexLock lock(file.mutex);
    file.left = static_cast<std::uint32_t>(found.size());
  }
  MutexLock lock(pieces_mutex_);
  pieces_.insert(pieces_.end(), found.begin(), found.end());
}

void RestoreWindow::make_tasks() {
  std::sort(pieces_.begin(), pieces_.end(), [](const Piece& a, const Piece& b) {
    return std::tie(a.frame, a.offset, a.file, a.at) < std::tie(b.frame, b.offset, b.file, b.at);
  });
  for (std::size_t begin = 0; begin < pieces_.size();) {
    const std::size_t end = end_of_frame(begin, pieces_.size());
    if (!tasks_.empty() && belongs_to(tasks_.back(), pieces_[begin].frame)) {
      tasks_.back().end = end;
    } else {
      tasks_.push_back({begin, end});
    }
    begin = end;
  }
}

// Whether `frame`, which follows the last one of `task`, is better fetched together with it.
bool RestoreWindow::belongs_to(const Task& task, FrameKey frame) const {
  return context_.remote && frame.segment != kUnknownSegment &&
         frames_->continues_run(pieces_[task.begin].frame, pieces_[task.end - 1].frame, frame);
}

// The end of the pieces of the frame that piece `begin` is in.
std::size_t RestoreWindow::end_of_frame(std::size_t begin, std::size_t end) const {
  std::size_t i = begin + 1;
  while (i < end && pieces_[i].frame == pieces_[begin].frame) ++i;
  return i;
}

void RestoreWindow::run_task(const Task& task) {
  FrameBuffers::Borrowed sealed(context_.sealed);
  const FrameKey first = pieces_[task.begin].frame;
  const bool fetched = fetch_run(task, *sealed);
  for (std::size_t begin = task.begin; begin < task.end;) {
    const Task frame{begin, end_of_frame(begin, task.end)};
    write_frame(frame,
                fetched ? frames_->of_run(first, pieces_[begin].frame, *sealed) : MutableBytes());
    begin = frame.end;
  }
}

// False when its frames are not where the index says: moved by a prune, or damaged.
bool RestoreWindow::fetch_run(const Task& task, Bytes& sealed) {
  const FrameKey first = pieces_[task.begin].frame;
  if (first.segment == kUnknownSegment) return false;
  try {
    frames_->fetch(first, pieces_[task.end - 1].frame, sealed);
    return true;
  } catch (const Error& error) {
    if (error.code() != Code::kCorrupt && error.code() != Code::kNotFound) throw;
    return false;
  }
}

// Chunks that the frame does not have are looked for one by one.
void RestoreWindow::write_frame(const Task& frame, MutableBytes sealed) {
  FrameBuffers::Borrowed raw(context_.opened);
  const Bytes* data = nullptr;
  if (!sealed.empty()) {
    try {
      frames_->open(pieces_[frame.begin].frame, sealed, *raw);
      data = &*raw;
    } catch (const Error& error) {
      if (error.code() != Code::kCorrupt) throw;
    }
  }
  const std::vector<ByteView> contents = verified_contents(frame, data);
  // Pieces of one file that follow each other are written under one lock.
  for (std::size_t begin = frame.begin; begin < frame.end;) {
    std::size_t end = begin + 1;
    while (end < frame.end && pieces_[end].file == pieces_[begin].file) ++end;
    write_group(std::span(contents).subspan(begin - frame.begin), begin, end);
    begin = end;
    if (context_.stop.stop_requested()) throw Error(Code::kCancelled, "interrupted");
  }
}

// The content of each piece of a task, compared with its id; empty where the frame does not have
// it.
std::vector<ByteView> RestoreWindow::verified_contents(const Task& task, const Bytes* raw) {
  std::vector<ByteView> contents(task.end - task.begin);
  if (raw == nullptr) return contents;
  // A chunk that several files need is hashed once: its pieces are neighbours.
  std::vector<std::size_t> first;
  std::vector<ByteView> distinct;
  for (std::size_t i = task.begin; i < task.end; ++i) {
    const Ref& ref = ref_of(pieces_[i]);
    if (std::size_t{pieces_[i].offset} + ref.length > raw->size()) continue;
    const ByteView content = ByteView(*raw).subspan(pieces_[i].offset, ref.length);
    const bool again = !first.empty() && ref_of(pieces_[first.back()]).id == ref.id;
    if (!again) {
      first.push_back(i);
      distinct.push_back(content);
    }
  }
  const std::vector<ChunkId> ids = context_.vault.ids_of(distinct);
  std::size_t at = 0;
  for (std::size_t i = task.begin; i < task.end; ++i) {
    while (at + 1 < first.size() && first[at + 1] <= i) ++at;
    if (at < first.size() && first[at] <= i && ids[at] == ref_of(pieces_[i]).id &&
        distinct[at].size() == ref_of(pieces_[i]).length) {
      contents[i - task.begin] = distinct[at];
    }
  }
  return contents;
}

// A chunk by itself, from whatever copy can be read; empty, and `damaged`, when there is none.
Bytes RestoreWindow::fetch(const Ref& ref, bool& damaged) {
  try {
    return context_.reader.read(ref);
  } catch (const Error& error) {
    if (error.code() != Code::kCorrupt) throw;
    damaged = true;
    return {};
  }
}

void RestoreWindow::write_group(std::span<const ByteView> contents, std::size_t begin,
                                std::size_t end) {
  FileInMaking& file = *files_[pieces_[begin].file];
  MutexLock lock(file.mutex);
  if (file.failed) return;
  try {
    if (!file.fd.valid()) begin_file(file);
    Extent written;
    for (std::size_t i = begin; i < end; ++i) {
      const Piece& piece = pieces_[i];
      const Ref& ref = file.chunks[piece.chunk];
      ByteView content = contents[i - begin];
      Bytes fetched;
      if (content.empty()) {
        fetched = fetch(ref, file.damaged);
        content = fetched;
      }
      if (!content.empty()) {
        const int fd = file.fd.get();
        for_each_range(file.entry, piece.at, ref.length,
                       [&](std::uint64_t from, std::uint64_t length, std::uint64_t at) {
                         pwrite_full(fd, content.subspan(from, length), at, file.entry.path);
                         cover(written, {at, length});
                       });
        context_.bytes_written += ref.length;
      }
      context_.progress.bytes += ref.length;
      --file.left;
    }
    if (context_.writes_back && written.length >= kWriteBackAtOnce) {
      begin_writeback(file.fd.get(), written.offset, written.length);
    }
    if (file.left == 0) {
      end_file(file);
    } else if (context_.open_files > kMaxOpenFiles) {
      --context_.open_files;
      close_written(file.fd, file.entry.path);
    }
  } catch (const Error& error) {
    if (!concerns_one_file(error)) throw;
    give_up(file, error);
  }
}

void RestoreWindow::begin_file(FileInMaking& file) {
  if (file.begun || file.existed) {
    file.fd = context_.target.open_existing(file.entry.path);
    if (!file.fd.valid()) {
      throw Error(Code::kConflict, "something took the file's place while it was restored");
    }
  } else {
    file.fd = context_.target.create_file(file.entry, file.replace);
    if (!file.entry.sparse && file.entry.size >= kLargeFile) {
      allocate_ahead(file.fd.get(), file.entry.size);
    }
  }
  ++context_.open_files;
  file.begun = true;
}

namespace {

void punch_holes(int fd, const Entry& entry, const std::string& path) {
  std::uint64_t at = 0;
  const auto punch = [&](std::uint64_t end) {
    if (end > at && ::fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                                static_cast<off_t>(at), static_cast<off_t>(end - at)) != 0) {
      throw system_error(errno, "cannot make a hole in " + path);
    }
  };
  for (const Extent& extent : entry.extents) {
    punch(extent.offset);
    at = extent.offset + extent.length;
  }
  punch(entry.size);
}

std::uint64_t hole_bytes(const Entry& entry) {
  if (!entry.sparse) return 0;
  std::uint64_t bytes = entry.size;
  for (const Extent& extent : entry.extents) bytes -= extent.length;
  return bytes;
}

}  // namespace

void RestoreWindow::end_file(FileInMaking& file) {
  const Entry& entry = file.entry;
  const int fd = file.fd.get();
  if (entry.sparse && file.existed) punch_holes(fd, entry, entry.path);
  // Sets the end of a sparse file, and cuts what an existing file had beyond it.
  if ((entry.sparse || file.existed) && ::ftruncate(fd, static_cast<off_t>(entry.size)) != 0) {
    throw system_error(errno, "cannot set the size of " + entry.path);
  }
  const std::string trouble = context_.target.apply_metadata(entry, fd);
  if (!trouble.empty()) context_.warnings.add(printable(entry.path) + ": " + trouble);
  --context_.open_files;
  close_written(file.fd, entry.path);
  ++context_.progress.files;
  context_.progress.bytes += hole_bytes(entry);
  if (file.damaged) {
    ++context_.damaged;
    context_.damaged_bytes += entry.size;
    context_.warnings.add(printable(entry.path) + ": damaged: a part of its content is lost");
  }
}

void RestoreWindow::make_hardlinks() {
  for (const auto& [entry, replace] : hardlinks_) {
    try {
      context_.target.make_special(entry, replace);
    } catch (const Error& error) {
      if (!concerns_one_file(error)) throw;
      ++context_.failed_links;
      context_.warnings.add(printable(entry.path) + ": " + error.message());
    }
  }
}

}  // namespace holdfast
