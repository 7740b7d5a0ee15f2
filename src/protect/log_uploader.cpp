#include "protect/log_uploader.h"

#include <algorithm>

#include "protect/log_patience.h"

namespace holdfast {
namespace {

// More than that waits in the server, which keeps it anyway.
constexpr std::size_t kWaitingFiles = 6;
constexpr std::uint32_t kFewPieces = 4;
constexpr Duration kFirstUploadPause = std::chrono::milliseconds{500};
constexpr Duration kLongestUploadPause = std::chrono::seconds{30};

}  // namespace

LogUploader::LogUploader(const Vault& vault, const LogUploadOptions& options,
                         std::function<void(const Error&)> on_error,
                         std::function<void()> on_progress)
    : vault_(vault),
      options_(options),
      on_error_(std::move(on_error)),
      on_progress_(std::move(on_progress)),
      uploading_([this](const std::stop_token& stop) { run(stop); }),
      replacing_([this](const std::stop_token& stop) { run_replacing(stop); }) {}

LogUploader::~LogUploader() {
  uploading_.request_stop();
  uploading_.join();
  replacing_.request_stop();
  replacing_.join();
}

// Who looks at a stop token and then waits does both under the lock: nobody misses it.
void LogUploader::wake() {
  { MutexLock lock(mutex_); }
  changed_.notify_all();
}

void LogUploader::begin(LogUploadFile file, std::stop_token stop) {
  const std::stop_callback on_stop(stop, [this] { wake(); });
  MutexLock lock(mutex_);
  if (!files_.empty()) files_.back().last = true;
  while (files_.size() + complete_.size() >= kWaitingFiles && !stop.stop_requested()) {
    lock.wait(changed_);
  }
  if (stop.stop_requested()) throw Error(Code::kCancelled, "interrupted");
  added_ = file.position;
  // Else what comes before it is still on its way. Never the greater one of two positions: behind a
  // change of timeline the new one may begin before what was stored of the old one.
  if (all_stored()) durable_ = file.position + file.stored;
  const bool from_start = file.stored == 0;
  files_.push_back({std::move(file), {}, false, false, from_start, 0, 0});
  changed_.notify_all();
}

void LogUploader::add(ByteView data) {
  MutexLock lock(mutex_);
  // A file that was uploaded to its end so far is still there, unless another one has begun.
  if (files_.empty() || files_.back().whole) {
    throw Error(Code::kInternal, "bytes of the log before their file");
  }
  append(files_.back().bytes, data);
  added_ += data.size();
  changed_.notify_all();
}

void LogUploader::complete() {
  MutexLock lock(mutex_);
  if (files_.empty()) throw Error(Code::kInternal, "the end of a file that has not begun");
  files_.back().whole = true;
  changed_.notify_all();
}

std::uint64_t LogUploader::added() const {
  MutexLock lock(mutex_);
  return added_;
}

std::uint64_t LogUploader::durable() const {
  MutexLock lock(mutex_);
  return durable_;
}

LogUploadStats LogUploader::stats() const {
  MutexLock lock(mutex_);
  return stats_;
}

void LogUploader::drain(std::stop_token stop) {
  const std::stop_callback on_stop(stop, [this] { wake(); });
  MutexLock lock(mutex_);
  while (has_work() && !stop.stop_requested()) lock.wait(changed_);
}

bool LogUploader::all_stored() const {
  return std::all_of(files_.begin(), files_.end(),
                     [](const File& file) { return file.bytes.size() <= file.file.stored; });
}

bool LogUploader::has_work() const {
  if (files_.empty()) return false;
  const File& first = files_.front();
  return files_.size() > 1 || first.whole || first.bytes.size() > first.file.stored;
}

bool LogUploader::await_work(const std::stop_token& stop) {
  MutexLock lock(mutex_);
  while (!has_work() && !stop.stop_requested()) lock.wait(changed_);
  return !stop.stop_requested() || has_work();
}

// Calls `step` as often as `await` says that there is something to do; after a stop until one
// fails: what does not get there is still kept by the server, or is there in pieces.
void LogUploader::keep_trying(const std::stop_token& stop, const std::function<bool()>& await,
                              const std::function<void()>& step) {
  const std::stop_callback on_stop(stop, [this] { wake(); });
  Duration pause = kFirstUploadPause;
  while (await()) {
    try {
      step();
      pause = kFirstUploadPause;
    } catch (...) {
      const Error error = current_error();
      {
        MutexLock lock(mutex_);
        ++stats_.errors;
      }
      on_error_(error);
      if (stop.stop_requested()) return;
      vault_.clock().sleep_for(pause, stop);
      pause = std::min(2 * pause, kLongestUploadPause);
    }
  }
}

void LogUploader::run(const std::stop_token& stop) {
  keep_trying(
      stop, [&] { return await_work(stop); },
      [&] {
        const Duration begin = vault_.clock().monotonic();
        upload_next();
        on_progress_();
        // What is complete does not wait.
        const Duration left = options_.interval - (vault_.clock().monotonic() - begin);
        if (left > Duration{} && !has_complete()) vault_.clock().sleep_for(left, stop);
      });
}

bool LogUploader::has_complete() const {
  MutexLock lock(mutex_);
  return files_.size() > 1 || (!files_.empty() && files_.front().whole);
}

LogUpload LogUploader::upload_of(const File& file, bool whole, Bytes content,
                                 std::string facts) const {
  LogUpload upload;
  upload.name = {options_.source, options_.stream, file.file.name, {}};
  std::uint32_t end = static_cast<std::uint32_t>(content.size());
  if (!whole) {
    end += file.file.stored;
    upload.name.piece = LogPiece{file.file.stored, end};
  }
  upload.content = std::make_shared<const Bytes>(std::move(content));
  upload.facts = std::move(facts);
  upload.end = file.file.position + end;
  return upload;
}

std::optional<LogUpload> LogUploader::next_upload() {
  MutexLock lock(mutex_);
  File& first = files_.front();
  const std::uint32_t stored = first.file.stored;
  // A timeline that ended in the middle of its segment leaves pieces.
  if (!first.whole && stored >= first.bytes.size()) {
    if (first.last) files_.pop_front();
    changed_.notify_all();
    return std::nullopt;
  }
  LogFileFacts& facts = *first.file.facts;
  facts.feed(ByteView(first.bytes).subspan(first.known));
  first.known = first.bytes.size();
  const bool by_size = options_.complete_by_size;
  if (first.whole && by_size && stored == first.bytes.size()) {
    hand_over(first, facts.json());
    return std::nullopt;
  }
  // One that has pieces is durable sooner with one more.
  const bool whole = first.whole && (!by_size || stored == 0 || stored > first.bytes.size());
  return upload_of(first, whole, to_bytes(ByteView(first.bytes).subspan(whole ? 0 : stored)),
                   facts.json());
}

void LogUploader::hand_over(File& file, std::string facts) {
  // Of one that was begun in an earlier run nobody knows how many there are.
  if (file.from_start && file.pieces <= kFewPieces) {
    ++stats_.files;
    files_.pop_front();
    changed_.notify_all();
    return;
  }
  complete_.push_back(upload_of(file, true, std::move(file.bytes), std::move(facts)));
  files_.pop_front();
  changed_.notify_all();
}

void LogUploader::upload_next() {
  const auto upload = next_upload();
  if (!upload) return;
  const Duration started = vault_.clock().monotonic();
  store(*upload);
  uploaded(*upload, vault_.clock().monotonic() - started);
}

bool LogUploader::await_replacement(const std::stop_token& stop) {
  MutexLock lock(mutex_);
  while (complete_.empty() && !stop.stop_requested()) lock.wait(changed_);
  return !complete_.empty();
}

void LogUploader::run_replacing(const std::stop_token& stop) {
  keep_trying(
      stop, [&] { return await_replacement(stop); }, [&] { replace_next(); });
}

void LogUploader::replace_next() {
  const LogUpload* first = nullptr;
  {
    MutexLock lock(mutex_);
    first = &complete_.front();  // only this thread removes it, and others only add behind it
  }
  store(*first);
  MutexLock lock(mutex_);
  stats_.bytes += first->content->size();
  ++stats_.files;
  complete_.pop_front();
  changed_.notify_all();
}

// In all places at once, so that it takes as long as the slowest. Each of them is tried, also when
// another one fails.
void LogUploader::store(const LogUpload& upload) const {
  std::vector<const Vault*> places{&vault_};
  places.insert(places.end(), options_.others.begin(), options_.others.end());
  at_all_places(places, [&](const Vault& vault) {
    place_log(vault, upload, options_.before_object);
    if (&vault == &vault_ && options_.followers != nullptr) options_.followers->offer(upload);
  });
}

void LogUploader::uploaded(const LogUpload& upload, Duration took) {
  const std::uint32_t end = upload.name.piece ? upload.name.piece->end
                                              : static_cast<std::uint32_t>(upload.content->size());
  MutexLock lock(mutex_);
  stats_.bytes += upload.content->size();
  stats_.last_upload = took;
  ++(upload.name.piece ? stats_.pieces : stats_.files);
  File& first = files_.front();
  ++first.pieces;
  first.file.stored = end;
  durable_ = first.file.position + first.file.stored;
  first.file.facts->durable();
  const bool all = first.file.stored == first.bytes.size();
  if (!upload.name.piece || (first.last && !first.whole && all)) {
    files_.pop_front();
  } else if (first.whole && all && options_.complete_by_size) {
    hand_over(first, upload.facts);
  }
  changed_.notify_all();
}

}  // namespace holdfast
