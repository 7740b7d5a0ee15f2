// Physical backups of MariaDB by mariadb-backup, which runs on the server's host.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/time.h"
#include "os/process.h"
#include "source/mariadb/server.h"

namespace holdfast {

// Throws kUnsupported for MySQL, whose files mariadb-backup cannot read.
void require_physical(const MariadbServer& server);

// mariadb-backup that writes an mbstream. To be run in UTC: see locked_at. Throws kUnsupported when
// the server's files are not on this host, or it is MySQL.
std::vector<std::string> mariadb_backup_command(const MariadbSettings& settings,
                                                const MariadbServer& server);

// True for the file of a backup that has the position in the binary log.
bool is_position_file(std::string_view path);
// Its content: FILE, OFFSET and perhaps GTIDs, between tabs. Throws Error(kInvalid).
MariadbPosition parse_position_file(std::string_view content);

// A backup, or its preparation, is good only when the tool succeeded and says so, too. Throws
// kInvalid with the end of what it said, kDenied, kCancelled, ...
void check_mariadb_backup(const ProcessResult& result, const std::string& action);

// When the tool began to hold back commits, to the second, from its messages in UTC. Everything
// committed before is in the backup.
std::optional<Timestamp> locked_at(std::string_view messages);

// True for files that consist of pages.
bool has_pages(std::string_view path);

}  // namespace holdfast
