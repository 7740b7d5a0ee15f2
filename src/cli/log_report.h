// What became of the databases' logs, as text and JSON.
#pragma once

#include <string>

#include "cli/output.h"
#include "protect/log_retention.h"

namespace holdfast {

// Lines; empty when the vault has no log.
std::string log_retention_text(const LogRetentionResult& result, bool dry_run);
Json log_retention_json(const LogRetentionResult& result);

}  // namespace holdfast
