// Which events of a MariaDB server run, over a replay. A replica turns off what its source's log
// makes or alters, since it runs there; of a restored server there is no source that it runs at.
#pragma once

#include <map>
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

// What a statement of a session with this database makes of them at the source.
void follow_event_statement(std::string_view database, std::string_view sql,
                            EventStatuses& statuses);

// Gives the events that a replay has turned off the status that they have by what was there
// `before` and by the log that was placed in `received`. Returns those of which it cannot tell,
// quoted; they stay off. Throws Error(kCorrupt), kCancelled.
std::vector<std::string> mend_event_statuses(MariadbConnection& connection, EventStatuses before,
                                             const std::string& received,
                                             const std::stop_token& stop);

}  // namespace holdfast
