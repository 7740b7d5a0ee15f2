// The commands of a source around its backup; docs/CONFIGURATION.md, "Hooks".
#pragma once

#include <stop_token>
#include <string>
#include <vector>

#include "cli/run_log.h"
#include "settings/settings.h"

namespace holdfast {

struct HookEvent {
  std::string event;  // "before", "after", "on_failure"
  std::string source;
  std::string backup_class;
  std::string backup;        // the id, if there is one
  std::string status;        // "", "success", "warnings", "failed", "damaged"
  std::string message = {};  // what went wrong
};

// Runs the hooks in order. Throws Error(kInvalid) for the first that fails or takes too long, with
// what it said; those behind it are not run. Throws Error(kCancelled) at a stop.
void run_hooks(const std::vector<Hook>& hooks, const HookEvent& event, RunLog& log,
               std::stop_token stop);

}  // namespace holdfast
