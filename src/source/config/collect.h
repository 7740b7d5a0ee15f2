// What a source of class config backs up.
#pragma once

#include <stop_token>
#include <string>
#include <vector>

#include "settings/settings.h"
#include "source/config/git_repository.h"

namespace holdfast {

struct ConfigSelection {
  std::vector<std::string> paths;           // absolute, sorted, each once; files and directories
  std::vector<GitRepository> repositories;  // to be bundled, in order of git_directory
  std::vector<std::string> notes;           // what is missing or left out: warnings
};

// Looks at the file system and decides; reads nothing but names and possible CloudFormation
// templates, and executes nothing. The metadata of the repositories is among the paths. Searches
// do not follow symbolic links (a link that is found brings its target along) and leave out caches:
// .git, .terraform, node_modules. Throws Error(kCancelled) at a stop.
ConfigSelection collect_config(const SourceSettings& source, std::stop_token stop = {});

}  // namespace holdfast
