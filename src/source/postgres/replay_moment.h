// Which moment a backup brings back: now on a primary, what was replayed on a standby.
#pragma once

#include "base/time.h"
#include "source/postgres/cluster.h"
#include "source/postgres/lsn.h"

namespace holdfast {

// Asked before a backup starts, as a standby may be behind by any time. One thread.
class PgReplayMoment {
 public:
  PgReplayMoment(PgConnection& connection, const PgCluster& cluster);

  // What was committed before is in a backup that ends at `stop`. `now`: that the backup ended.
  Timestamp consistent(Lsn stop, Timestamp now) const;

 private:
  bool standby_ = false;
  Lsn replayed_ = 0;
  Timestamp at_{};          // of what was replayed
  Timestamp checkpoint_{};  // of the last restart point, behind which no backup ends
};

}  // namespace holdfast
