#include "protect/restore.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <future>
#include <unordered_set>

#include "base/error.h"
#include "base/human.h"
#include "base/path.h"
#include "os/parallel.h"
#include "os/processors.h"
#include "protect/restore_mark.h"
#include "protect/restore_others.h"
#include "protect/restore_preflight.h"
#include "protect/restore_window.h"
#include "protect/selection.h"
#include "vault/lease.h"
#include "vault/tree.h"

namespace holdfast {
namespace {

// Files of a window: few in the first ones, since nothing is written before the first is full.
constexpr std::size_t kFirstWindow = 512;
constexpr std::size_t kLargestWindow = 32'768;
// From a remote store. A request brings up to 4 MiB, so that more of them cost memory and gain
// nothing.
constexpr unsigned kMostReaders = 8;
// Directories are remembered for their times and modes up to so many; of more the tree is read
// again.
constexpr std::size_t kRememberedDirectories = 32'768;
constexpr std::size_t kDirectoriesAtOnce = 4096;

class Restore {
 public:
  Restore(const Vault& vault, const RestoreJob& job, RestoreProgress& progress, Warnings& warnings,
          std::stop_token stop)
      : vault_(vault),
        job_(job),
        progress_(progress),
        warnings_(warnings),
        stop_(std::move(stop)),
        selection_(job.includes, job.excludes, job.strip_components) {}

  RestoreResult run();

 private:
  void begin_reading();
  void preflight();
  void begin(bool was_empty);

  void place(const Entry& entry, std::span<const Ref> chunks);
  void place_directory(const Entry& entry, const std::string& path);
  void place_file(const Entry& entry, const std::string& path, std::span<const Ref> chunks);
  void place_other(const Entry& entry, const std::string& path);
  bool ensure_parents(const std::string& path);
  bool clears_directory(const Entry& entry, const struct stat& status, const std::string& path);
  bool looks_restored(const Entry& entry, const struct stat& status) const;
  bool skip_existing(const Entry& entry, const struct stat& status, const std::string& path);
  void start_window();
  void wait_for_windows();
  void give_up();

  void remember(const Entry& directory, const std::string& path);
  void finish_directories();
  void finish(const std::vector<Entry>& directories);
  void warn_of_owners();
  void remove_others();

  bool replaces() const { return overwrite_ != Overwrite::kNever; }
  void warn(const std::string& path, const Error& error) {
    warnings_.add(printable(path) + ": " + error.message());
  }

  const Vault& vault_;
  const RestoreJob& job_;
  RestoreProgress& progress_;
  Warnings& warnings_;
  std::stop_token stop_;
  Selection selection_;
  std::unique_ptr<ChunkReader> reader_;
  StoredBackup backup_;
  Overwrite overwrite_ = Overwrite::kNever;
  std::unique_ptr<Lease> lease_;
  std::unique_ptr<Target> target_;
  std::unique_ptr<RestoreContext> context_;
  std::unique_ptr<RestoreWindow> window_;  // being planned
  std::size_t window_size_ = kFirstWindow;
  std::shared_ptr<RestoreWindow> last_started_;
  std::shared_future<void> running_;  // last_started_
  std::shared_future<void> ending_;   // the one before
  std::unordered_set<std::string> made_parents_;
  // The directories from the target down to the last one that was entered, as far as known.
  struct KnownDirectory {
    std::string path;
    bool fresh = false;  // made by this run
  };
  std::vector<KnownDirectory> known_;
  std::vector<Entry> directories_;       // with their paths below the target
  bool remembers_all_ = true;            // nothing is missing there that finish_directories() needs
  std::optional<RestoreOthers> others_;  // for --delete only
  bool again_ = false;                   // the current entry's path was wanted before
  RestoreResult result_;
};

// What a restore needs before its first file, of a far store side by side: each part takes a few
// round trips.
void Restore::begin_reading() {
  const auto read_index = [this] { reader_ = std::make_unique<ChunkReader>(vault_); };
  if (!vault_.store().traits().remote) {
    backup_ = read_backup(vault_, job_.backup);
    require_readable(backup_);
    if (!job_.dry_run) lease_ = lease_if_allowed(vault_);
    return read_index();
  }
  auto index = std::async(std::launch::async, read_index);
  auto lease = std::async(std::launch::async,
                          [this] { return job_.dry_run ? nullptr : lease_if_allowed(vault_); });
  backup_ = read_backup(vault_, job_.backup);
  require_readable(backup_);
  index.get();
  // The first pages stay in the reader's memory.
  for_each_entry(*reader_, backup_.root->tree,
                 [](const Entry&, std::span<const Ref>) { return false; });
  lease_ = lease.get();
}

// What is to come, for the progress and the check of free space.
void Restore::preflight() {
  const RestoreNeeds needs = preflight_restore(*reader_, backup_, job_, stop_);
  progress_.total_files += needs.files;
  progress_.total_bytes += needs.bytes;
  require_room(job_, needs);
}

void Restore::begin(bool was_empty) {
  if (job_.keeps_mark) return;
  const auto unfinished = unfinished_restore(job_.target);
  if (!unfinished) return mark_restore(job_.target, {job_.backup.id(), was_empty, false, ""});
  result_.resumed = true;  // this backup's: preflight() refused others
  const bool ours = unfinished->target_was_empty;
  if (ours && overwrite_ == Overwrite::kNever) overwrite_ = Overwrite::kIfChanged;
}

// Returns whether the directory that `path` is in was made by this run: then nothing is in the way.
bool Restore::ensure_parents(const std::string& path) {
  const std::string parent(parent_path(path));
  if (parent.empty()) return false;
  while (!known_.empty() && !is_within(parent, known_.back().path)) known_.pop_back();
  if (!known_.empty() && known_.back().path == parent) return known_.back().fresh;
  struct stat status {};
  bool made = false;
  if (!target_->stat(parent, status)) {
    ensure_parents(parent);
    made = target_->make_directory(parent, false);
    made_parents_.insert(parent);
  }
  known_.push_back({parent, made});
  return made;
}

// Whether what is in the way looks like what this restore would make of `entry`.
bool Restore::looks_restored(const Entry& entry, const struct stat& status) const {
  if (entry.type == EntryType::kHardlink) {
    const auto first = selection_.target_path(entry.link_target);
    struct stat other {};
    return first && target_->stat(*first, other) && other.st_ino == status.st_ino &&
           other.st_dev == status.st_dev;
  }
  const bool same_time =
      std::int64_t{status.st_mtim.tv_sec} * 1'000'000'000 + status.st_mtim.tv_nsec ==
      entry.mtime_ns;
  const auto size = static_cast<std::uint64_t>(status.st_size);
  switch (entry.type) {
    case EntryType::kFile:
      return same_time && S_ISREG(status.st_mode) && size == entry.size;
    case EntryType::kSymlink:
      return same_time && S_ISLNK(status.st_mode) && size == entry.link_target.size();
    default:
      return same_time && !S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode) &&
             !S_ISLNK(status.st_mode);
  }
}

// With Overwrite::kNever: true, and counted, when something is in the way.
bool Restore::skip_existing(const Entry& entry, const struct stat& status,
                            const std::string& path) {
  if (overwrite_ != Overwrite::kNever) return false;
  ++result_.skipped;
  if (!looks_restored(entry, status)) {
    warnings_.add(printable(path) + ": exists and was kept (see --overwrite)");
  }
  return true;
}

// A directory where the backup has something else. An empty one gives way like anything that is
// replaced; what is in one is something the backup does not have, so it goes with --delete only.
// False, and said, when it stays.
bool Restore::clears_directory(const Entry& entry, const struct stat& status,
                               const std::string& path) {
  if (!S_ISDIR(status.st_mode)) return true;
  // With stripped components two entries can meet at one place: one must not remove the other.
  if (again_) {
    ++result_.failed;
    warnings_.add(printable(path) +
                  ": not restored: a directory of the backup has its place (restore it elsewhere, "
                  "with --include and another --target)");
    return false;
  }
  if (!target_->holds_something(path)) return true;
  if (others_ && others_->may_remove(entry.path)) {
    ++result_.removed;
    if (!job_.dry_run) target_->remove_tree(path);
    return true;
  }
  ++result_.failed;
  warnings_.add(printable(path) + ": not restored: a directory that is not empty is in the way (" +
                (job_.remove_others ? "move it away, and restore again)"
                                    : "add --delete to replace it, or move it away)"));
  return false;
}

void Restore::place_directory(const Entry& entry, const std::string& path) {
  ++result_.directories;
  if (job_.dry_run || path.empty()) return;
  remember(entry, path);
  ensure_parents(path);
  const bool made = target_->make_directory(path, replaces());
  known_.push_back({path, made});
}

void Restore::place_file(const Entry& entry, const std::string& path, std::span<const Ref> chunks) {
  const bool fresh = !job_.dry_run && ensure_parents(path);
  struct stat status {};
  const bool exists = !fresh && target_ && target_->stat(path, status);
  if (exists && skip_existing(entry, status, path)) {
    progress_.bytes += entry.size;
    ++progress_.files;
    return;
  }
  if (exists && !clears_directory(entry, status, path)) return;
  ++result_.files;
  for (const Ref& ref : chunks) result_.bytes += ref.length;
  if (job_.dry_run) return;
  auto file = std::make_unique<FileInMaking>();
  file->entry = entry;
  file->entry.path = path;
  file->chunks.assign(chunks.begin(), chunks.end());
  file->existed = exists && S_ISREG(status.st_mode) && overwrite_ == Overwrite::kIfChanged;
  file->replace = exists;
  window_->add(std::move(file));
}

void Restore::place_other(const Entry& entry, const std::string& path) {
  struct stat status {};
  const bool exists = target_ && target_->stat(path, status);
  if (exists && skip_existing(entry, status, path)) return;
  Entry placed = entry;
  placed.path = path;
  if (entry.type == EntryType::kHardlink) {
    const auto first = selection_.target_path(entry.link_target);
    if (!selection_.wants(entry.link_target, false) || !first) {
      warnings_.add(printable(entry.path) + ": is a further name of " +
                    printable(entry.link_target) + ", which is not restored");
      return;
    }
    placed.link_target = *first;
  }
  if (exists && !clears_directory(entry, status, path)) return;
  if (job_.dry_run) {
    ++result_.others;
    return;
  }
  ensure_parents(path);
  if (entry.type == EntryType::kHardlink) {
    ++result_.others;
    window_->add_hardlink(std::move(placed), replaces());
    return;
  }
  target_->make_special(placed, replaces());
  ++result_.others;
  const std::string trouble = target_->apply_metadata(placed, -1);
  if (!trouble.empty()) warnings_.add(printable(path) + ": " + trouble);
}

void Restore::place(const Entry& entry, std::span<const Ref> chunks) {
  if (stop_.stop_requested()) throw Error(Code::kCancelled, "interrupted");
  const bool is_directory = entry.type == EntryType::kDirectory;
  if (!selection_.wants(entry.path, is_directory)) {
    if (is_directory) remembers_all_ = false;  // it may be made for something below it
    return;
  }
  const auto path = selection_.target_path(entry.path);
  if (path == kRestoreMark) return;  // of the restore that made what was backed up
  if (!path) {
    // Of directories that is what stripping is for.
    if (!is_directory) ++result_.stripped;
    return;
  }
  again_ = others_ && !others_->want(*path);
  try {
    if (is_directory) {
      place_directory(entry, *path);
    } else if (entry.type == EntryType::kFile) {
      place_file(entry, *path, chunks);
    } else {
      place_other(entry, *path);
    }
  } catch (const Error& error) {
    if (error.code() != Code::kConflict && error.code() != Code::kDenied &&
        error.code() != Code::kInvalid && error.code() != Code::kNotFound) {
      throw;
    }
    ++result_.failed;
    warn(*path, error);
  }
  if (window_ && window_->full()) start_window();
}

// Windows run while the next one is planned, and when one has its last frames in hand, the next one
// begins beside it.
void Restore::start_window() {
  window_size_ = std::min(4 * window_size_, kLargestWindow);
  std::shared_ptr<RestoreWindow> window =
      std::exchange(window_, std::make_unique<RestoreWindow>(*context_, window_size_));
  window->prepare();
  if (ending_.valid()) ending_.get();
  if (last_started_ && job_.strip_components == 0) {
    last_started_->wait_for_last();
  } else if (running_.valid()) {
    running_.get();  // entries can meet at one place: the later one must find the other whole
  }
  ending_ = running_;
  running_ = std::async(std::launch::async, [window, before = ending_] {
               window->run();
               if (before.valid()) before.get();
               window->make_hardlinks();
             }).share();
  last_started_ = std::move(window);
}

void Restore::wait_for_windows() {
  if (ending_.valid()) ending_.get();
  if (running_.valid()) running_.get();
}

// After an error: whatever runs is left to end what it has begun.
void Restore::give_up() {
  if (context_) context_->over = true;
  if (ending_.valid()) ending_.wait();
  if (running_.valid()) running_.wait();
}

void Restore::remember(const Entry& directory, const std::string& path) {
  if (directories_.size() == kRememberedDirectories) remembers_all_ = false;
  if (!remembers_all_) return;
  directories_.push_back(directory);
  directories_.back().path = path;
}

// Times and modes of directories, now that nothing changes in them any more.
void Restore::finish_directories() {
  if (remembers_all_) return finish(directories_);
  std::vector<Entry> directories;
  for_each_entry(*reader_, backup_.root->tree, [&](const Entry& entry, std::span<const Ref>) {
    if (entry.type != EntryType::kDirectory) return true;
    const auto path = selection_.target_path(entry.path);
    if (!path || path->empty()) return true;
    if (!selection_.wants(entry.path, true) && !made_parents_.contains(*path)) return true;
    directories.push_back(entry);
    directories.back().path = *path;
    if (directories.size() < kDirectoriesAtOnce) return true;
    finish(directories);
    directories.clear();
    return true;
  });
  finish(directories);
}

void Restore::finish(const std::vector<Entry>& directories) {
  // Whoever asks for a stop now has everything but this.
  in_parallel(processors(), directories.size(), {}, [&](std::size_t i) {
    const Entry& entry = directories[i];
    try {
      const std::string trouble = target_->apply_metadata(entry, -1);
      if (!trouble.empty()) warnings_.add(printable(entry.path) + ": " + trouble);
    } catch (const Error& error) {
      warn(entry.path, error);
    }
  });
}

// Who is not root can give nothing away: that is one thing to say, however many entries there are.
void Restore::warn_of_owners() {
  const std::uint64_t refused = target_->refused_owners();
  if (refused == 0) return;
  warnings_.add(fmt::format(
      "{} could not get the owner or group of the backup, and may belong to you: restore as root, "
      "or give --no-owner when that is meant",
      refused == 1 ? "1 entry" : format_count(refused) + " entries"));
}

// Only below what the backup was asked to protect: never beside it.
void Restore::remove_others() {
  bool has_root = false;
  for_each_entry(*reader_, backup_.root->tree, [&](const Entry& entry, std::span<const Ref>) {
    if (entry.type != EntryType::kDirectory || !selection_.wants(entry.path, true)) return true;
    const auto path = selection_.target_of_children(entry.path);
    has_root = has_root || entry.path.empty();
    if (path && others_->may_remove(entry.path)) {
      result_.removed += others_->remove_from(*target_, *path, entry.path, job_.dry_run);
    }
    return true;
  });
  // MariaDB's tool has files only: the data directory itself is not among them.
  const auto& database = backup_.summary.database;
  const bool whole = job_.includes.empty() && job_.strip_components == 0;
  if (!has_root && whole && database && database->method == "physical") {
    result_.removed += others_->remove_from(*target_, "", "", job_.dry_run);
  }
}

RestoreResult Restore::run() {
  const Duration begun = vault_.clock().monotonic();
  begin_reading();
  overwrite_ = job_.overwrite;
  if (job_.remove_others) others_.emplace(selection_, backup_.root->paths);
  const bool was_empty = is_empty_target(job_.target);
  preflight();
  if (!job_.dry_run || path_exists(job_.target)) {
    target_ = std::make_unique<Target>(job_.target, !job_.dry_run, job_.rights);
  }
  if (!job_.dry_run) {
    begin(was_empty);
    const bool remote = vault_.store().traits().remote;
    unsigned threads = reader_threads(vault_.store(), job_.threads);
    if (remote && job_.threads == 0) {
      threads = std::max(processors(), std::min(threads, kMostReaders));
    }
    // One more than processors: some wait for the lock of a directory.
    const unsigned openers = std::min(threads, processors() + 1);
    context_.reset(new RestoreContext{vault_, job_, *target_, *reader_, progress_, warnings_, stop_,
                                      threads, remote, remote || job_.keeps_mark,
                                      FrameBuffers(threads), FrameBuffers(openers)});
    window_ = std::make_unique<RestoreWindow>(*context_, window_size_);
  }
  try {
    for_each_entry(*reader_, backup_.root->tree,
                   [&](const Entry& entry, std::span<const Ref> chunks) {
                     place(entry, chunks);
                     return true;
                   });
    if (window_ && !window_->empty()) start_window();
  } catch (...) {
    give_up();
    throw;
  }
  wait_for_windows();
  if (others_ && target_) remove_others();
  // With all directories in memory nothing is read any more.
  std::future<void> released;
  if (remembers_all_) released = std::async(std::launch::async, [this] { lease_.reset(); });
  if (!job_.dry_run) {
    finish_directories();
    warn_of_owners();
    // While something is missing the restore is unfinished: the same command fetches it once a copy
    // of the vault has repaired this one.
    if (context_->damaged == 0 && !job_.keeps_mark) unmark_restore(job_.target);
    result_.bytes_written = context_->bytes_written;
    result_.bytes_kept = context_->bytes_kept;
    result_.damaged = context_->damaged;
    result_.failed += context_->failed_files + context_->failed_links;
    // They were counted when their turn came, and did not get there, or not whole.
    result_.files -= context_->failed_files + context_->damaged;
    result_.bytes -= context_->failed_bytes + context_->damaged_bytes;
    result_.others -= context_->failed_links;
  }
  result_.duration = vault_.clock().monotonic() - begun;
  return result_;
}

}  // namespace

RestoreResult run_restore(const Vault& vault, const RestoreJob& job, RestoreProgress& progress,
                          Warnings& warnings, std::stop_token stop) {
  Restore restore(vault, job, progress, warnings, std::move(stop));
  return restore.run();
}

bool is_empty_target(const std::string& target) {
  std::error_code ignored;
  for (const auto& child : std::filesystem::directory_iterator(target, ignored)) {
    const std::string name = child.path().filename().string();
    if (name != "lost+found" && !is_unmade_mark(name)) return false;
  }
  return true;
}

bool resumes_into_empty(const std::string& target) {
  const auto unfinished = unfinished_restore(target);
  return unfinished && unfinished->target_was_empty;
}

}  // namespace holdfast
