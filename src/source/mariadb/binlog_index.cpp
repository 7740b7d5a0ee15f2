#include "source/mariadb/binlog_index.h"

#include <algorithm>

namespace holdfast {

void BinlogIndexer::see(const BinlogEvent& event, std::uint64_t offset) {
  if (event.type == BinlogType::kGtidList) {
    for (const Gtid& gtid : read_gtid_list(event)) start_.advance(gtid);
    return;
  }
  if (event.type == BinlogType::kGtid) {
    const BinlogGtid found = read_gtid(event);
    open_ = {found.gtid, event.time, offset, 0};
    in_transaction_ = true;
    standalone_ = found.standalone;
    return;
  }
  if (!in_transaction_) return;
  open_.time = std::max(open_.time, event.time);
  const bool statement =
      event.type == BinlogType::kQuery || event.type == BinlogType::kQueryCompressed;
  // A statement of its own may have events before it (of its variables).
  if (!(standalone_ && statement) && !ends_transaction(event)) return;
  open_.end = offset + event.whole.size();
  transactions_.push_back(open_);
  in_transaction_ = false;
}

GtidPosition BinlogIndexer::end() const {
  GtidPosition position = start_;
  for (const BinlogTransaction& transaction : transactions_) position.advance(transaction.gtid);
  return position;
}

std::size_t count_until(const std::vector<BinlogTransaction>& transactions, Timestamp time) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count();
  const auto later = std::find_if(
      transactions.begin(), transactions.end(),
      [&](const BinlogTransaction& transaction) { return transaction.time > seconds; });
  return static_cast<std::size_t>(later - transactions.begin());
}

}  // namespace holdfast
