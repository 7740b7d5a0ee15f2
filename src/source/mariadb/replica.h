// A restored data directory that becomes a replica.
#pragma once

#include <stop_token>
#include <string>

#include "settings/settings.h"

namespace holdfast {

// The server to replicate from, as it is reached from the replica's host.
struct MariadbPrimary {
  std::string host;
  unsigned port = 3306;
  std::string user;
  std::string defaults_file;  // option file that has the password under [client]; may be empty
  bool ssl = false;
};

// From "host=db1 port=3306 user=repl defaults_file=/etc/mysql/repl.cnf ssl=1". Throws kUsage for
// anything else, and for a password, which a command line shows to everybody.
MariadbPrimary parse_mariadb_primary(const std::string& text);

// Connects as the replica will. Returns the password, from the option file or MYSQL_PWD. Throws
// what the server says, kDenied also when the account has no right to replicate, kConflict when the
// server has no binary log.
std::string check_mariadb_primary(const MariadbPrimary& primary, std::stop_token stop);

// Asks the primary, as the replica will, whether it can go on from `gtid`, the state that the
// replica will have. Throws what the server says, kNotFound when it cannot.
void check_primary_log(const MariadbPrimary& primary, const std::string& gtid,
                       std::stop_token stop);

// Sets up the prepared `directory`, whose data is at `gtid`, so that a server that starts on it
// replicates from there at once; when it is further already, from where it is. Works through a
// sandbox in `scratch`, as MariadbSandbox does. Throws kConflict without a GTID.
void make_mariadb_replica(const MariadbSettings& settings, const MariadbPrimary& primary,
                          const std::string& password, const std::string& directory,
                          const std::string& gtid, const std::string& scratch,
                          std::stop_token stop);

}  // namespace holdfast
