// Whether the role of a logical backup can read what its dumps hold.
#pragma once

#include <stop_token>
#include <vector>

#include "settings/setup_finding.h"
#include "source/postgres/check.h"

namespace holdfast {

// Asks in each database that will be dumped for what pg_dump would stumble over: the connection,
// relations, large objects and rows that the role may not read; and for pg_dumpall the passwords.
// `connection` is any of the server. Does not throw for what it finds.
std::vector<SetupFinding> check_pg_dumps(const PostgresSettings& settings, PgConnection& connection,
                                         const PgDumpedGlobals& globals, int server_version,
                                         const std::stop_token& stop);

}  // namespace holdfast
