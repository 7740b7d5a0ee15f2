// The programs of PostgreSQL on this host.
#pragma once

#include <stop_token>
#include <string>

#include "settings/settings.h"

namespace holdfast {

struct PgVersion {
  int major = 0;  // 0: it does not say
  int minor = 0;
};

// What `program` (see pg_command) says of itself. Throws kUnsupported, with what to install, when
// it is not here.
PgVersion pg_tool_version(const PostgresSettings& settings, const std::string& program,
                          int server_version, const std::stop_token& stop);

// Whether a server of `version` has the setting allow_in_place_tablespaces, which came with a minor
// version of 13 and 14.
bool has_in_place_tablespaces(const PgVersion& version);

// Throws kUnsupported unless pg_dump, and for `roles` pg_dumpall, is here and can dump a server of
// `server_version` (150018): it refuses one that is newer than itself.
void require_pg_dump(const PostgresSettings& settings, int server_version, bool roles,
                     const std::stop_token& stop);

// Throws kUnsupported unless what a restore test needs for a backup of a server of
// `server_version` is here: before anything is restored. `physical`: of files; else of dumps.
void require_pg_proof_tools(const PostgresSettings& settings, int server_version, bool physical,
                            const std::stop_token& stop);

// pg_amcheck came with 14. Before, a server's indexes alone can be checked.
inline constexpr int kFirstWithPgAmcheck = 14;

}  // namespace holdfast
