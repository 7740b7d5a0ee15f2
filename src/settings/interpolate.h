// "${NAME}" in configuration values.
#pragma once

#include <string>
#include <string_view>

namespace holdfast {

struct Interpolated {
  std::string text;
  bool replaced = false;  // a reference was replaced
};

// Replaces "${NAME}" and "${NAME:-default}" (used when NAME is unset or empty) by the environment;
// "$${" stands for a literal "${"; any other '$' is itself. What comes in is not looked at again.
// Throws Error(kInvalid) for an unset variable without default and for a malformed reference.
// Reads the environment: no other thread may change it.
Interpolated interpolate(std::string_view text);

}  // namespace holdfast
