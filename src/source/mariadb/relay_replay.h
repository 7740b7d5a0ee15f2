// Applies a stretch of the binary log to a restored server: the server takes the files for what it
// received as a replica, so that every transaction keeps its GTID, and means what it meant.
#pragma once

#include <cstdint>
#include <stop_token>
#include <string>
#include <vector>

#include "source/mariadb/gtid.h"
#include "source/mariadb/sandbox.h"

namespace holdfast {

// The first file of the log that is to be applied, as place_relay_log() calls it.
inline constexpr const char* kFirstRelayLog = "relay.000001";

// Lines of the configuration of a sandbox of MariaDB that shall replay, with files of its own in
// `own` and the log to be applied in `received`.
std::vector<std::string> mariadb_relay_options(const std::string& own, const std::string& received);

// The same of MySQL with GTIDs. `databases`: those that it has, and what is of others is passed
// over; empty: all.
std::vector<std::string> relay_options(const std::string& own, const std::string& received,
                                       const std::vector<std::string>& databases);

// Gives the files their places in `received`, which is theirs alone, before the server starts. Of
// the first one what lies before `start` is left out. Returns where the replay is to begin.
std::uint64_t place_relay_log(const MariadbSettings& settings, const std::string& received,
                              const std::vector<std::string>& files, std::uint64_t start);

// Tells a server without transactions that it has those up to `before`.
void set_mysql_gtid(MariadbConnection& connection, const GtidPosition& before);

struct RelayReplay {
  std::uint64_t start = 0;  // where place_relay_log() says
  GtidPosition before;      // of MariaDB
  GtidPosition after;       // of the server, once everything is applied
  std::string received;     // where the log was placed
  // Of MySQL, as relay_options() had them. What is of others is passed over, and taken for applied.
  std::vector<std::string> databases;
  bool own_roles = false;  // of MariaDB: whether own_roles.h finds some in it
};

// Runs the log that was placed in MySQL and waits until it has come to `after`. What is of a
// routine, an event or rights in a database that was not chosen is left out; a table that moves
// there is gone. Leaves it a server that replicates from nobody. Throws kInvalid with what the
// server said of the transaction that failed, kCorrupt when it has come elsewhere, kExhausted when
// this host has no room for it, kCancelled.
void replay_as_replica(const MariadbSandbox& server, const RelayReplay& replay,
                       const std::stop_token& stop);

}  // namespace holdfast
