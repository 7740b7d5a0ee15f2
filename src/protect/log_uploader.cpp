#include "protect/log_uploader.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "protect/log_archive.h"
#include "source/postgres/commit_index.h"
#include "source/postgres/log_facts.h"

namespace holdfast {
namespace {

// More than that waits in the server, which keeps it anyway.
constexpr std::size_t kWaitingSegments = 4;
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

void LogUploader::begin(std::uint32_t timeline, Lsn start, std::uint32_t stored) {
  MutexLock lock(mutex_);
  if (!segments_.empty()) segments_.back().last = true;
  timeline_ = timeline;
  end_ = start;
  durable_ = std::max(durable_, start + stored);
  segments_.push_back({{timeline, start / options_.segment_size}, {}, stored, false, nullptr, 0});
}

void LogUploader::add(ByteView data, std::stop_token stop) {
  const std::stop_callback wake(stop, [this] { changed_.notify_all(); });
  while (!data.empty()) {
    MutexLock lock(mutex_);
    if (timeline_ == 0) throw Error(Code::kInternal, "log bytes before their segment");
    if (segments_.empty() || segments_.back().bytes.size() == options_.segment_size) {
      while (segments_.size() >= kWaitingSegments && !stop.stop_requested()) lock.wait(changed_);
      if (stop.stop_requested()) throw Error(Code::kCancelled, "interrupted");
      segments_.push_back({{timeline_, end_ / options_.segment_size}, {}, 0, false, nullptr, 0});
    }
    Bytes& bytes = segments_.back().bytes;
    const std::size_t part = std::min(data.size(), options_.segment_size - bytes.size());
    append(bytes, data.first(part));
    end_ += part;
    data = data.subspan(part);
    changed_.notify_all();
  }
}

Lsn LogUploader::durable() const {
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
  if (segments_.empty()) return false;
  const Segment& first = segments_.front();
  return segments_.size() > 1 || first.bytes.size() > first.stored;
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

void LogUploader::upload_next() {
  Bytes content;
  WalSegment segment;
  std::uint32_t begin = 0;
  bool whole = false;
  std::string facts;
  {
    MutexLock lock(mutex_);
    Segment& first = segments_.front();
    segment = first.name;
    whole = first.bytes.size() == options_.segment_size;
    begin = whole ? 0 : first.stored;
    // A timeline that ended in the middle of its segment leaves pieces.
    if (!whole && first.stored >= first.bytes.size()) {
      segments_.pop_front();
      changed_.notify_all();
      return;
    }
    content = to_bytes(ByteView(first.bytes).subspan(begin));
    facts = facts_of(first);
  }
  const Duration started = vault_.clock().monotonic();
  upload(segment, begin, content, whole, facts);
  uploaded(segment, begin + static_cast<std::uint32_t>(content.size()), whole, content.size(),
           vault_.clock().monotonic() - started);
}

std::string LogUploader::facts_of(Segment& segment) const {
  if (!segment.facts) {
    segment.facts = std::make_unique<SegmentFacts>(segment.name.start(options_.segment_size),
                                                   segment.name.timeline, options_.segment_size);
  }
  segment.facts->feed(ByteView(segment.bytes).subspan(segment.known));
  segment.known = segment.bytes.size();
  return segment.facts->json().dump();
}

void LogUploader::upload(const WalSegment& segment, std::uint32_t begin, ByteView content,
                         bool whole, const std::string& facts) {
  const auto end = begin + static_cast<std::uint32_t>(content.size());
  LogName name{options_.source, options_.stream, segment.name(options_.segment_size), {}};
  if (!whole) name.piece = LogPiece{begin, end};
  std::vector<const Vault*> vaults{&vault_};
  vaults.insert(vaults.end(), options_.others.begin(), options_.others.end());
  for (const Vault* vault : vaults) {
    store_log(*vault, name, content, facts);
    if (whole) remove_log_pieces(*vault, name);
  }
}

void LogUploader::uploaded(const WalSegment& segment, std::uint32_t end, bool whole,
                           std::size_t bytes, Duration took) {
  MutexLock lock(mutex_);
  stats_.bytes += bytes;
  stats_.last_upload = took;
  ++(whole ? stats_.segments : stats_.pieces);
  durable_ = std::max(durable_, segment.start(options_.segment_size) + end);
  Segment& first = segments_.front();
  first.stored = end;
  if (whole || (first.last && first.stored == first.bytes.size())) segments_.pop_front();
  changed_.notify_all();
}

}  // namespace holdfast
