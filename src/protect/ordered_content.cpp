#include "protect/ordered_content.h"

#include <algorithm>
#include <future>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/human.h"
#include "os/queue.h"
#include "vault/tree.h"

namespace holdfast {
namespace {

constexpr std::size_t kMostBytes = 4u << 20;
constexpr std::size_t kFewBytes = 1u << 20;
constexpr std::size_t kMostParts = 4096;

// An entry, or more of the content of one.
struct Part {
  std::shared_ptr<const Entry> entry;
  bool begins = false;
  std::vector<Ref> chunks;
  std::size_t bytes = 0;
};

struct Batch {
  std::vector<Part> parts;
  std::size_t bytes = 0;
  Bytes content;  // of all parts
  std::promise<void> read;
};
using BatchPtr = std::shared_ptr<Batch>;

[[noreturn]] void throw_cancelled() { throw Error(Code::kCancelled, "interrupted"); }

class Pipeline {
 public:
  Pipeline(ChunkReader& reader, const Ref& tree, const EntryFilter& wanted, unsigned threads,
           std::stop_token stop)
      : reader_(reader),
        index_(reader.frames()->shared_index()),
        tree_(tree),
        wanted_(wanted),
        stop_(std::move(stop)),
        ordered_(threads + 1),
        to_read_(threads + 1) {
    threads_.emplace_back([this] { plan(); });
    for (unsigned i = 0; i < threads; ++i) threads_.emplace_back([this] { read_batches(); });
  }
  Pipeline(const Pipeline&) = delete;
  Pipeline& operator=(const Pipeline&) = delete;
  ~Pipeline() {
    const auto over = std::make_exception_ptr(Error(Code::kCancelled, "interrupted"));
    ordered_.fail(over);
    to_read_.fail(over);
  }

  void give(EntryTaker& taker);

 private:
  void plan();
  void add(const Entry& entry, std::span<const Ref> chunks);
  void begin_part(const std::shared_ptr<const Entry>& entry, bool begins);
  bool leaves_frame(const Ref& chunk);
  void send();
  void read_batches();
  void read(Batch& batch);

  ChunkReader& reader_;
  const std::shared_ptr<const Index> index_;
  const Ref tree_;
  const EntryFilter& wanted_;
  const std::stop_token stop_;
  BoundedQueue<BatchPtr> ordered_;
  BoundedQueue<BatchPtr> to_read_;
  // Of the planning thread.
  BatchPtr batch_ = std::make_shared<Batch>();
  FrameKey frame_;
  // Last, so that they end before what they use.
  std::vector<std::jthread> threads_;
};

void Pipeline::plan() {
  try {
    for_each_entry(reader_, tree_, [&](const Entry& entry, std::span<const Ref> chunks) {
      if (stop_.stop_requested()) throw_cancelled();
      if (wanted_(entry)) add(entry, chunks);
      return true;
    });
    send();
    ordered_.close();
    to_read_.close();
  } catch (...) {
    ordered_.fail(std::current_exception());
    to_read_.close();
  }
}

void Pipeline::begin_part(const std::shared_ptr<const Entry>& entry, bool begins) {
  batch_->parts.push_back({entry, begins, {}, 0});
}

// Batches end with frames where that is not too soon: then a frame is read by one thread.
bool Pipeline::leaves_frame(const Ref& chunk) {
  const auto places = index_->find(chunk.id);
  if (places.empty()) return false;
  const FrameKey frame{places[0].segment, places[0].chunk.frame};
  return std::exchange(frame_, frame) != frame;
}

void Pipeline::add(const Entry& entry, std::span<const Ref> chunks) {
  const auto shared = std::make_shared<const Entry>(entry);
  if (batch_->parts.size() >= kMostParts) send();
  begin_part(shared, true);
  for (const Ref& chunk : chunks) {
    const bool leaves = leaves_frame(chunk);
    if (batch_->bytes > 0 &&
        ((leaves && batch_->bytes >= kFewBytes) || batch_->bytes + chunk.length > kMostBytes)) {
      send();
      begin_part(shared, false);
    }
    Part& part = batch_->parts.back();
    part.chunks.push_back(chunk);
    part.bytes += chunk.length;
    batch_->bytes += chunk.length;
  }
}

void Pipeline::send() {
  const BatchPtr batch = std::exchange(batch_, std::make_shared<Batch>());
  if (batch->parts.empty()) return;
  if (!ordered_.push(batch, stop_) || !to_read_.push(batch, stop_)) throw_cancelled();
}

void Pipeline::read_batches() {
  try {
    // No stop here: whoever waits for a batch must hear of it.
    while (auto batch = to_read_.pop()) {
      try {
        read(**batch);
        (*batch)->read.set_value();
      } catch (...) {
        (*batch)->read.set_exception(std::current_exception());
      }
    }
  } catch (const Error&) {
    // The taker has given up.
  }
}

void Pipeline::read(Batch& batch) {
  batch.content.reserve(batch.bytes);
  for (const Part& part : batch.parts) {
    for (const Ref& chunk : part.chunks) {
      if (stop_.stop_requested()) throw_cancelled();
      try {
        append(batch.content, reader_.read(chunk));
      } catch (Error& error) {
        if (error.code() == Code::kCorrupt) error.add_context(printable(part.entry->path));
        throw;
      }
    }
  }
}

void Pipeline::give(EntryTaker& taker) {
  while (const auto next = ordered_.pop(stop_)) {
    Batch& batch = **next;
    batch.read.get_future().get();
    ByteView content(batch.content);
    for (const Part& part : batch.parts) {
      if (stop_.stop_requested()) throw_cancelled();
      if (part.begins) taker.entry(*part.entry);
      if (part.bytes > 0) taker.content(content.first(part.bytes));
      content = content.subspan(part.bytes);
    }
  }
  if (stop_.stop_requested()) throw_cancelled();
}

}  // namespace

void give_in_order(ChunkReader& reader, const Ref& tree, const EntryFilter& wanted,
                   unsigned threads, EntryTaker& taker, const std::stop_token& stop) {
  Pipeline(reader, tree, wanted, std::max(1u, threads), stop).give(taker);
}

}  // namespace holdfast
