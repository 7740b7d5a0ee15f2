#include "source/postgres/replay_moment.h"

#include <algorithm>

namespace holdfast {
namespace {

// A standby that has replayed all that it received is at the present, as long as it receives; else
// it is where its last transaction was. Microseconds since 1970.
constexpr const char* kMoment = R"(
with facts as (
  select pg_last_wal_replay_lsn() as replayed,
         (select checkpoint_time from pg_control_checkpoint()) as checkpointed,
         exists (select from pg_stat_wal_receiver where status = 'streaming')
           and pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() as present)
select replayed,
       (extract(epoch from case when present then clock_timestamp()
          else coalesce(pg_last_xact_replay_timestamp(), checkpointed) end) * 1000000)::bigint,
       (extract(epoch from checkpointed) * 1000000)::bigint
from facts)";

Timestamp moment(const std::optional<std::string>& microseconds) {
  return Timestamp(std::chrono::microseconds(std::stoll(microseconds.value_or("0"))));
}

}  // namespace

PgReplayMoment::PgReplayMoment(PgConnection& connection, const PgCluster& cluster)
    : standby_(cluster.in_recovery) {
  if (!standby_) return;
  const PgRow row = connection.query(kMoment).at(0);
  replayed_ = parse_lsn(row[0].value_or("0/0"));
  at_ = moment(row[1]);
  checkpoint_ = moment(row[2]);
}

Timestamp PgReplayMoment::consistent(Lsn stop, Timestamp now) const {
  if (!standby_) return now;
  return std::min(now, stop >= replayed_ ? at_ : checkpoint_);
}

}  // namespace holdfast
