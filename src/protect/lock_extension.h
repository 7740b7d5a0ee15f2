// Keeping what retained backups need locked, and letting the locks of everything else run out.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "settings/settings.h"
#include "vault/live_set.h"
#include "vault/vault.h"

namespace holdfast {

enum class RetainedKind { kConfig, kKeys, kBackups, kIndex, kMeta, kData, kLog };
inline constexpr RetainedKind kRetainedKinds[] = {
    RetainedKind::kBackups, RetainedKind::kData, RetainedKind::kMeta,  RetainedKind::kIndex,
    RetainedKind::kLog,     RetainedKind::kKeys, RetainedKind::kConfig};
std::string_view kind_name(RetainedKind kind);  // "data"

// An object that some retained backup cannot do without, and until when it is locked.
struct RetainedObject {
  std::string key;
  RetainedKind kind = RetainedKind::kData;
  std::uint64_t size = 0;
  std::optional<Timestamp> until;  // nothing: it is free
};

// What no retained backup needs, and until when locks keep it in the store.
struct UnneededPacks {
  std::uint64_t bytes = 0;
  std::uint64_t locked_bytes = 0;
  std::optional<Timestamp> first_ends;
  std::optional<Timestamp> last_ends;
};

struct Retained {
  std::vector<RetainedObject> objects;
  UnneededPacks unneeded;
  // Of the index segments among the objects, those that name much that is not needed: they are to
  // be written anew without it rather than locked for longer, or it could never go.
  std::vector<SegmentName> wasteful_segments;
  std::vector<PackName> packs;  // that are needed
};

// What `backups` need: their objects, all packs and enough index segments to find everything, the
// log that recoveries from them may read, keys and holdfast.json. Asks the store for the lock of
// each: many requests, several at once. Needs a ring that reads reach lists, as every role's does.
// Throws as reachable_from does. `log_policy`: how much of the log they lead on into; unset: all
// behind them.
Retained find_retained(const Vault& vault, const std::vector<BackupName>& backups,
                       std::stop_token stop,
                       const std::function<LogPolicy(const std::string& source)>& log_policy = {});

struct LockPlan {
  Timestamp wanted{};                    // the new end of the locks
  std::vector<RetainedObject> extended;  // their locks end too soon
  std::vector<SegmentName> rewritten;    // instead of being locked for longer
  std::uint64_t skipped = 0;             // locked for long enough
};

// All that is locked to less than `period` from now, with a quarter of it as slack: else every run
// would touch everything. `all`: without slack.
LockPlan plan_lock_extension(const Retained& retained, Timestamp now, Duration period, bool all);

struct LockProgress {
  std::atomic<std::uint64_t> objects{0};
  std::atomic<std::uint64_t> total_objects{0};
};

struct LockResult {
  std::uint64_t extended = 0;
  std::uint64_t vanished = 0;   // removed meanwhile
  std::uint64_t rewritten = 0;  // index segments
  std::uint64_t failed = 0;
  std::vector<std::string> errors;  // of the failed, the first 20
};

// Does it, several objects at once. An error is counted and the next object tried; a store without
// locks (kUnsupported) and a stop (kCancelled) end it. Run again, it goes on where it was.
LockResult extend_locks(const Vault& vault, const Retained& retained, const LockPlan& plan,
                        LockProgress& progress, std::stop_token stop);

}  // namespace holdfast
