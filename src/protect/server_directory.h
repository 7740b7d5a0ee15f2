// What lets a server start on a directory, and what a restore that has not ended leaves there.
#pragma once

#include <string>

namespace holdfast {

// PostgreSQL starts on no directory without its control file; InnoDB not without its system space
// beside a redo log; MariaDB not without its accounts.
inline constexpr const char* kPgControl = "global/pg_control";
inline constexpr const char* kMariadbSystemSpace = "ibdata1";
inline constexpr const char* kMariadbAccounts = "mysql/global_priv.frm";
// What a restore of MariaDB has put aside. Servers take nothing that begins with a dot for a
// database.
inline constexpr const char* kMariadbAside = ".holdfast-unfinished";

// A server, of either kind, that runs on `directory` would not notice that its files change under
// it. Throws Error(kConflict) when one does, or when PostgreSQL was killed there.
void require_no_server(const std::string& directory);

// True when a server could start on `directory`, or was started there: whatever else there is of a
// restore has no meaning any more.
bool holds_server(const std::string& directory);

// True when `directory` holds a part of a server, restored or being restored, on which none starts.
bool is_part_of_server(const std::string& directory);

// From here on no server starts on `directory`, of whatever kind.
void disarm_server(const std::string& directory);

}  // namespace holdfast
