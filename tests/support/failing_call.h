// A program in which one system call fails.
#pragma once

#include <string>
#include <vector>

namespace holdfast {

// Runs `argv`: in it and all its children the system call `number` (SYS_syncfs) fails with `error`
// (EIO). What it prints goes behind what the file `output` has. Returns its exit code, 128 + signal
// when one ended it.
int run_with_failing_call(std::vector<std::string> argv, long number, int error,
                          const std::string& output);

}  // namespace holdfast
