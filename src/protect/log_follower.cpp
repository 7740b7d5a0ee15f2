#include "protect/log_follower.h"

#include <fmt/format.h>

#include <algorithm>
#include <exception>
#include <future>
#include <utility>

#include "base/human.h"
#include "os/grace.h"
#include "protect/log_archive.h"
#include "protect/log_catch_up.h"
#include "protect/log_patience.h"

namespace holdfast {
namespace {

constexpr Duration kFirstPause = std::chrono::milliseconds{500};
constexpr Duration kLongestPause = std::chrono::seconds{30};

}  // namespace

void place_log(const Vault& vault, const LogUpload& upload, const BeforeLogObject& before) {
  if (before) before(vault, upload.name, upload.facts);
  store_log(vault, upload.name, *upload.content, upload.facts);
  if (!upload.name.piece) remove_log_pieces(vault, upload.name);
}

void at_all_places(const std::vector<const Vault*>& places,
                   const std::function<void(const Vault&)>& action) {
  std::vector<std::future<void>> others;
  for (std::size_t i = 1; i < places.size(); ++i) {
    others.push_back(std::async(std::launch::async, [&, i] { action(*places[i]); }));
  }
  std::exception_ptr failure;
  const auto attempt = [&](const auto& one) {
    try {
      one();
    } catch (...) {
      if (!failure) failure = std::current_exception();
    }
  };
  if (!places.empty()) attempt([&] { action(*places.front()); });
  for (std::future<void>& other : others) attempt([&] { other.get(); });
  if (failure) std::rethrow_exception(failure);
}

LogFollower::LogFollower(const Vault& vault, LogFollowerPlace place, LogFollowerOptions options)
    : vault_(vault),
      place_(std::move(place)),
      options_(std::move(options)),
      thread_([this](const std::stop_token& stop) { run(stop); }) {}

LogFollower::~LogFollower() {
  {
    MutexLock lock(mutex_);
    thread_.request_stop();
  }
  changed_.notify_all();
  thread_.join();
}

void LogFollower::even_out(const std::string& stream) {
  MutexLock lock(mutex_);
  if (std::exchange(stream_, stream) != stream) {
    reach_.reset();  // other positions
    offered_ = 0;
  }
  if (!uneven_since_) uneven_since_ = vault_.clock().monotonic();
  state_ = State::kUneven;
  changed_.notify_all();
}

void LogFollower::offer(const LogUpload& upload) {
  MutexLock lock(mutex_);
  if (upload.end > 0) {
    if (!reach_) reach_ = upload.end - std::min<std::uint64_t>(upload.end, upload.content->size());
    offered_ = std::max(offered_, upload.end);
  }
  // The vault has it, from where it will come.
  if (state_ == State::kUneven) return;
  if (waiting_bytes_ + upload.content->size() > options_.waiting_bytes) {
    ++status_.overflows;
    if (!uneven_since_) uneven_since_ = behind_since().value_or(vault_.clock().monotonic());
    drop();
  } else {
    waiting_bytes_ += upload.content->size();
    waiting_.push_back({upload, vault_.clock().monotonic()});
  }
  changed_.notify_all();
}

void LogFollower::drop() {
  state_ = State::kUneven;
  for (const Waiting& one : waiting_) waiting_bytes_ -= one.upload.content->size();
  waiting_.clear();
}

std::optional<Duration> LogFollower::behind_since() const {
  if (uneven_since_) return uneven_since_;
  if (storing_since_) return storing_since_;
  if (!waiting_.empty()) return waiting_.front().since;
  return std::nullopt;
}

LogFollowerStatus LogFollower::status() const {
  MutexLock lock(mutex_);
  LogFollowerStatus status = status_;
  status.place = place_.name;
  status.even = state_ == State::kEven;
  status.behind = offered_ - std::min(offered_, reach_.value_or(offered_));
  if (const auto since = behind_since()) status.behind_for = vault_.clock().monotonic() - *since;
  return status;
}

bool LogFollower::await_work(const std::stop_token& stop) {
  MutexLock lock(mutex_);
  for (;;) {
    if (stop.stop_requested()) return false;
    const bool uneven = state_ == State::kUneven;
    if (uneven ? !stream_.empty() : !waiting_.empty()) return true;
    lock.wait(changed_);
  }
}

void LogFollower::run(const std::stop_token& stop) {
  keep_up(stop);
  store_the_rest();
}

// Until then the vault gets its last objects, which are offered.
void LogFollower::await_stop(const std::stop_token& stop) {
  MutexLock lock(mutex_);
  while (!stop.stop_requested()) lock.wait(changed_);
}

void LogFollower::keep_up(const std::stop_token& stop) {
  Duration pause = kFirstPause;
  while (await_work(stop)) {
    try {
      step(stop);
      pause = kFirstPause;
      well();
      continue;
    } catch (...) {
      const Error error = current_error();
      if (error.code() == Code::kCancelled) return await_stop(stop);
      failed(error);
    }
    if (stop.stop_requested()) return;
    vault_.clock().sleep_for(pause, stop);
    pause = std::min(2 * pause, kLongestPause);
  }
}

void LogFollower::step(const std::stop_token& stop) {
  bool uneven = false;
  {
    MutexLock lock(mutex_);
    uneven = state_ == State::kUneven;
  }
  uneven ? bring_missing(stop) : store_next();
}

void LogFollower::bring_missing(const std::stop_token& stop) {
  if (!opened_) opened_ = place_.open();
  std::string stream;
  std::uint64_t reach = 0;
  Duration begun{};
  {
    // What was offered until now is in the vault, which is listed after this.
    MutexLock lock(mutex_);
    drop();
    state_ = State::kEvening;
    stream = stream_;
    reach = offered_;
    begun = vault_.clock().monotonic();
  }
  bring_log(vault_, *opened_, options_.source, stream, options_.notify, stop);
  finish_evening(begun, reach);
}

void LogFollower::finish_evening(Duration begun, std::uint64_t reach) {
  MutexLock lock(mutex_);
  if (reach_) reach_ = std::max(*reach_, reach);
  // More came meanwhile than is kept: there is something to bring again.
  if (state_ == State::kEvening) {
    state_ = State::kEven;
    uneven_since_.reset();
  } else {
    uneven_since_ = begun;
  }
}

void LogFollower::store_next() {
  Waiting next;
  {
    MutexLock lock(mutex_);
    if (waiting_.empty()) return;
    next = std::move(waiting_.front());
    waiting_.pop_front();
    storing_since_ = next.since;
  }
  std::optional<Error> error;
  try {
    place_log(*opened_, next.upload, options_.before_object);
  } catch (...) {
    error = current_error();
  }
  MutexLock lock(mutex_);
  storing_since_.reset();
  if (error) {
    not_stored(std::move(next), *error);
    throw Error(*error);
  }
  waiting_bytes_ -= next.upload.content->size();
  ++status_.objects;
  if (state_ == State::kEven && reach_) reach_ = std::max(*reach_, next.upload.end);
}

void LogFollower::not_stored(Waiting waiting, const Error& error) {
  // A stop has ended the request, not the place: there is one more try.
  if (error.code() == Code::kCancelled && state_ == State::kEven) {
    waiting_.push_front(std::move(waiting));
    return;
  }
  waiting_bytes_ -= waiting.upload.content->size();
  if (!uneven_since_) uneven_since_ = waiting.since;
  drop();
}

bool LogFollower::has_rest() const {
  MutexLock lock(mutex_);
  return state_ == State::kEven && !waiting_.empty();
}

// Only what waits and needs no looking for. The stop that ends the process has ended the requests
// to a bucket, too, but for those within a grace.
void LogFollower::store_the_rest() {
  const Grace grace;
  const Duration end = vault_.clock().monotonic() + options_.last_words;
  std::string trouble;
  try {
    while (has_rest() && vault_.clock().monotonic() < end) store_next();
  } catch (...) {
    trouble = current_error().message();
  }
  tell_what_is_missing(trouble);
}

void LogFollower::tell_what_is_missing(const std::string& trouble) const {
  std::string text;
  {
    MutexLock lock(mutex_);
    if (stream_.empty() || (state_ == State::kEven && waiting_.empty())) return;
    const std::uint64_t behind = offered_ - std::min(offered_, reach_.value_or(offered_));
    text = behind > 0 ? fmt::format("{} ends before the last {} of the log that the vault has",
                                    place_.name, format_size(behind))
                      : fmt::format("{} may lack log that the vault has", place_.name);
  }
  if (!trouble.empty()) text += fmt::format(" ({})", trouble);
  options_.notify(
      text + fmt::format("; the next stream brings it, or holdfast copy --to {}", place_.name));
}

void LogFollower::failed(const Error& error) {
  {
    MutexLock lock(mutex_);
    status_.error = error.message();
    if (!uneven_since_) uneven_since_ = vault_.clock().monotonic();
    drop();
  }
  if (failing_since_) return;
  failing_since_ = vault_.clock().monotonic();
  options_.notify(fmt::format("{} does not get the log at present, and nothing waits for it: {}",
                              place_.name, error.message()));
}

void LogFollower::well() {
  {
    MutexLock lock(mutex_);
    status_.error.clear();
    if (state_ != State::kEven) return;
  }
  if (!failing_since_) return;
  options_.notify(fmt::format("{} has the whole log again, after {}", place_.name,
                              format_duration(vault_.clock().monotonic() - *failing_since_)));
  failing_since_.reset();
}

LogFollowers::LogFollowers(const Vault& vault, const std::vector<LogFollowerPlace>& places,
                           const LogFollowerOptions& options) {
  for (const LogFollowerPlace& place : places) {
    followers_.push_back(std::make_unique<LogFollower>(vault, place, options));
  }
}

void LogFollowers::even_out(const std::string& stream) {
  for (const auto& follower : followers_) follower->even_out(stream);
}

void LogFollowers::offer(const LogUpload& upload) {
  for (const auto& follower : followers_) follower->offer(upload);
}

std::vector<LogFollowerStatus> LogFollowers::status() const {
  std::vector<LogFollowerStatus> all;
  for (const auto& follower : followers_) all.push_back(follower->status());
  return all;
}

}  // namespace holdfast
