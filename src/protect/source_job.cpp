#include "protect/source_job.h"

#include <unistd.h>

#include <filesystem>

#include "base/error.h"
#include "base/human.h"
#include "base/path.h"
#include "codec/kdf.h"
#include "os/file.h"
#include "protect/selection.h"
#include "source/config/collect.h"
#include "source/config/git_bundle.h"
#include "source/config/git_restore.h"
#include "vault/tree.h"

namespace holdfast {
namespace {

// The directory to restore a repository to, from its bundle's path.
std::string repository_of(const std::string& bundle) {
  const std::string git_directory(parent_path(bundle));
  return base_name(git_directory) == ".git" ? std::string(parent_path(git_directory))
                                            : git_directory;
}

BackupJob job_of(const SourceSettings& source, const std::vector<std::string>& paths) {
  BackupJob job;
  job.backup_class = source.backup_class;
  job.source = source.name;
  for (const std::string& path : paths) job.walk.roots.push_back(stored_path(path));
  for (const std::string& pattern : source.excludes) job.walk.excludes.add(pattern);
  job.walk.one_file_system = source.one_file_system;
  job.walk.skip_cache_directories = source.skip_cache_directories;
  return job;
}

}  // namespace

StagingDirectory::StagingDirectory(const std::string& parent)
    : path_(parent + "/staging-" + to_hex(random_array<8>())) {
  make_directories(parent, 0700);
  make_directories(path_, 0700);
}

StagingDirectory::~StagingDirectory() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

BackupJob files_job(const SourceSettings& source) { return job_of(source, source.paths); }

BackupJob config_job(const SourceSettings& source, const StagingDirectory& staging,
                     Warnings& warnings, std::stop_token stop) {
  const ConfigSelection selection = collect_config(source, stop);
  for (const std::string& note : selection.notes) warnings.add(note);
  BackupJob job = job_of(source, selection.paths);
  for (const GitRepository& repository : selection.repositories) {
    const std::string file = staging.path() + "/" + std::to_string(job.placed.size()) + ".bundle";
    try {
      const GitBundle bundle = git_bundle(repository, file, stop);
      for (const std::string& note : bundle.notes) warnings.add(repository.path + ": " + note);
      if (bundle.empty) continue;
      job.placed.push_back({file, join_path(stored_path(repository.git_directory), kBundleName)});
    } catch (const Error& error) {
      if (error.code() == Code::kCancelled) throw;
      warnings.add(printable(repository.path) + ": " + error.message());
    }
  }
  return job;
}

std::vector<std::string> restore_repositories(const Vault& vault, const RestoreJob& job,
                                              Warnings& warnings, std::stop_token stop) {
  std::vector<std::string> restored;
  if (job.dry_run) return restored;
  const Selection selection(job.includes, job.excludes, job.strip_components);
  const Target target(job.target, false, job.rights);
  ChunkReader reader(vault);
  const StoredBackup backup = read_backup(vault, job.backup);
  for_each_entry(reader, backup.root.value().tree, [&](const Entry& entry, std::span<const Ref>) {
    if (entry.type != EntryType::kFile || base_name(entry.path) != kBundleName ||
        !selection.wants(entry.path, false)) {
      return true;
    }
    const auto path = selection.target_path(entry.path);
    if (!path) return true;
    const std::string bundle = job.target + "/" + *path;
    const std::string directory = repository_of(bundle);
    try {
      struct stat status {};
      // Refuses a way that leads through a symlink, which git would follow.
      if (!target.stat(*path, status)) return true;
      restore_bundle(bundle, directory, stop);
      ::unlink(bundle.c_str());
      restored.push_back(directory);
    } catch (const Error& error) {
      if (error.code() == Code::kCancelled) throw;
      warnings.add(printable(directory) + ": " + error.message());
    }
    return true;
  });
  return restored;
}

}  // namespace holdfast
