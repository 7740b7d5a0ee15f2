// Whether a server is set up so that backups and log archiving will work.
#pragma once

#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "settings/settings.h"
#include "settings/setup_finding.h"
#include "source/postgres/cluster.h"

namespace holdfast {

// What dumps hold besides databases.
struct PgDumpedGlobals {
  bool roles = true;      // and tablespaces
  bool passwords = true;  // of the roles
};

// Looks at everything that the first backup would stumble over, and at what would make a restore
// poorer than it could be. `before` is what the vault has of `source` already. Never throws for
// what it finds.
std::vector<SetupFinding> check_postgres(const PostgresSettings& settings,
                                         const std::string& source,
                                         const std::optional<PgBackedUp>& before,
                                         const PgDumpedGlobals& globals, std::stop_token stop);

}  // namespace holdfast
