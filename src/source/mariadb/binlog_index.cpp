#include "source/mariadb/binlog_index.h"

#include <algorithm>

namespace holdfast {

std::optional<BinlogTransaction> BinlogTracker::see(const BinlogEvent& event,
                                                    std::uint64_t offset) {
  state_.offset = offset + event.whole.size();
  if (event.type == BinlogType::kFormat) state_.checksums = read_format(event).checksums;
  if (states_position(event)) {
    state_.position.advance(read_stated_position(event));
    return std::nullopt;
  }
  if (begins_transaction(event)) {
    const BinlogGtid found = read_gtid(event);
    state_.open = {found.gtid, event.time, offset, 0};
    state_.standalone = found.standalone;
    return std::nullopt;
  }
  if (!state_.open) return std::nullopt;
  state_.open->time = std::max(state_.open->time, event.time);
  if (state_.standalone && !state_.open->gtid.source.empty() && opens_block(event)) {
    state_.standalone = false;
    return std::nullopt;
  }
  const bool statement =
      event.type == BinlogType::kQuery || event.type == BinlogType::kQueryCompressed;
  // A statement of its own may have events before it (of its variables).
  if (!(state_.standalone && statement) && !ends_transaction(event)) return std::nullopt;
  BinlogTransaction ended = *state_.open;
  ended.end = state_.offset;
  state_.position.advance(ended.gtid);
  state_.open.reset();
  return ended;
}

void BinlogIndexer::see(const BinlogEvent& event, std::uint64_t offset) {
  if (const auto ended = tracker_.see(event, offset)) transactions_.push_back(*ended);
  if (transactions_.empty()) start_ = tracker_.state().position;
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
