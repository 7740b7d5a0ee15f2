// Logical backups: mariadb-dump or mysqldump as a child, its output as a stream.
#pragma once

#include <stop_token>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "source/mariadb/server.h"

namespace holdfast {

// What a logical backup holds: all databases, accounts, and time zones, to be loaded in this order,
// which is that of the names.
inline constexpr const char* kDatabasesDump = "all.sql";
inline constexpr const char* kUsersDump = "users.sql";
inline constexpr const char* kZonesDump = "zones.sql";

// One dump.
struct MariadbDumpPlan {
  std::string stored_path;  // "all.sql", "users.sql"
  std::vector<std::string> command;
  bool has_position = false;  // its text says to which place of the binary log it belongs
  // It is for a MySQL server, but made by mariadb-dump: begins with a line that only MariaDB's
  // client takes. See SandboxLineFilter.
  bool of_mariadb_dump = false;
};

// One dump for all databases together, which is one snapshot of all of them, and one for users,
// roles, plugins and servers, to be restored after it. `databases` must not be empty unless there
// are none at all.
std::vector<MariadbDumpPlan> plan_mariadb_dumps(const MariadbSettings& settings,
                                                const MariadbServer& server,
                                                const std::vector<std::string>& databases);

// A dump of users and plugins as a server takes it: mariadb-dump writes INSTALL PLUGIN with IF NOT
// EXISTS behind the name, where it is a syntax error; and plugins that judge passwords, which would
// refuse accounts that are older than they, come last.
std::string mended_users_dump(const std::string& dump);
// The dump for an archive: of one database it does not name it, so that it can be loaded into any.
MariadbDumpPlan plan_mariadb_archive(const MariadbSettings& settings, const MariadbServer& server,
                                     const std::vector<std::string>& databases);

// The databases of the settings; without any: all. Throws kNotFound for one that does not exist.
std::vector<std::string> chosen_databases(const MariadbSettings& settings,
                                          MariadbConnection& connection);

// Has the dumps of `server` keep what was in tables WITH SYSTEM VERSIONING before, when `databases`
// have any. Returns what to warn of when they cannot, else "".
std::string include_history(MariadbConnection& connection, const MariadbSettings& settings,
                            const std::vector<std::string>& databases, MariadbServer& server,
                            std::stop_token stop);

// Takes away the first line of a dump of mariadb-dump, "enable the sandbox mode", at which MySQL's
// client stops.
class SandboxLineFilter {
 public:
  // What goes on of the next bytes of the dump; valid until the next call.
  ByteView pass(ByteView content);
  // What was held back of a dump that ends here.
  ByteView finish();

 private:
  Bytes held_;
  bool over_ = false;
};

// Sees a dump pass by. Keeps its ends only.
class MariadbDumpWatch {
 public:
  void see(ByteView content);
  // To be called at the end. Throws kInvalid when the dump is not complete.
  void check_complete() const;
  MariadbPosition position() const;

 private:
  std::string head_;
  std::string tail_;
};

}  // namespace holdfast
