// A place that gets all of a log as soon as it can, and that nothing waits for.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/error.h"
#include "os/mutex.h"
#include "vault/log_name.h"
#include "vault/vault.h"

namespace holdfast {

// An object of a log as it is stored in each place.
struct LogUpload {
  LogName name;
  std::shared_ptr<const Bytes> content;
  std::string facts = "{}";
  std::uint64_t end = 0;  // position behind its last byte; 0: it has none
};

// Is called for each vault before an object goes there.
using BeforeLogObject = std::function<void(const Vault&, const LogName&, const std::string& facts)>;

// A whole file takes the place of its pieces. Throws what store_log() does.
void place_log(const Vault& vault, const LogUpload& upload, const BeforeLogObject& before);

// Calls `action` for each of them at the same time, and returns or throws the first error when all
// have ended.
void at_all_places(const std::vector<const Vault*>& places,
                   const std::function<void(const Vault&)>& action);

struct LogFollowerPlace {
  std::string name;  // for people
  // Called by the follower's thread until it gives a vault. It may throw.
  std::function<std::shared_ptr<const Vault>()> open;
};

struct LogFollowerStatus {
  std::string place;
  bool even = false;            // all that it lacks is on its way; else what it lacks is looked for
  std::uint64_t behind = 0;     // bytes that the vault has and it has not, since the stream began
  Duration behind_for{};        // how long it has lacked the oldest of them
  std::string error;            // why it is not there at present; empty: nothing keeps it
  std::uint64_t objects = 0;    // that were stored there, besides those that evened it out
  std::uint64_t overflows = 0;  // how often more was waiting than is kept
};

struct LogFollowerOptions {
  std::string source;
  BeforeLogObject before_object = {};
  // More does not wait here: it is in the vault, and is brought from there.
  std::size_t waiting_bytes = std::size_t{64} << 20;
  // How long what waits is still stored when the follower ends; the object that is on its way then
  // may take some seconds more.
  Duration last_words = std::chrono::seconds{10};
  // `notify` hears when it falls behind or does not answer, and when it has everything again.
  std::function<void(const std::string&)> notify = [](const std::string&) {};
};

// Has a thread of its own. What comes while the place is away, or faster than it takes it, is
// dropped; when it answers, it is evened out from the vault and then goes on with what has come
// meanwhile. Its destructor stores what waits, also where a stop has ended all other requests, and
// says what does not get there; the next run evens out.
class LogFollower {
 public:
  LogFollower(const Vault& vault, LogFollowerPlace place, LogFollowerOptions options);
  ~LogFollower();

  // The vault may have log of `stream` that was not offered: evens the place out.
  void even_out(const std::string& stream);
  // What is in the vault now. Never waits.
  void offer(const LogUpload& upload);
  LogFollowerStatus status() const;

 private:
  enum class State {
    kUneven,   // lacks what was not offered, or was dropped
    kEvening,  // that is being brought, and what is offered waits
    kEven,
  };
  struct Waiting {
    LogUpload upload;
    Duration since{};  // monotonic
  };

  void run(const std::stop_token& stop);
  void keep_up(const std::stop_token& stop);
  bool await_work(const std::stop_token& stop);
  void await_stop(const std::stop_token& stop);
  void step(const std::stop_token& stop);
  void bring_missing(const std::stop_token& stop);
  void finish_evening(Duration begun, std::uint64_t reach);
  void store_next();
  void not_stored(Waiting waiting, const Error& error) REQUIRES(mutex_);
  void store_the_rest();
  bool has_rest() const;
  void tell_what_is_missing(const std::string& trouble) const;
  void failed(const Error& error);
  void well();
  void drop() REQUIRES(mutex_);
  std::optional<Duration> behind_since() const REQUIRES(mutex_);

  const Vault& vault_;
  const LogFollowerPlace place_;
  const LogFollowerOptions options_;
  std::shared_ptr<const Vault> opened_;    // of the thread alone
  std::optional<Duration> failing_since_;  // likewise; the word about it was given

  mutable Mutex mutex_;
  std::condition_variable_any changed_;
  std::string stream_ GUARDED_BY(mutex_);
  State state_ GUARDED_BY(mutex_) = State::kUneven;
  std::deque<Waiting> waiting_ GUARDED_BY(mutex_);
  std::size_t waiting_bytes_ GUARDED_BY(mutex_) = 0;  // with the one being stored
  std::optional<Duration> storing_since_ GUARDED_BY(mutex_);
  std::optional<Duration> uneven_since_ GUARDED_BY(mutex_);  // it may lack what came then
  std::optional<std::uint64_t> reach_ GUARDED_BY(mutex_);
  std::uint64_t offered_ GUARDED_BY(mutex_) = 0;  // the furthest end
  LogFollowerStatus status_ GUARDED_BY(mutex_);
  std::jthread thread_;
};

// All of them.
class LogFollowers {
 public:
  LogFollowers(const Vault& vault, const std::vector<LogFollowerPlace>& places,
               const LogFollowerOptions& options);

  void even_out(const std::string& stream);
  void offer(const LogUpload& upload);
  std::vector<LogFollowerStatus> status() const;

 private:
  std::vector<std::unique_ptr<LogFollower>> followers_;
};

}  // namespace holdfast
