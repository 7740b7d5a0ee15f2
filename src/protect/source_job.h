// From a source of the configuration to a backup job; git repositories travel as bundles.
#pragma once

#include <stop_token>
#include <string>
#include <vector>

#include "protect/backup.h"
#include "protect/restore.h"
#include "settings/settings.h"

namespace holdfast {

// Bundles of a job in the making; removed with this object.
class StagingDirectory {
 public:
  // Makes a fresh directory below `parent`.
  explicit StagingDirectory(const std::string& parent);
  ~StagingDirectory();
  StagingDirectory(const StagingDirectory&) = delete;
  StagingDirectory& operator=(const StagingDirectory&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// The job for a source of class files.
BackupJob files_job(const SourceSettings& source);

// The job for a source of class config. Bundles are made in `staging`, which must live until the
// backup has ended. What is missing becomes a warning.
BackupJob config_job(const SourceSettings& source, const StagingDirectory& staging,
                     Warnings& warnings, std::stop_token stop);

// After a restore below `target`: makes repositories of the bundles that it brought back. Returns
// their paths. A repository that cannot be made is a warning, and its bundle stays.
std::vector<std::string> restore_repositories(const Vault& vault, const RestoreJob& job,
                                              Warnings& warnings, std::stop_token stop);

}  // namespace holdfast
