// From the words of `holdfast backup CLASS WORD...` to what is to be backed up.
#pragma once

#include <string>
#include <vector>

#include "protect/backup.h"
#include "settings/settings.h"

namespace holdfast {

struct BackupChoice {
  std::string backup_class;        // "files", "config", or "all"
  std::vector<std::string> words;  // names of sources, or paths; empty: every source of the class
  std::string name;                // for all paths together; empty: each path is its own backup
};

// The sources to be backed up, in order; paths become sources of their own. Throws Error: kNotFound
// for a word that is neither (with what was probably meant), kUsage for words that do not fit.
std::vector<SourceSettings> choose_sources(const Settings& settings, const BackupChoice& choice);

// A valid source name made of the last part of `path`.
std::string source_name_of(const std::string& path);
// That of the backups made before a restore over `source`.
std::string safety_name(const std::string& source);

// Leaves `directories` (the vault, state and cache of this very program) out of `job` where they
// lie below one of its roots. Returns those that it left out. Throws Error(kUsage) when a root lies
// in `vault_directory`.
std::vector<std::string> leave_out(BackupJob& job, const std::vector<std::string>& directories,
                                   const std::string& vault_directory);

}  // namespace holdfast
