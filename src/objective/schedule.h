// When a schedule is due next.
#pragma once

#include "base/time.h"
#include "settings/schedule.h"

namespace holdfast {

// The first moment after `time` that the schedule names, in UTC; Timestamp::max() when that would
// be beyond the range of a timestamp.
Timestamp next_after(Timestamp time, const Schedule& schedule);

}  // namespace holdfast
