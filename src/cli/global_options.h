// The options that every command takes, before or after its name.
#pragma once

#include <string>

#include "cli/command.h"

namespace holdfast {

struct GlobalOptions {
  std::string config_file;         // empty: searched for
  std::string vault;               // URL or path; empty: $HOLDFAST_VAULT, the configuration
  std::string key_file;            // empty: see credential.h
  std::string recovery_code_file;  // empty: see credential.h
  std::string log_directory;       // empty: the configuration
  std::string as_of;               // a moment; empty: the store as it is now
  std::string deadline;            // a duration; empty: none
  std::string progress = "auto";   // "auto", "plain", "json", "none"
  bool json = false;
  bool quiet = false;
};

void add_global_options(Command& root, GlobalOptions& options);

// The value of an environment variable; empty when it is unset.
std::string environment_value(const char* name);

}  // namespace holdfast
