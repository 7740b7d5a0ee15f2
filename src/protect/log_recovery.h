// Which part of a log a recovery to some moment needs, whether it is there, and bringing it.
#pragma once

#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <vector>

#include "protect/log_branch.h"
#include "source/postgres/commit_index.h"
#include "source/postgres/timeline_history.h"
#include "vault/backup_object.h"
#include "vault/log_name.h"
#include "vault/vault.h"

namespace holdfast {

// One file of the log in the order of replay; pieces of an unfinished segment count as one file.
struct LogStep {
  LogName name;
  LogFacts facts;
  bool in_backup = false;  // the log lacks it: the backup's own is used
};

struct LogPlan {
  std::uint32_t timeline = 0;       // on which recovery ends
  std::set<std::uint32_t> lineage;  // that one and those that it comes from
  std::vector<LogBranch> others;  // where else the log goes on; empty when a timeline was asked for
  std::uint32_t segment_size = 0;
  std::vector<LogStep> segments;  // from the one on in which the backup ends
  std::vector<LogName> histories;
  Lsn begin = 0;  // the last byte of the backup
  Lsn end = 0;    // of the last whole record that is there
  std::optional<LogMoment> last_commit;
  std::optional<Lsn> gap;  // where the log is interrupted; what is behind was left out
  std::string missing;     // the segment there, by name
  // Where the server went on with wal_level = minimal, which nobody can replay; likewise.
  std::optional<Lsn> level_drop;
};

enum class FactsWanted {
  kAll,
  kLast,  // of the last file alone: enough to tell how far the log reaches
};

// The log behind `backup` along the timelines to `timeline` ("latest": see choose_branch(),
// "current": the backup's own, a number). Nothing when the vault has no log of its source and
// system. Needs headers only: any key will do, but where the log begins behind the segment in which
// the backup ends: then one that reads content sees whether the backup's own leads there (see
// start_in_backup()). Throws kNotFound for a timeline that is not there or does not come from the
// backup's.
std::optional<LogPlan> plan_log(const Vault& vault, const BackupSummary& backup,
                                const std::string& timeline, std::stop_token stop,
                                FactsWanted wanted = FactsWanted::kAll);

// The histories of all timelines that the log of `source` and `system` has.
std::vector<LogName> log_histories(const Vault& vault, const std::string& source,
                                   const std::string& system);

// Throws kNotFound, with the nearest moments that can be reached, when `target` cannot, or when
// `backup_consistent`, the time of the backup, is later.
void require_reachable(const LogPlan& plan, const RecoveryTarget& target,
                       Timestamp backup_consistent);

// "12:00:00Z (0/5000028) to 13:10:11Z (0/9A0F3C8)": what can be recovered.
std::string span_text(const LogPlan& plan, Timestamp backup_consistent);

// Brings the files of the plan into `directory`, several at once, in place of what has their names;
// what the backup holds is left to its restore.
// An unfinished segment is filled up with zeros, and so is one behind a drop of wal_level: a server
// stops at the record before, instead of refusing all of it.
void fetch_log_plan(const Vault& vault, const LogPlan& plan, const std::string& directory,
                    std::stop_token stop);
// How many bytes that takes beyond what the files hold that are there already.
std::uint64_t bytes_to_fetch(const LogPlan& plan, const std::string& directory);

}  // namespace holdfast
