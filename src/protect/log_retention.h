// Removing the log that no backup needs: docs/FORMAT.md, "Retention of the log".
#pragma once

#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "protect/log_use.h"
#include "settings/settings.h"

namespace holdfast {

// The exclusive lease of who removes log. A copy into the same store must not run meanwhile: it
// brings backups that need what would be removed.
inline constexpr std::string_view kLogRemovalLease = "log-removal";

struct LogRemoval {
  LogName name;
  std::uint64_t size = 0;
};

// What is to become of one stream.
struct LogStreamPlan {
  std::string source;
  std::string stream;
  std::vector<LogRemoval> past;      // before everything that a backup needs
  std::vector<LogRemoval> replaced;  // pieces whose whole file is there
  std::vector<LogRemoval> left;      // of a server or timeline that no backup leads to, and old
  std::uint64_t kept_objects = 0;
  std::uint64_t kept_bytes = 0;
  std::uint64_t young_objects = 0;    // of the kept: would go if they were older
  std::uint64_t unknown_objects = 0;  // of the kept: nobody knows what they are

  // All that goes, in the order in which it has to.
  std::vector<LogRemoval> removals() const;
};

struct LogLimits {
  // What was stored later than this stays, whatever it is.
  Timestamp stored_before{};
  // What no backup leads to goes when it was stored before this.
  Timestamp left_before{};
};

// Decides about one stream: plain data, no changes.
LogStreamPlan plan_log_stream(const LogFiles& log, const FileUses& use, const LogLimits& limits);

struct LogRetentionJob {
  std::function<LogPolicy(const std::string& source)> policy;
  Duration grace = std::chrono::hours{24};  // what was stored since stays, by the store's clock
  bool dry_run = false;
};

struct LogRetentionResult {
  std::vector<LogStreamPlan> streams;
  std::uint64_t removed_objects = 0;  // dry run: that would be
  std::uint64_t removed_bytes = 0;
  std::uint64_t locked_objects = 0;  // not needed, and held by a lock: not tried
  std::uint64_t locked_bytes = 0;
  std::optional<Timestamp> lock_first_ends;
  std::optional<Timestamp> lock_last_ends;
  std::vector<std::string> waiting_for;  // who is at work, so that nothing was removed
};

// Takes the exclusive lease kLogRemovalLease (kConflict when it is held). Everybody may go on
// meanwhile; while a copy, a repair or a restore is at work nothing is removed. Throws kCorrupt
// when a backup object or a history cannot be read: what is not understood is not removed. Ended at
// any point, it leaves a log from which every retained backup leads as far as it did before.
LogRetentionResult retain_log(const Vault& vault, const LogRetentionJob& job, std::stop_token stop);

}  // namespace holdfast
