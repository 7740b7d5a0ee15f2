// Which transactions a file of the binary log has, and when they were committed.
#pragma once

#include <optional>
#include <vector>

#include "base/time.h"
#include "source/mariadb/binlog_event.h"

namespace holdfast {

struct BinlogTransaction {
  Gtid gtid;
  std::uint32_t time = 0;   // seconds since 1970, UTC, of its last event
  std::uint64_t begin = 0;  // where its first event is in the file
  std::uint64_t end = 0;    // behind its last one
  bool operator==(const BinlogTransaction&) const = default;
};

// Where a reader of one file stands between two events: enough to go on from there.
struct BinlogState {
  std::uint64_t offset = 0;  // of the next event; 0: before the file's magic
  bool checksums = true;     // as the file's format says; not known before
  GtidPosition position;     // behind the last complete transaction
  // The transaction that has begun, and whether one statement ends it.
  std::optional<BinlogTransaction> open;
  bool standalone = false;
  bool operator==(const BinlogState&) const = default;
};

// Finds the transactions of one file, seeing its events in order, from the start or from a state
// on. Needs no more memory for more of them.
class BinlogTracker {
 public:
  BinlogTracker() = default;
  explicit BinlogTracker(BinlogState state) : state_(std::move(state)) {}

  // The transaction that this event completes.
  std::optional<BinlogTransaction> see(const BinlogEvent& event, std::uint64_t offset);
  const BinlogState& state() const { return state_; }

 private:
  BinlogState state_;
};

// Sees the events of one file in order, and keeps what it finds.
class BinlogIndexer {
 public:
  void see(const BinlogEvent& event, std::uint64_t offset);

  // All before this file.
  const GtidPosition& start() const { return start_; }
  // Complete ones, in the order of the log.
  const std::vector<BinlogTransaction>& transactions() const { return transactions_; }
  // Where the log stands behind the last complete transaction.
  GtidPosition end() const;

 private:
  GtidPosition start_;
  std::vector<BinlogTransaction> transactions_;
  BinlogTracker tracker_;
};

// How many of `transactions` belong to a state as of `time`: all before the first one that was
// committed later. A second belongs to it whole.
std::size_t count_until(const std::vector<BinlogTransaction>& transactions, Timestamp time);

}  // namespace holdfast
