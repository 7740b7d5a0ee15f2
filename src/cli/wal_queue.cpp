#include "cli/wal_queue.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "base/error.h"
#include "cli/wal_spool.h"
#include "os/clock.h"
#include "source/postgres/wal_file.h"

namespace holdfast {
namespace {

constexpr std::string_view kReady = ".ready";
constexpr std::string_view kNote = ".ok";
constexpr const char* kLock = "/worker.lock";
// Between two looks whether the worker is still there; notes are heard of at once.
constexpr Duration kBetweenLooks = std::chrono::milliseconds{200};

// Waits until files were written in the watched directory. True when `name` may be one of them, or
// it is `until`.
bool is_written(int changes, const std::string& name, Duration until) {
  const Duration left = until - system_clock().monotonic();
  if (left <= Duration::zero()) return true;
  pollfd waiting{changes, POLLIN, 0};
  const timespec timeout{0, left.count()};
  ::ppoll(&waiting, 1, &timeout, nullptr);
  alignas(inotify_event) char events[4096];
  bool found = false;
  for (ssize_t size = 0; (size = ::read(changes, events, sizeof events)) > 0;) {
    for (ssize_t at = 0; at < size;) {
      const auto* event = reinterpret_cast<const inotify_event*>(events + at);
      found |= (event->mask & IN_Q_OVERFLOW) != 0 || (event->len > 0 && name == event->name);
      at += static_cast<ssize_t>(sizeof *event + event->len);
    }
  }
  return found;
}

}  // namespace

WalQueue::WalQueue(std::string directory, std::string spool, std::string vault_url)
    : directory_(std::move(directory)),
      spool_(std::move(spool)),
      vault_url_(std::move(vault_url)) {}

std::string WalQueue::path_of(const std::string& name) const {
  return directory_.empty() ? name : directory_ + "/" + name;
}

std::string WalQueue::stamp(const std::string& name) const {
  return vault_url_ + "\n" + file_stamp(path_of(name));
}

void WalQueue::note(const std::string& name, const std::string& stamp) const {
  if (spool_.empty()) return;
  // One that is torn by a crash is no note.
  const Fd fd = open_file(note_path(name), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  write_full(fd.get(), as_bytes(stamp), note_path(name));
}

bool WalQueue::is_noted(const std::string& name) const {
  const std::string noted = text_if_there(note_path(name));
  return !noted.empty() && path_exists(path_of(name)) && noted == stamp(name);
}

bool WalQueue::take_note(const std::string& name) const {
  if (spool_.empty()) return false;
  const bool noted = is_noted(name);
  // While a worker writes it, a note is not whole yet, and stays.
  if (noted) ::unlink(note_path(name).c_str());
  return noted;
}

bool WalQueue::is_waiting(const std::string& name) const {
  return path_exists(path_of("archive_status/" + name + std::string(kReady)));
}

std::vector<std::string> WalQueue::waiting(std::size_t limit) const {
  std::vector<std::string> files;
  if (spool_.empty()) return files;
  const std::set<std::string> status = names_in(path_of("archive_status"));
  const std::set<std::string> notes = names_in(spool_);
  for (const std::string& note : notes) {
    if (!note.ends_with(kNote)) continue;
    const std::string name = note.substr(0, note.size() - kNote.size());
    if (!status.contains(name + std::string(kReady))) ::unlink(note_path(name).c_str());
  }
  for (const std::string& entry : status) {
    if (!entry.ends_with(kReady)) continue;
    const std::string name = entry.substr(0, entry.size() - kReady.size());
    if (!wal_file_kind(name)) continue;
    if (notes.contains(name + std::string(kNote)) && is_noted(name)) continue;
    files.push_back(name);
    if (files.size() == limit) break;
  }
  return files;
}

std::uint64_t WalQueue::largest(const std::vector<std::string>& names) const {
  std::uint64_t size = 0;
  for (const std::string& name : names) {
    std::error_code gone;
    const std::uint64_t one = std::filesystem::file_size(path_of(name), gone);
    if (!gone) size = std::max(size, one);
  }
  return size;
}

Fd WalQueue::begin_work() const {
  if (spool_.empty()) return {};
  Fd lock = open_file(spool_ + kLock, O_RDWR | O_CREAT, 0600);
  if (::flock(lock.get(), LOCK_EX | LOCK_NB) == 0) return lock;
  if (errno == EWOULDBLOCK) return {};
  throw system_error(errno, "cannot lock " + spool_ + kLock);
}

bool WalQueue::someone_works() const {
  try {
    return !begin_work().valid();
  } catch (const Error&) {
    return false;  // where nothing can be locked, nobody is waited for
  }
}

bool WalQueue::await(const std::string& name, const std::stop_token& stop) const {
  if (spool_.empty() || !is_waiting(name)) return false;
  const Fd changes(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  if (!changes.valid()) return false;
  if (::inotify_add_watch(changes.get(), spool_.c_str(), IN_CLOSE_WRITE) < 0) return false;
  const std::string note = name + std::string(kNote);
  while (!stop.stop_requested()) {
    const bool at_work = someone_works();
    if (take_note(name)) return true;
    if (!at_work) return false;
    const Duration until = system_clock().monotonic() + kBetweenLooks;
    while (!is_written(changes.get(), note, until)) {
    }
  }
  return false;
}

}  // namespace holdfast
