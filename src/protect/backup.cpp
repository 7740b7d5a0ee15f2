#include "protect/backup.h"

#include <algorithm>
#include <future>
#include <memory>
#include <thread>
#include <unordered_map>
#include <unordered_set>

#include "base/error.h"
#include "base/human.h"
#include "base/path.h"
#include "os/mutex.h"
#include "os/processors.h"
#include "os/queue.h"
#include "protect/file_cache.h"
#include "protect/file_reader.h"
#include "vault/tree.h"

namespace holdfast {
namespace {

constexpr std::size_t kBatchItems = 256;
constexpr std::uint64_t kBatchBytes = 4u << 20;
constexpr std::size_t kWaitingBatches = 16;

// One object on its way from the walker to the tree.
struct Item {
  std::string path;                        // as the backup knows it
  const PlacedFile* placed = nullptr;      // where to read it, if that is not "/" + path
  const StreamedFile* streamed = nullptr;  // what it comes from, if it is no file
  const StreamedTree* tree = nullptr;      // what it will be replaced by
  struct stat status {};
  std::string hardlink_to;  // the first name of the same file
  std::optional<CachedFile> cached;

  // Filled by a worker.
  bool present = false;
  EntryType type = EntryType::kFile;
  std::uint64_t size = 0;
  std::optional<FileStamp> stamp;  // set when the next run may trust it
  Bytes encoded;
  std::vector<Ref> chunks;
};

// Objects that follow each other, processed by one worker.
struct Batch {
  std::vector<Item> items;
  std::uint64_t bytes = 0;
  std::promise<void> done;
  std::future<void> finished = done.get_future();
};
using BatchPointer = std::shared_ptr<Batch>;

// What is not walked, but has its turn in the order of the tree.
struct Placed {
  const std::string* path;
  const PlacedFile* file = nullptr;
  const StreamedFile* stream = nullptr;
  const StreamedTree* tree = nullptr;
};

std::vector<Ref> parse_refs(ByteView bytes) {
  std::vector<Ref> refs;
  refs.reserve(bytes.size() / kRefSize);
  WireReader in(bytes);
  while (!in.done()) refs.push_back(read_ref(in));
  return refs;
}

std::string cache_file(const Vault& vault, const BackupJob& job) {
  if (vault.cache_directory().empty()) return {};
  return vault.cache_directory() + "/files/" + job.backup_class + "-" + job.source;
}

class Backup {
 public:
  Backup(const Vault& vault, const BackupJob& job, BackupProgress& progress, Warnings& warnings,
         std::stop_token stop)
      : vault_(vault),
        job_(job),
        progress_(progress),
        warnings_(warnings),
        outer_stop_(std::move(stop)),
        link_(outer_stop_, [this] { stop_.request_stop(); }),
        session_(vault, {job.level, job.threads, "backup"}),
        tree_(session_),
        old_cache_(job.read_everything ? "" : cache_file(vault, job), vault.parameters().id),
        new_cache_(cache_file(vault, job), vault.parameters().id) {}

  BackupResult run();

 private:
  void find_all();
  void walk_all();
  void found(Item item);
  void found_placed_before(const std::string* path);
  void found_placed(const PlacedFile& placed);
  void found_stream(const StreamedFile& stream);
  void found_tree(const StreamedTree& tree);
  void find_ending();
  void send_batch();
  void note_hardlink(Item& item);

  void process_batches();
  void process(FileReader& reader, Item& item);
  void process_tree(FileReader& reader, Batch& batch);
  void fill(Item& item, ReadObject& object);
  bool reuse(Item& item) const;

  void assemble();
  void take(Item& item);
  TreeRoots store();
  void require_all_sent();
  void save_partial_work();
  void check_clock(Timestamp now);
  void commit(const TreeRoots& roots);

  const Vault& vault_;
  const BackupJob& job_;
  BackupProgress& progress_;
  Warnings& warnings_;
  std::stop_token outer_stop_;
  std::stop_source stop_;  // of this run: also requested when a part of it fails
  std::stop_callback<std::function<void()>> link_;
  WriteSession session_;
  TreeWriter tree_;
  FileCacheReader old_cache_;
  FileCacheWriter new_cache_;

  // Of the walking thread.
  BatchPointer batch_ = std::make_shared<Batch>();
  std::unordered_map<std::string, std::string> first_names_;
  std::vector<Placed> placed_;  // in order
  std::size_t next_placed_ = 0;
  BackupEnding ending_;
  std::atomic<std::uint64_t> unread_{0};  // batches that are not finished
  std::atomic<bool> failed_{false};       // one of them could not be read
  Mutex flush_mutex_;
  std::exception_ptr flush_error_ GUARDED_BY(flush_mutex_);

  BoundedQueue<BatchPointer> work_{kWaitingBatches};
  BoundedQueue<BatchPointer> order_{2 * kWaitingBatches};

  // Of the assembling thread.
  std::unordered_set<std::string> missing_;
  BackupResult result_;
};

void Backup::find_all() {
  for (const PlacedFile& file : job_.placed)
    placed_.push_back({&file.stored_path, &file, nullptr, nullptr});
  for (const StreamedFile& stream : job_.streams) {
    placed_.push_back({&stream.stored_path, nullptr, &stream, nullptr});
  }
  for (const StreamedTree& tree : job_.trees) {
    placed_.push_back({&tree.name, nullptr, nullptr, &tree});
  }
  std::sort(placed_.begin(), placed_.end(),
            [](const Placed& a, const Placed& b) { return compare_paths(*a.path, *b.path) < 0; });
  if (!job_.walk.roots.empty()) walk_all();
  found_placed_before(nullptr);
  send_batch();
  if (job_.end) find_ending();
  progress_.walked = true;
}

void Backup::walk_all() {
  const auto visit = [this](WalkItem&& walked) {
    found_placed_before(&walked.path);
    Item item;
    item.path = std::move(walked.path);
    item.status = walked.status;
    found(std::move(item));
  };
  const auto warn = [this](const std::string& path, const Error& error) {
    warnings_.add("/" + printable(path) + ": " + error.message());
  };
  walk(job_.walk, visit, warn, stop_.get_token());
}

// Placed files take their turn in the order of the tree.
void Backup::found_placed_before(const std::string* path) {
  for (; next_placed_ < placed_.size(); ++next_placed_) {
    const Placed& placed = placed_[next_placed_];
    if (path != nullptr && compare_paths(*placed.path, *path) > 0) return;
    if (placed.file != nullptr) {
      found_placed(*placed.file);
    } else if (placed.tree != nullptr) {
      found_tree(*placed.tree);
    } else {
      found_stream(*placed.stream);
    }
  }
}

void Backup::found_placed(const PlacedFile& placed) {
  Item item;
  item.path = placed.stored_path;
  item.placed = &placed;
  if (::lstat(placed.file.c_str(), &item.status) == 0) return found(std::move(item));
  const Error error = system_error(errno, "cannot stat " + printable(placed.file));
  if (!placed.rules.live) return warnings_.add(error.message());
  // A table that was dropped; any other reason leaves a database with a file less.
  if (error.code() != Code::kNotFound || placed.rules.required) throw error;
}

void Backup::found_stream(const StreamedFile& stream) {
  Item item;
  item.path = stream.stored_path;
  item.streamed = &stream;
  batch_->items.push_back(std::move(item));
  send_batch();  // each may take long: nobody else waits for it
}

// A batch of its own, which it will fill.
void Backup::found_tree(const StreamedTree& tree) {
  send_batch();
  Item item;
  item.path = tree.name;
  item.tree = &tree;
  batch_->items.push_back(std::move(item));
  send_batch();
}

// The job may only end once all that is live has been read.
void Backup::find_ending() {
  for (auto left = unread_.load(); left > 0; left = unread_.load()) unread_.wait(left);
  // What failed is thrown by the assembler; there is nothing to end well.
  if (failed_ || stop_.stop_requested()) throw Error(Code::kCancelled, "interrupted");
  ending_ = job_.end();
  for (const PlacedFile& placed : ending_.placed) found_placed(placed);
  send_batch();
}

void Backup::note_hardlink(Item& item) {
  // The link count of a directory is of something else, and sockets are not stored.
  const mode_t mode = item.status.st_mode;
  if (S_ISDIR(mode) || S_ISSOCK(mode) || item.status.st_nlink < 2) return;
  const std::string key =
      std::to_string(item.status.st_dev) + ":" + std::to_string(item.status.st_ino);
  const auto [known, fresh] = first_names_.try_emplace(key, item.path);
  if (!fresh) item.hardlink_to = known->second;
}

void Backup::found(Item item) {
  note_hardlink(item);
  item.cached = old_cache_.find(item.path);
  if (S_ISREG(item.status.st_mode)) {
    const auto size = static_cast<std::uint64_t>(item.status.st_size);
    ++progress_.found_files;
    progress_.found_bytes += size;
    if (!item.cached) batch_->bytes += size;
  }
  batch_->items.push_back(std::move(item));
  if (batch_->items.size() >= kBatchItems || batch_->bytes >= kBatchBytes) send_batch();
}

void Backup::send_batch() {
  if (batch_->items.empty()) return;
  const BatchPointer full = std::exchange(batch_, std::make_shared<Batch>());
  // The assembler closes the order when it gives up. Whatever is in the order reaches the workers,
  // who finish every batch, if only with an error: so nobody waits for ever.
  if (!order_.push(full)) throw Error(Code::kCancelled, "interrupted");
  ++unread_;
  work_.push(full);
}

// An unchanged file keeps its entry, if the vault still has all that it needs.
bool Backup::reuse(Item& item) const {
  if (!S_ISREG(item.status.st_mode) || !item.cached || item.cached->stamp != stamp_of(item.status))
    return false;
  std::vector<Ref> chunks = parse_refs(item.cached->refs);
  for (const Ref& chunk : chunks) {
    if (!session_.has(chunk.id)) return false;
  }
  item.encoded = to_bytes(item.cached->entry);
  item.chunks = std::move(chunks);
  item.stamp = item.cached->stamp;
  item.size = item.stamp->size;
  item.present = true;
  return true;
}

void Backup::process(FileReader& reader, Item& item) {
  const bool is_file = item.streamed != nullptr || S_ISREG(item.status.st_mode);
  if (!item.hardlink_to.empty()) {
    Entry entry = reader.metadata(item.path, item.status).value();
    entry.type = item.type = EntryType::kHardlink;
    entry.link_target = item.hardlink_to;
    encode_entry(entry, 0, item.encoded);
    item.present = true;
    return;
  }
  if (reuse(item)) {
    progress_.bytes += item.size;
    ++progress_.files;
    return;
  }
  const std::int64_t now = vault_.clock().now().time_since_epoch().count();
  std::optional<ReadObject> object;
  if (item.streamed != nullptr) {
    object = reader.read(*item.streamed, vault_.clock().now());
  } else if (item.placed != nullptr) {
    object = reader.read(*item.placed, item.status);
  } else {
    object = reader.read(PlacedFile{"/" + item.path, item.path}, item.status);
  }
  if (!object) return;
  fill(item, *object);
  if (item.type == EntryType::kFile) progress_.bytes += item.size;
  if (!is_file) return;
  const FileStamp stamp = stamp_of(object->status);
  if (object->stable && item.streamed == nullptr && stamp_is_settled(stamp, now))
    item.stamp = stamp;
}

void Backup::fill(Item& item, ReadObject& object) {
  encode_entry(object.entry, object.chunks.size(), item.encoded);
  item.type = object.entry.type;
  item.size = object.entry.size;
  item.chunks = std::move(object.chunks);
  item.present = true;
  if (item.type == EntryType::kFile) ++progress_.files;
}

void Backup::process_tree(FileReader& reader, Batch& batch) {
  const StreamedTree& tree = *batch.items.front().tree;
  batch.items.clear();
  for (ReadObject& object : reader.read(tree, vault_.clock().now())) {
    Item& item = batch.items.emplace_back();
    item.path = object.entry.path;
    fill(item, object);
  }
}

void Backup::process_batches() {
  FileReader reader(session_, job_, progress_, warnings_, stop_.get_token());
  while (auto batch = work_.pop()) {
    try {
      if ((*batch)->items.front().tree != nullptr) process_tree(reader, **batch);
      for (Item& item : (*batch)->items) {
        if (item.present) continue;
        if (stop_.stop_requested()) throw Error(Code::kCancelled, "interrupted");
        process(reader, item);
      }
      (*batch)->done.set_value();
    } catch (...) {
      failed_ = true;
      (*batch)->done.set_exception(std::current_exception());
    }
    --unread_;
    unread_.notify_all();
  }
  if (stop_.stop_requested()) return;
  try {
    reader.flush();
  } catch (...) {
    {
      MutexLock lock(flush_mutex_);
      flush_error_ = std::current_exception();
    }
    stop_.request_stop();
  }
}

void Backup::take(Item& item) {
  ++progress_.entries;
  if (!item.present) {
    if (S_ISSOCK(item.status.st_mode)) ++result_.sockets;
    if (item.status.st_nlink > 1) missing_.insert(item.path);
    return;
  }
  if (item.type == EntryType::kHardlink && missing_.contains(item.hardlink_to)) {
    warnings_.add("/" + printable(item.path) + ": its first name could not be read");
    return;
  }
  try {
    tree_.add(item.path, item.encoded, item.chunks);
  } catch (const Error& error) {
    if (error.code() != Code::kUnsupported) throw;
    warnings_.add(error.message());
    if (item.status.st_nlink > 1) missing_.insert(item.path);
    return;
  }
  if (item.stamp) new_cache_.add(*item.stamp, item.path, item.encoded, item.chunks);
  BackupSummary& summary = result_.summary;
  if (item.type == EntryType::kFile) {
    ++summary.files;
    summary.bytes += item.size;
    if (item.cached && item.stamp == item.cached->stamp) ++result_.unchanged_files;
  } else if (item.type == EntryType::kDirectory) {
    ++summary.directories;
  } else {
    ++summary.others;
  }
}

void Backup::assemble() {
  while (auto batch = order_.pop()) {
    (*batch)->finished.get();
    for (Item& item : (*batch)->items) take(item);
  }
}

TreeRoots Backup::store() {
  const unsigned workers = job_.threads > 0 ? job_.threads : processors();
  std::exception_ptr walk_error;
  std::vector<std::jthread> threads;
  threads.emplace_back([&] {
    try {
      find_all();
    } catch (...) {
      walk_error = std::current_exception();
    }
    work_.close();
    order_.close();
  });
  for (unsigned i = 0; i < workers; ++i) threads.emplace_back([this] { process_batches(); });
  std::exception_ptr error;
  try {
    assemble();
  } catch (...) {
    error = std::current_exception();
    stop_.request_stop();
    order_.close();
  }
  threads.clear();
  if (!error) error = walk_error;
  if (error) std::rethrow_exception(error);
  require_all_sent();
  return tree_.finish();
}

// A worker that fails, or is stopped, when its batches are done keeps their last chunks to itself.
void Backup::require_all_sent() {
  {
    MutexLock lock(flush_mutex_);
    if (flush_error_) std::rethrow_exception(flush_error_);
  }
  if (stop_.stop_requested()) throw Error(Code::kCancelled, "interrupted");
}

// What was stored so far is found again by the next run.
void Backup::save_partial_work() {
  try {
    session_.finish();
  } catch (const std::exception&) {
    // The error that brought us here is the one to report.
  }
}

// A clock that went back would make an old backup look like the latest.
void Backup::check_clock(Timestamp now) {
  for (const BackupName& name : list_backups(vault_.store())) {
    if (name.time <= now + std::chrono::minutes(5)) continue;
    warnings_.add("the clock of this machine says " + format_rfc3339(now) + ", but " + name.id() +
                  " is later: set the clock, or the wrong backup will count as the latest");
    return;
  }
}

void Backup::commit(const TreeRoots& roots) {
  session_.finish();
  result_.written = session_.stats();
  BackupSummary& summary = result_.summary;
  summary.warnings = warnings_.count();
  summary.added_raw_bytes = result_.written.new_raw_bytes;
  summary.added_bytes = result_.written.stored_bytes;
  summary.reach = roots.reach;
  summary.finished = vault_.clock().now();
  if (job_.end) {
    summary.consistent = ending_.consistent;
    summary.database = ending_.database;
  }
  BackupRoot root{roots.tree, job_.walk.roots, warnings_.first()};
  session_.check_still_valid();
  for (;;) {
    const Bytes object = encode_backup(session_.session(), vault_.ring(), summary, root);
    if (vault_.store().put_new(summary.name.key(), object)) break;
    summary.name.time += std::chrono::seconds(1);  // another backup has this second
  }
  if (!job_.dry_run) new_cache_.commit();
}

BackupResult Backup::run() {
  const Timestamp started = vault_.clock().now();
  const Duration begin = vault_.clock().monotonic();
  BackupSummary& summary = result_.summary;
  summary.name = {job_.backup_class, std::chrono::floor<std::chrono::seconds>(started),
                  job_.source};
  summary.host = host_name();
  summary.program = std::string("holdfast ") + HOLDFAST_VERSION;
  summary.started = started;
  summary.consistent = started;
  check_clock(started);
  TreeRoots roots;
  try {
    roots = store();
  } catch (const Error&) {
    save_partial_work();
    throw;
  }
  commit(roots);
  result_.duration = vault_.clock().monotonic() - begin;
  return result_;
}

}  // namespace

BackupResult run_backup(const Vault& vault, const BackupJob& job, BackupProgress& progress,
                        Warnings& warnings, std::stop_token stop) {
  check_source_name(job.source);
  if (!vault.ring().can_write()) {
    throw Error(Code::kDenied, "an operator key cannot make backups",
                "use a writer or restorer key");
  }
  Backup backup(vault, job, progress, warnings, std::move(stop));
  return backup.run();
}

}  // namespace holdfast
