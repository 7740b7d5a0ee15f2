#include "protect/log_uploader.h"

#include <algorithm>

#include "protect/log_archive.h"

namespace holdfast {
namespace {

// More than that waits in the server, which keeps it anyway.
constexpr std::size_t kWaitingFiles = 4;
constexpr Duration kFirstPause = std::chrono::milliseconds{500};
constexpr Duration kLongestPause = std::chrono::seconds{30};

}  // namespace

LogUploader::LogUploader(const Vault& vault, const LogUploadOptions& options,
                         std::function<void(const Error&)> on_error,
                         std::function<void()> on_progress)
    : vault_(vault),
      options_(options),
      on_error_(std::move(on_error)),
      on_progress_(std::move(on_progress)),
      thread_([this](std::stop_token stop) { run(std::move(stop)); }) {}

LogUploader::~LogUploader() {
  thread_.request_stop();
  thread_.join();
}

void LogUploader::begin(LogUploadFile file, std::stop_token stop) {
  const std::stop_callback wake(stop, [this] { changed_.notify_all(); });
  MutexLock lock(mutex_);
  if (!files_.empty()) files_.back().last = true;
  while (files_.size() >= kWaitingFiles && !stop.stop_requested()) lock.wait(changed_);
  if (stop.stop_requested()) throw Error(Code::kCancelled, "interrupted");
  added_ = file.position;
  durable_ = std::max(durable_, file.position + file.stored);
  files_.push_back({std::move(file), {}, false, false, 0});
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
  const std::stop_callback wake(stop, [this] { changed_.notify_all(); });
  MutexLock lock(mutex_);
  while (has_work() && !stop.stop_requested()) lock.wait(changed_);
}

bool LogUploader::has_work() const {
  if (files_.empty()) return false;
  const File& first = files_.front();
  return files_.size() > 1 || first.whole || first.bytes.size() > first.file.stored;
}

bool LogUploader::await_work(std::stop_token stop) {
  MutexLock lock(mutex_);
  while (!has_work() && !stop.stop_requested()) lock.wait(changed_);
  return !stop.stop_requested();
}

void LogUploader::run(std::stop_token stop) {
  const std::stop_callback wake(stop, [this] { changed_.notify_all(); });
  Duration pause = kFirstPause;
  while (await_work(stop)) {
    const Duration begin = vault_.clock().monotonic();
    try {
      upload_next();
      pause = kFirstPause;
    } catch (const Error& error) {
      {
        MutexLock lock(mutex_);
        ++stats_.errors;
      }
      on_error_(error);
      vault_.clock().sleep_for(pause, stop);
      pause = std::min(2 * pause, kLongestPause);
      continue;
    }
    on_progress_();
    const Duration left = options_.interval - (vault_.clock().monotonic() - begin);
    if (left > Duration{}) vault_.clock().sleep_for(left, stop);
  }
  upload_rest();
}

// One try: what does not get there is still kept by the server.
void LogUploader::upload_rest() {
  try {
    for (;;) {
      {
        MutexLock lock(mutex_);
        if (!has_work()) return;
      }
      upload_next();
    }
  } catch (const Error& error) {
    on_error_(error);
  }
}

std::optional<LogUploader::Upload> LogUploader::next_upload() {
  MutexLock lock(mutex_);
  File& first = files_.front();
  // A timeline that ended in the middle of its segment leaves pieces.
  if (!first.whole && first.file.stored >= first.bytes.size()) {
    if (first.last) files_.pop_front();
    changed_.notify_all();
    return std::nullopt;
  }
  Upload upload;
  upload.name = first.file.name;
  upload.whole = first.whole;
  upload.begin = upload.whole ? 0 : first.file.stored;
  upload.content = to_bytes(ByteView(first.bytes).subspan(upload.begin));
  LogFileFacts& facts = *first.file.facts;
  facts.feed(ByteView(first.bytes).subspan(first.known));
  first.known = first.bytes.size();
  upload.facts = facts.json();
  return upload;
}

void LogUploader::upload_next() {
  const auto upload = next_upload();
  if (!upload) return;
  const Duration started = vault_.clock().monotonic();
  store(*upload);
  uploaded(*upload, vault_.clock().monotonic() - started);
}

void LogUploader::store(const Upload& upload) const {
  LogName name{options_.source, options_.stream, upload.name, {}};
  if (!upload.whole) {
    name.piece =
        LogPiece{upload.begin, upload.begin + static_cast<std::uint32_t>(upload.content.size())};
  }
  std::vector<const Vault*> vaults{&vault_};
  vaults.insert(vaults.end(), options_.others.begin(), options_.others.end());
  for (const Vault* vault : vaults) {
    store_log(*vault, name, upload.content, upload.facts);
    if (upload.whole) remove_log_pieces(*vault, name);
  }
}

void LogUploader::uploaded(const Upload& upload, Duration took) {
  MutexLock lock(mutex_);
  stats_.bytes += upload.content.size();
  stats_.last_upload = took;
  ++(upload.whole ? stats_.files : stats_.pieces);
  File& first = files_.front();
  first.file.stored = upload.begin + static_cast<std::uint32_t>(upload.content.size());
  durable_ = std::max(durable_, first.file.position + first.file.stored);
  first.file.facts->durable();
  if (upload.whole || (first.last && first.file.stored == first.bytes.size())) files_.pop_front();
  changed_.notify_all();
}

}  // namespace holdfast
