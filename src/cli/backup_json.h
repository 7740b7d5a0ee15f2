// Backups as JSON and as text, the same in every command.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "cli/output.h"
#include "vault/backup_object.h"

namespace holdfast {

// id, class, source, time.
Json name_json(const BackupName& name);
// The same and what the summary knows.
Json summary_json(const BackupSummary& summary);
// Which server it is of and where in its log it is; what nobody knows is null. Of everything that
// is no database: null.
Json database_json(const BackupSummary& summary);
// The same in one line for people, "PostgreSQL 15.18, physical, ..."; empty.
std::string database_text(const BackupSummary& summary);
// In the database that it is of; 0 for everything else.
std::uint64_t damaged_pages(const BackupSummary& summary);
// "3 files, 2 directories, 1 other, 1.5 GiB".
std::string content_text(const BackupSummary& summary);
// "; 2 sockets left out"; "" for none.
std::string sockets_text(std::uint64_t sockets);
// RFC 3339, seconds.
std::string iso_time(Timestamp time);
// The same; null for none.
Json time_json(const std::optional<Timestamp>& time);
double seconds_of(Duration duration);

}  // namespace holdfast
