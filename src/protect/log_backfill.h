// Holes in the log of a vault, filled by a server that still has what is missing: a promotion while
// the archiver was behind leaves one that nobody would ever send.
#pragma once

#include <functional>
#include <stop_token>
#include <string>
#include <vector>

#include "protect/log_listing.h"
#include "settings/settings.h"
#include "source/postgres/timeline_history.h"
#include "source/postgres/wal_file.h"
#include "vault/vault.h"

namespace holdfast {

// Segments `first` to `last`, which belongs to it, that the vault lacks.
struct LogHole {
  WalSegment first;
  std::uint64_t last = 0;  // number
};

// The holes of `log` along the timelines of `history`: between segments, at the end of a timeline
// that was left, and in front of the first segment of the one behind it. What lies before the
// oldest segment, or behind the newest, is no hole.
std::vector<LogHole> log_holes(const LogStream& log, const TimelineHistory& history);

struct BackfillOptions {
  std::string source;
  std::string system;  // identifier of the cluster
  PostgresSettings server;
  std::string name;  // application_name; not one that a synchronous standby has
  std::vector<const Vault*> others;
  std::function<void()> filled = [] {};  // is called when a hole has been, or a part of it
};

// Fills each hole of `vault`, segment by segment, over connections of its own without a slot.
// `notify` hears of what was filled, and of what this server has no longer. Throws kUnavailable
// when server or store go away: what was filled until then stays. Throws kCancelled on `stop`.
void backfill_log(const Vault& vault, const BackfillOptions& options,
                  const std::function<void(const std::string&)>& notify,
                  const std::stop_token& stop);

}  // namespace holdfast
