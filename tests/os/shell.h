// A shell as a child.
#pragma once

#include <string>

#include "os/process.h"

namespace holdfast {

inline ProcessOptions shell(const std::string& script) {
  ProcessOptions options;
  options.argv = {"/bin/sh", "-c", script};
  return options;
}

}  // namespace holdfast
