// Which transactions a file of the binary log has, and when they were committed.
#pragma once

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

// Sees the events of one file in order.
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
  BinlogTransaction open_;
  bool in_transaction_ = false;
  bool standalone_ = false;
};

// How many of `transactions` belong to a state as of `time`: all before the first one that was
// committed later. A second belongs to it whole.
std::size_t count_until(const std::vector<BinlogTransaction>& transactions, Timestamp time);

}  // namespace holdfast
