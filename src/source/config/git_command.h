// Running git on repositories that may belong to others, with as little of them executed as can be.
#pragma once

#include <stop_token>
#include <string>
#include <vector>

#include "os/process.h"

namespace holdfast {

// Runs "git ARGUMENTS" without prompts, hooks, network access, background maintenance, or the
// configuration of system and user; repositories of other owners are accepted. The work is done by
// one thread, so that the same repository gives the same bytes. Throws Error(kUnsupported) when
// there is no git and Error(kCancelled) at a stop; an exit code is the caller's to judge.
ProcessResult run_git(const std::vector<std::string>& arguments, std::stop_token stop);

// The same, but throws Error "ACTION: what git said" when it fails.
ProcessResult require_git(const std::vector<std::string>& arguments, const std::string& action,
                          std::stop_token stop);

}  // namespace holdfast
