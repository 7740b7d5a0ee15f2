#include "vault/lease.h"

#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "codec/kdf.h"
#include "os/grace.h"

namespace holdfast {
namespace {

using Json = nlohmann::json;

constexpr int kLooks = 5;                                     // for the rival of a claim
constexpr std::size_t kClaimTail = sizeof "-.json" - 1 + 32;  // of its name, with an id

std::string describe(const Json& json) {
  return fmt::format("{} on host {} (pid {}) since {}", json.value("kind", "work"),
                     json.value("host", "?"), json.value("pid", 0), json.value("started", "?"));
}

// Only said of a process of this host. Not asked for a prune: containers that share a name but not
// their processes would take a living one for dead.
bool holder_died(const Json& json) {
  if (!json.is_object() || json.value("host", "") != host_name()) return false;
  const int pid = json.value("pid", 0);
  return pid > 0 && ::kill(pid, 0) != 0 && errno == ESRCH;
}

std::string key_of(const std::string& kind, const std::string& id, bool exclusive, bool claims) {
  if (claims) return fmt::format("lease/{}-{}.json", kind, id);
  return fmt::format("lease/{}.json", exclusive ? kind : id);
}

Error lost_object() {
  return {Code::kUnavailable, "the store lost an object right after it was written",
          "do not trust it with a backup before you know why: check its disk or service, and that "
          "nothing else removes files there"};
}

}  // namespace

std::string host_name() {
  std::array<char, 256> name{};
  if (::gethostname(name.data(), name.size() - 1) != 0) return "unknown";
  return name.data();
}

Timestamp store_now(ObjectStore& store) {
  const std::string key = "lease/clock-" + to_hex(random_array<8>());
  store.put(key, as_bytes("{}"));
  const auto info = store.stat(key);
  store.remove(key);
  if (!info) throw lost_object();
  return info->modified;
}

Lease::Lease(ObjectStore& store, Clock& clock, std::string_view kind, bool exclusive)
    : store_(store),
      clock_(clock),
      kind_(kind),
      exclusive_(exclusive),
      claims_(exclusive && !store.traits().conditional_create),
      id_(to_hex(random_array<16>())),
      key_(key_of(kind_, id_, exclusive_, claims_)) {
  body_ = Json{{"id", id_},
               {"kind", kind},
               {"host", host_name()},
               {"pid", ::getpid()},
               {"started", format_rfc3339(clock.now())}}
              .dump();
  create();
  try {
    const auto info = store_.stat(key_);
    if (!info) throw lost_object();
    started_ = info->modified;
  } catch (...) {
    give_back();
    throw;
  }
  // The body says when the lease began by the store's clock; the refreshes keep saying so.
  Json json = Json::parse(body_);
  json["began"] = format_rfc3339(started_, true);
  body_ = json.dump();
  {
    MutexLock lock(mutex_);
    last_refresh_ = clock_.monotonic();
    last_modified_ = started_;
  }
  refresher_ = std::jthread([this](std::stop_token stop) {
    while (clock_.sleep_for(kLeaseRefresh, stop)) {
      try {
        refresh();
      } catch (const Error&) {
        // Tried again at the next turn; unbroken() tells when that is too late.
      }
    }
  });
}

void Lease::create() {
  if (!exclusive_) {
    store_.put(key_, as_bytes(body_));
    return;
  }
  if (claims_) return claim();
  for (int attempt = 0; attempt < 5; ++attempt) {
    if (store_.put_new(key_, as_bytes(body_))) return;
    const auto held = store_.stat(key_);
    if (!held) continue;
    const Duration silent = store_now(store_) - held->modified;
    if (silent < kLeaseLife) {
      const Bytes holder = store_.get(key_);
      const Json json = Json::parse(as_text(holder), nullptr, false);
      if (kind_ != "copy" || !holder_died(json)) {
        throw held_by(json.is_object() ? describe(json) : held->key, held->modified, silent);
      }
    }
    if (store_.replace(key_, as_bytes(body_), held->etag)) return;
  }
  throw Error(Code::kConflict, "several programs want the lease '" + kind_ + "' at once",
              "run it again when the others have ended");
}

// Everybody writes a name of his own and looks for others then. Of two, the later writer sees the
// earlier one's, whatever any clock says, so that never both see nobody.
void Lease::claim() {
  std::optional<Error> rival;
  try {
    store_.put(key_, as_bytes(body_));
    for (int look = 0; look < kLooks; ++look) {
      bool goes_first = false;
      rival = find_rival(goes_first);
      if (!rival) return;
      // One of two gives way at once, so that the other gets it.
      if (goes_first) break;
    }
  } catch (const Error& error) {
    rival = error;
  }
  const Grace grace;
  try {
    store_.remove(key_);
  } catch (const Error&) {
    // It ends by itself when it is old.
  }
  throw Error(*rival);
}

// Another one that is alive; the dead are taken away.
std::optional<Error> Lease::find_rival(bool& goes_first) {
  std::optional<Timestamp> now;
  for (const ObjectInfo& info : list_objects(store_, "lease/" + kind_)) {
    if (info.key == key_ || !is_exclusive_lease(info.key, kind_)) continue;
    Json json;
    try {
      const Bytes body = store_.get(info.key);
      json = Json::parse(as_text(body), nullptr, false);
    } catch (const Error& error) {
      if (error.code() != Code::kNotFound) throw;
      continue;  // ended meanwhile
    }
    if (!now) now = store_now(store_);
    const Duration silent = *now - info.modified;
    if (silent >= kLeaseLife || (kind_ == "copy" && holder_died(json))) {
      store_.remove(info.key);
      continue;
    }
    goes_first = info.key < key_;
    return held_by(json.is_object() ? describe(json) : info.key, info.modified, silent);
  }
  return std::nullopt;
}

// `silent`: for how long, by the store's clock, nothing was seen of whoever holds it.
Error Lease::held_by(const std::string& holder, Timestamp last_seen, Duration silent) const {
  return {Code::kConflict,
          fmt::format("another {} is at work: {}; its last sign of life came {} ago", kind_, holder,
                      format_duration(std::max(silent, Duration{}))),
          fmt::format("wait until it ends; if it died, its lease ends by itself at {}, in {}",
                      format_rfc3339(last_seen + kLeaseLife),
                      format_duration(std::min(kLeaseLife - silent, kLeaseLife)))};
}

// Whether the name is still held by us; others may have taken it over while we slept.
bool Lease::is_ours() {
  if (!exclusive_) return true;
  if (claims_) return store_.stat(key_).has_value();
  try {
    const Json json = Json::parse(as_text(store_.get(key_)), nullptr, false);
    return json.is_object() && json.value("id", Json()) == Json(id_);
  } catch (const Error& error) {
    if (error.code() == Code::kNotFound) return false;
    throw;
  }
}

// False when the name is no longer ours. What changed between the look and the write stays.
bool Lease::renew() {
  if (!exclusive_) {
    store_.put(key_, as_bytes(body_));
    return true;
  }
  if (claims_) {
    // Gone: it looked dead to somebody who wanted it.
    if (!is_ours()) return false;
    store_.put(key_, as_bytes(body_));
    return true;
  }
  const auto held = store_.stat(key_);
  if (!held || !is_ours()) return false;
  // Other bytes each time: in some stores the etag is a hash of the content, and who wants to take
  // the lease over must not take a refreshed one for the one he saw.
  Json json = Json::parse(body_);
  json["beat"] = to_hex(random_array<8>());
  return store_.replace(key_, as_bytes(json.dump()), held->etag);
}

void Lease::refresh() {
  const Duration now = clock_.monotonic();
  {
    MutexLock lock(mutex_);
    if (now - last_refresh_ >= kLeaseLife) broken_ = true;
  }
  if (!renew()) {
    MutexLock lock(mutex_);
    broken_ = true;
    return;
  }
  const auto info = store_.stat(key_);
  if (!info) throw lost_object();
  MutexLock lock(mutex_);
  if (info->modified - last_modified_ >= kLeaseLife) broken_ = true;
  last_modified_ = std::max(last_modified_, info->modified);
  last_refresh_ = std::max(last_refresh_, now);
}

bool Lease::confirm() {
  refresh();
  return unbroken();
}

bool Lease::unbroken() const {
  MutexLock lock(mutex_);
  return !broken_ && clock_.monotonic() - last_refresh_ < kLeaseLife;
}

Lease::~Lease() {
  refresher_.request_stop();
  if (refresher_.joinable()) refresher_.join();
  give_back();
}

void Lease::give_back() noexcept {
  const Grace grace;
  try {
    if (is_ours()) store_.remove(key_);
  } catch (const std::exception&) {
    // It ends by itself when it is old; nothing depends on its removal.
  }
}

bool is_exclusive_lease(std::string_view key, std::string_view kind) {
  const std::string name = fmt::format("lease/{}", kind);
  if (!key.starts_with(name) || !key.ends_with(".json")) return false;
  const std::string_view rest = key.substr(name.size());
  return rest == ".json" || (rest.starts_with('-') && rest.size() == kClaimTail);
}

std::vector<LeaseInfo> live_leases(ObjectStore& store, Timestamp now) {
  std::vector<LeaseInfo> leases;
  for (const ObjectInfo& info : list_objects(store, "lease/")) {
    if (!info.key.ends_with(".json") || now - info.modified >= kLeaseLife) continue;
    LeaseInfo lease{info.key, info.modified, info.modified, info.key};
    try {
      const Bytes body = store.get(info.key);
      const Json json = Json::parse(as_text(body));
      lease.holder = describe(json);
      // Until the first refresh there is no "began": then `modified` is when it was created.
      if (json.contains("began")) lease.created = parse_rfc3339(json["began"].get<std::string>());
    } catch (const Error& error) {
      if (error.code() == Code::kNotFound) continue;  // ended meanwhile
      throw;
    } catch (const Json::exception&) {
      lease.created = Timestamp{};  // unreadable: taken as old as can be, which is the safe side
    }
    leases.push_back(std::move(lease));
  }
  return leases;
}

std::optional<std::string> holder_of(ObjectStore& store, std::string_view kind) {
  if (list_objects(store, fmt::format("lease/{}", kind)).empty()) return std::nullopt;
  for (const LeaseInfo& lease : live_leases(store, store_now(store))) {
    if (is_exclusive_lease(lease.key, kind)) return lease.holder;
  }
  return std::nullopt;
}

}  // namespace holdfast
