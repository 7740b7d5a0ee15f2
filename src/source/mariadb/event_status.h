// Which events of a MariaDB server run, over a replay. A replica turns off what its source's log
// makes or alters, since it runs there; of a restored server there is no source that it runs at.
#pragma once

#include <map>
#include <set>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "source/mariadb/connection.h"

namespace holdfast {

// By database and name, in small letters: "ENABLED", "DISABLED", "SLAVESIDE_DISABLED".
using EventStatuses = std::map<std::pair<std::string, std::string>, std::string>;

EventStatuses event_statuses(MariadbConnection& connection);

// Follows the statements of a log.
class EventFollower {
 public:
  explicit EventFollower(EventStatuses before) : statuses_(std::move(before)) {}
  // Of a session with this database. `replicated`: the source has it from a source of its own, and
  // turned the event off.
  void see(std::string_view database, std::string_view sql, bool replicated = false);

  const EventStatuses& statuses() const { return statuses_; }
  // Whether any statement was about it.
  bool has_seen(const EventStatuses::key_type& event) const { return seen_.contains(event); }

 private:
  EventStatuses statuses_;
  std::set<EventStatuses::key_type> seen_;
};

// Gives the events that a replay has turned off the status that they have by what was there
// `before` and by the log that was placed in `received`. Returns those of which it cannot tell, and
// those that would run once more as their one moment has passed, quoted; they stay off. Throws
// Error(kCorrupt), kCancelled.
std::vector<std::string> mend_event_statuses(MariadbConnection& connection, EventStatuses before,
                                             const std::string& received,
                                             const std::stop_token& stop);

}  // namespace holdfast
