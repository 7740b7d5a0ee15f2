// The whole program behind main(): parses, runs, reports.
#pragma once

#include <string>
#include <vector>

namespace holdfast {

// Runs the command line `arguments` (without the program's name) and returns the exit code.
// Nothing is thrown. To be called once, before any other thread exists.
int run_program(const std::vector<std::string>& arguments);

}  // namespace holdfast
