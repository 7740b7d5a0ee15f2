// A process that goes on when ours has ended.
#pragma once

#include <string>
#include <vector>

#include "os/file.h"

namespace holdfast {

// Where a detached process finds the descriptor that was left to it.
inline constexpr int kKeptDescriptor = 3;

// Starts `argv` (the first is a path) in a session of its own; it reads nothing, writes nowhere,
// and has `kept` as kKeptDescriptor, locks included. Throws Error, as run_process does.
void start_detached(std::vector<std::string> argv, const Fd& kept);

}  // namespace holdfast
