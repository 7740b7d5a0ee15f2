// The part of a MariaDB or MySQL server that applies what it received as a replica.
#pragma once

#include <stop_token>
#include <string>

#include "source/mariadb/relay_replay.h"

namespace holdfast {

inline constexpr unsigned kFirstWithReplicas = 80022;  // START REPLICA, and SHOW REPLICA STATUS
inline constexpr const char* kReplayNotComplete =
    "the directory is not complete, and no server starts on it: run the restore again, to a moment "
    "before this transaction, or with --to-immediate";

// "relay.000002" behind "relay.000001".
std::string next_relay_name(const std::string& name);

// Asks a MariaDB server what it has applied. Its own log may lack the last transaction: what
// changes nothing here is not in it.
inline constexpr const char* kMariadbApplied = "SELECT @@GLOBAL.gtid_slave_pos";

// Whether a MariaDB server that has applied `reached` has come to the end of `replay`.
bool has_replayed(const GtidPosition& reached, const RelayReplay& replay);

// Has it run until it has come to the end of `replay`, or has nothing left to do. Returns the
// statements that it passed over, as no replica can run them (own_roles.h). Throws as
// replay_as_replica(), but does not compare where it has come to.
std::vector<std::string> run_applier(const MariadbSandbox& server, MariadbConnection& connection,
                                     const RelayReplay& replay, const std::stop_token& stop);

}  // namespace holdfast
