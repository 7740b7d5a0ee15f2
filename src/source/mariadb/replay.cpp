#include "source/mariadb/replay.h"

#include <fmt/format.h>

#include "base/error.h"
#include "source/mariadb/event_status.h"
#include "source/mariadb/own_roles.h"
#include "source/mariadb/relay_applier.h"

namespace holdfast {

Unreplayed replay_binlogs(const MariadbSandbox& server, RelayReplay replay,
                          const std::stop_token& stop) {
  Unreplayed unreplayed;
  unreplayed.statements = statements_about_own_roles(replay.received, stop);
  replay.own_roles = !unreplayed.statements.empty();
  MariadbConnection connection = server.connect();
  EventStatuses events = event_statuses(connection);
  const bool had_nameless = has_nameless_account(connection);
  const std::string before = connection.quoted(replay.before.text());
  connection.query("SET GLOBAL gtid_binlog_state = " + before);
  connection.query("SET GLOBAL gtid_slave_pos = " + before);
  connection.query(
      fmt::format("CHANGE MASTER TO MASTER_HOST = 'nobody', MASTER_USE_GTID = no, "
                  "RELAY_LOG_FILE = {}, RELAY_LOG_POS = {}",
                  connection.quoted(kFirstRelayLog), replay.start));
  for (const std::string& statement : run_applier(server, connection, replay, stop)) {
    if (!is_about_own_roles(statement)) unreplayed.statements.push_back(statement);
  }
  const GtidPosition reached(connection.value(kMariadbApplied));
  if (!has_replayed(reached, replay)) {
    throw Error(Code::kCorrupt,
                fmt::format("after the replay the server is at GTID {}, and should be at {}",
                            reached.empty() ? "(none)" : reached.text(), replay.after.text()),
                kReplayNotComplete);
  }
  if (!had_nameless && has_nameless_account(connection)) drop_nameless_account(connection);
  unreplayed.events = mend_event_statuses(connection, std::move(events), replay.received, stop);
  connection.query("RESET SLAVE ALL");
  connection.query("SET GLOBAL gtid_slave_pos = " + connection.quoted(replay.after.text()));
  return unreplayed;
}

}  // namespace holdfast
