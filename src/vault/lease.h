// Who is at work on a vault. A prune never removes what a lease that is alive may still need.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/error.h"
#include "os/clock.h"
#include "os/mutex.h"
#include "store/object_store.h"

namespace holdfast {

inline constexpr Duration kLeaseLife = std::chrono::minutes{10};
inline constexpr Duration kLeaseRefresh = std::chrono::minutes{2};

// A lease of our own: created by the constructor, refreshed by a thread, removed at the end. When
// `exclusive`, it has the one name "lease/KIND.json": Error(kConflict) names the holder while
// another one is alive, a dead one is taken over: at once when it is a copy whose process on this
// host is gone, else when it was not refreshed in time. In a store without conditional writes the
// name is "lease/KIND-ID.json", and Error(kConflict) may come to both of two that begin at once.
class Lease {
 public:
  Lease(ObjectStore& store, Clock& clock, std::string_view kind, bool exclusive = false);
  ~Lease();
  Lease(const Lease&) = delete;
  Lease& operator=(const Lease&) = delete;

  const std::string& key() const { return key_; }
  // The store's clock at the start.
  Timestamp started() const { return started_; }
  // True while no refresh failed or came so late that others may have taken the lease for dead.
  bool unbroken() const;
  // Refreshes now and tells whether the lease never looked dead, by the store's clock too: ours
  // does not see the time that the machine was suspended. Throws what the store throws.
  bool confirm();

 private:
  void create();
  void claim();
  std::optional<Error> find_rival(bool& goes_first);
  Error held_by(const std::string& holder, Timestamp last_seen, Duration silent) const;
  bool is_ours();
  void give_back() noexcept;
  bool renew();
  void refresh();

  ObjectStore& store_;
  Clock& clock_;
  std::string kind_;
  const bool exclusive_;
  const bool claims_;  // exclusive, without conditional writes
  const std::string id_;
  std::string key_;
  std::string body_;
  Timestamp started_{};
  mutable Mutex mutex_;
  Duration last_refresh_ GUARDED_BY(mutex_){};    // by our clock
  Timestamp last_modified_ GUARDED_BY(mutex_){};  // by the store's
  bool broken_ GUARDED_BY(mutex_) = false;
  std::jthread refresher_;  // last: stops before the rest goes
};

struct LeaseInfo {
  std::string key;
  Timestamp created{};  // by the store's clock; what the holder read when it began
  Timestamp modified{};
  std::string holder;  // "backup on host db1 (pid 123) since 2025-11-10T12:00:00Z"
};

// Whether the key is that of an exclusive lease of this kind.
bool is_exclusive_lease(std::string_view key, std::string_view kind);

// The leases that are alive at `now` of the store's clock.
std::vector<LeaseInfo> live_leases(ObjectStore& store, Timestamp now);

// Who holds the exclusive lease of this kind, and is alive. Whoever asks after taking a lease of
// his own and finds nobody will be seen by those who come later.
std::optional<std::string> holder_of(ObjectStore& store, std::string_view kind);

// The store's clock: writes and reads a small object.
Timestamp store_now(ObjectStore& store);

std::string host_name();

}  // namespace holdfast
