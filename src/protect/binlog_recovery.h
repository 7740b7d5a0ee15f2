// Which part of a binary log a recovery to some moment needs, whether it is there, and bringing it.
#pragma once

#include <optional>
#include <stop_token>
#include <string>
#include <variant>
#include <vector>

#include "protect/binlog_listing.h"
#include "source/mariadb/server.h"
#include "vault/backup_object.h"

namespace holdfast {

// What a recovery shall bring back: everything up to a time, whose second belongs to it whole, that
// is everything before the first transaction of a later one, or up to a GTID position. Not
// inclusive: everything before.
struct BinlogTarget {
  std::variant<Timestamp, GtidPosition> at;
  bool inclusive = true;
};

struct BinlogStep {
  StoredChunk chunk;
  BinlogChunkFacts facts;
};

// The log behind one backup.
struct BinlogPlan {
  std::string source;
  std::string stream;
  MariadbPosition begin;           // of the backup
  std::vector<BinlogStep> chunks;  // in the order of the log, from the one that `begin` is in
  GtidPosition end;                // behind the last complete transaction
  std::optional<BinlogTransaction> last;  // that one, if it is behind the backup
  // The file that is missing, or where the log does not fit together; what is behind was left out.
  std::string gap;
};

enum class BinlogFactsWanted {
  kAll,
  kEnds,  // of the first and last chunk of each file: enough to tell how far the log reaches
};

// The log behind `backup`, which is one of MariaDB. Nothing when the vault has none that reaches
// back to its position. Needs headers only: any key will do. Throws kCorrupt, naming the object,
// and what the store throws.
std::optional<BinlogPlan> plan_binlog(const Vault& vault, const BackupSummary& backup,
                                      std::stop_token stop,
                                      BinlogFactsWanted wanted = BinlogFactsWanted::kAll);

// Where a recovery ends.
struct BinlogEnd {
  std::string file;
  std::uint64_t offset = 0;
  GtidPosition position;                  // of the server then
  std::optional<BinlogTransaction> last;  // the last one that is replayed; none: the backup itself
  // Of a time as the target: the first one behind the end, when others behind it are not later than
  // the target, and minutes before it. Some client gave it a time of the future (SET timestamp), or
  // the clock was set back.
  std::optional<BinlogTransaction> too_late;
};

// The end for `target`, without one that of the log. Reads the chunks that decide. Throws
// kNotFound, with the nearest moments that can be reached, when it cannot be reached or when
// `backup_consistent`, the time of the backup, is later; kConflict when the log turns out to be
// another than that of the backup; kCorrupt; kDenied for a key that cannot read.
BinlogEnd find_binlog_end(const Vault& vault, const BinlogPlan& plan,
                          const std::optional<BinlogTarget>& target, Timestamp backup_consistent);

// "12:00:00Z to 13:10:11Z (0-1-42)": what can be recovered.
std::string span_text(const BinlogPlan& plan, Timestamp backup_consistent);

// The files up to `end` in `directory`, which exists: whole, but for the last one, which stops
// there, and for the first one, which has holes where nothing is needed. Returns their paths in
// order. Throws kCorrupt, naming the object that is damaged.
std::vector<std::string> fetch_binlogs(const Vault& vault, const BinlogPlan& plan,
                                       const BinlogEnd& end, const std::string& directory,
                                       std::stop_token stop);
// How many bytes that writes.
std::uint64_t fetched_bytes(const BinlogPlan& plan, const BinlogEnd& end);

}  // namespace holdfast
