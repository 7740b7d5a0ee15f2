#include "protect/log_retention.h"

#include <algorithm>
#include <set>

#include "base/error.h"
#include "os/mutex.h"
#include "protect/log_archive.h"
#include "store/at_once.h"
#include "store/locks.h"
#include "vault/lease.h"

namespace holdfast {
namespace {

constexpr std::size_t kBatch = 256;

// The store's clock says nothing below a millisecond, and some say nothing below a second.
constexpr Duration kClockGrain = std::chrono::seconds{1};

std::set<std::string> whole_files(const LogFiles& log) {
  std::set<std::string> files;
  for (const LogObject& object : log.objects) {
    if (!object.name.piece) files.insert(object.name.file);
  }
  return files;
}

// "00000002" of both a segment's and a history's name. Other databases' names are told apart by
// kind, never by this.
std::string timeline_digits(const std::string& file) { return file.substr(0, 8); }

bool is_history(const std::string& file) { return file.ends_with(".history"); }

// A history is the key to its timeline: it stays while any other file of that timeline does, and
// goes after them.
void hold_histories(LogStreamPlan& plan, const std::set<std::string>& kept_timelines) {
  std::erase_if(plan.left, [&](const LogRemoval& removal) {
    const bool hold = is_history(removal.name.file) &&
                      kept_timelines.contains(timeline_digits(removal.name.file));
    if (!hold) return false;
    ++plan.kept_objects;
    plan.kept_bytes += removal.size;
    return true;
  });
  std::stable_partition(plan.left.begin(), plan.left.end(),
                        [](const LogRemoval& removal) { return !is_history(removal.name.file); });
}

}  // namespace

std::vector<LogRemoval> LogStreamPlan::removals() const {
  std::vector<LogRemoval> all = replaced;
  all.insert(all.end(), past.begin(), past.end());
  all.insert(all.end(), left.begin(), left.end());
  return all;
}

LogStreamPlan plan_log_stream(const LogFiles& log, const FileUses& use, const LogLimits& limits) {
  LogStreamPlan plan{log.source, log.stream, {}, {}, {}};
  const std::set<std::string> whole = whole_files(log);
  std::set<std::string> kept_timelines;
  const auto keep = [&](const LogObject& object) {
    ++plan.kept_objects;
    plan.kept_bytes += object.size;
    if (!is_history(object.name.file)) kept_timelines.insert(timeline_digits(object.name.file));
  };
  for (const LogObject& object : log.objects) {
    const FileUse what = use(object.name.file);
    const bool replaced = object.name.piece && whole.contains(object.name.file);
    const LogRemoval removal{object.name, object.size};
    if (what == FileUse::kUnknown) {
      ++plan.unknown_objects;
      keep(object);
    } else if (what == FileUse::kNeeded && !replaced) {
      keep(object);
    } else if (object.modified >= limits.stored_before) {
      ++plan.young_objects;
      keep(object);
    } else if (replaced) {
      plan.replaced.push_back(removal);
    } else if (what == FileUse::kPast) {
      plan.past.push_back(removal);
    } else if (object.modified < limits.left_before) {
      plan.left.push_back(removal);
    } else {
      ++plan.young_objects;
      keep(object);
    }
  }
  hold_histories(plan, kept_timelines);
  return plan;
}

namespace {

class Retention {
 public:
  Retention(const Vault& vault, const LogRetentionJob& job, std::stop_token stop)
      : vault_(vault), store_(vault.store()), job_(job), stop_(std::move(stop)) {}

  LogRetentionResult run();

 private:
  bool others_are_done(const std::vector<LeaseInfo>& leases);
  Timestamp stored_before(Timestamp now, const std::vector<LeaseInfo>& leases) const;
  void decide(const std::vector<LogFiles>& logs, Timestamp now, Timestamp stored_before);
  void carry_out();
  std::vector<LogRemoval> without_locked(std::vector<LogRemoval> removals);
  void remove(const std::vector<LogRemoval>& removals);
  void remove_one(const LogRemoval& removal);

  const Vault& vault_;
  ObjectStore& store_;
  const LogRetentionJob& job_;
  std::stop_token stop_;
  std::optional<Lease> lease_;
  Mutex mutex_;
  LogRetentionResult result_;
};

// A backup that is at work needs only what is stored later than it began. A copy or a repair may
// bring one that began long ago, and a restore may be of one that was removed meanwhile.
bool Retention::others_are_done(const std::vector<LeaseInfo>& leases) {
  for (const LeaseInfo& lease : leases) {
    const bool ours = lease_ && lease.key == lease_->key();
    const bool harmless = lease.holder.starts_with("backup ") || lease.holder.starts_with("prune ");
    if (!ours && !harmless) result_.waiting_for.push_back(lease.holder);
  }
  return result_.waiting_for.empty();
}

// Where the log ends for a backup is where its server is when it ends. What was stored before it
// began was written before that; a standby may be behind by as much as the grace period.
Timestamp Retention::stored_before(Timestamp now, const std::vector<LeaseInfo>& leases) const {
  Timestamp oldest = now;
  for (const LeaseInfo& lease : leases) {
    if (!lease_ || lease.key != lease_->key()) oldest = std::min(oldest, lease.created);
  }
  return oldest - job_.grace - (oldest < now || job_.grace > Duration{} ? kClockGrain : Duration{});
}

void Retention::decide(const std::vector<LogFiles>& logs, Timestamp now, Timestamp stored_before) {
  // Read after the leases: whoever committed since had one then, or began after the listing.
  const LogUsers users = read_log_users(vault_, list_backups(store_), stop_);
  for (const LogFiles& log : logs) {
    const LogPolicy policy = job_.policy ? job_.policy(log.source) : LogPolicy{};
    const auto backups = within_depth(vault_, log, users_of(users, log), policy);
    const LogLimits limits{stored_before,
                           std::min(stored_before, now - policy.keep_without_backup)};
    result_.streams.push_back(plan_log_stream(log, log_use(vault_, log, backups), limits));
  }
}

std::vector<LogRemoval> Retention::without_locked(std::vector<LogRemoval> removals) {
  std::vector<std::string> keys;
  for (const LogRemoval& removal : removals) keys.push_back(removal.name.key());
  const Locks locks = find_locks(store_, keys, stop_);
  std::erase_if(removals, [&](const LogRemoval& removal) {
    const auto lock = locks.find(removal.name.key());
    if (lock == locks.end()) return false;
    const Timestamp until = lock->second;
    ++result_.locked_objects;
    result_.locked_bytes += removal.size;
    result_.lock_first_ends = std::min(result_.lock_first_ends.value_or(until), until);
    result_.lock_last_ends = std::max(result_.lock_last_ends.value_or(until), until);
    return true;
  });
  return removals;
}

void Retention::remove_one(const LogRemoval& removal) {
  if (!job_.dry_run) store_.remove(removal.name.key());
  MutexLock lock(mutex_);
  ++result_.removed_objects;
  result_.removed_bytes += removal.size;
}

// In batches, the oldest first: what an interruption leaves is in a row.
void Retention::remove(const std::vector<LogRemoval>& removals) {
  for (std::size_t at = 0; at < removals.size(); at += kBatch) {
    if (lease_ && !lease_->confirm()) {
      throw Error(Code::kConflict, "the removal of log lost its lease to another one",
                  "run it again");
    }
    at_once(
        store_, std::min(kBatch, removals.size() - at),
        [&](std::size_t i) { remove_one(removals[at + i]); }, stop_);
  }
}

void Retention::carry_out() {
  for (const LogStreamPlan& stream : result_.streams) remove(without_locked(stream.removals()));
}

LogRetentionResult Retention::run() {
  if (!job_.dry_run) {
    if (!store_.traits().can_remove) {
      throw Error(Code::kDenied, store_.traits().url + " does not let us remove anything",
                  "prune with an account that may remove objects");
    }
    vault_.require_writable();
    if (!first_key(store_, "log/")) return {};
    lease_.emplace(store_, vault_.clock(), kLogRemovalLease, true);
  }
  const std::vector<LogFiles> logs = list_log_files(store_);
  if (logs.empty()) return {};
  const Timestamp now = store_now(store_);
  const std::vector<LeaseInfo> leases = live_leases(store_, now);
  const bool may_remove = others_are_done(leases);
  decide(logs, now, stored_before(now, leases));
  if (may_remove) carry_out();
  return std::move(result_);
}

}  // namespace

LogRetentionResult retain_log(const Vault& vault, const LogRetentionJob& job,
                              std::stop_token stop) {
  return Retention(vault, job, std::move(stop)).run();
}

}  // namespace holdfast
