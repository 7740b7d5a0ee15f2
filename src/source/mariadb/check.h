// Whether a server is set up so that backups, and later its log, will work.
#pragma once

#include <stop_token>
#include <vector>

#include "settings/settings.h"
#include "settings/setup_finding.h"

namespace holdfast {

// Looks at everything that the first backup would stumble over, and at what would make a restore
// poorer than it could be. Never throws for what it finds.
std::vector<SetupFinding> check_mariadb(const MariadbSettings& settings, std::stop_token stop);

}  // namespace holdfast
