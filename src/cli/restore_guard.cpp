#include "cli/restore_guard.h"

#include <filesystem>
#include <optional>

#include "base/error.h"
#include "base/human.h"
#include "cli/backup_sources.h"
#include "cli/hooks.h"
#include "cli/source_run.h"
#include "os/file.h"
#include "protect/restore_mark.h"
#include "protect/server_directory.h"
#include "protect/server_restore.h"
#include "protect/validate.h"

namespace holdfast {
namespace {

namespace fs = std::filesystem;

// Or what is left of one.
bool has_cluster(const std::string& directory) {
  if (resumes_into_empty(directory)) return false;
  return path_exists(directory + "/PG_VERSION") || path_exists(directory + "/ibdata1") ||
         is_unfinished_server_restore(directory);
}

bool is_whole(const RestoreJob& job) {
  return job.includes.empty() && job.excludes.empty() && job.strip_components == 0;
}

bool has_hooks(const SourceSettings& source) {
  const Hooks& hooks = source.restore_hooks;
  return !hooks.before.empty() || !hooks.after.empty() || !hooks.on_failure.empty();
}

// The server is down: its files as they are, tablespaces too.
SourceSettings cold_source(const std::string& directory) {
  SourceSettings source;
  source.backup_class = "files";
  source.config.etc = false;
  source.paths = {directory};
  std::error_code none;
  for (const auto& entry : fs::directory_iterator(directory + "/pg_tblspc", none)) {
    if (entry.is_symlink()) source.paths.push_back(fs::read_symlink(entry.path()).string());
  }
  return source;
}

}  // namespace

RestoreGuard::RestoreGuard(Context& context, const OpenedVault& opened, const RestoreJob& job,
                           bool safety)
    : context_(context), opened_(opened), job_(job), with_safety_(safety) {
  const bool database = job.backup.backup_class == "database";
  const bool in_place = database ? has_cluster(job.target) : job.target == "/";
  if (!in_place) return;
  for (const SourceSettings& source : context.settings().sources) {
    if (source.name == job.backup.source && source.backup_class == job.backup.backup_class &&
        has_hooks(source)) {
      source_ = &source;
    }
  }
  // What was there before is gone already, and kept by the first try if that was wanted.
  if (database && is_unfinished_server_restore(job.target)) {
    with_safety_ = false;
    const auto before = unfinished_restore(job.target);
    if (before && before->backup == job.backup.id()) safety_ = before->safety;
  }
  needed_ = source_ != nullptr || (database && with_safety_ && is_whole(job));
}

bool RestoreGuard::stops() const {
  return source_ != nullptr && !source_->restore_hooks.before.empty();
}

std::string RestoreGuard::validate() {
  ValidateJob job;
  job.backups = {job_.backup};
  job.record = false;
  ValidateProgress progress;
  const ValidateResult result = holdfast::validate(*opened_.vault, job, progress, context_.stop);
  if (result.sound()) return job_.backup.id() + " has all that it needs";
  throw Error(Code::kCorrupt, job_.backup.id() + " is damaged",
              "see what is: holdfast validate " + job_.backup.id() +
                  "; heal the vault from a copy, or restore an older backup");
}

std::string RestoreGuard::back_up() {
  const bool database = job_.backup.backup_class == "database";
  if (database) {  // whatever should have stopped it
    require_no_server(job_.target);
  }
  SourceSettings safety = database ? cold_source(job_.target) : *source_;
  safety.name = safety_name(job_.backup.source);
  safety.hooks = {};
  safety.format = BackupFormat::kVault;
  SourceRunOptions run;
  run.threads = context_.settings().threads;
  run.level = context_.settings().compression;
  const SourceOutcome outcome =
      run_source(context_, *opened_.store, opened_.vault.get(), safety, run);
  if (outcome.error) {
    Error error(*outcome.error);
    error.suggest(
        "what is there could not be kept, and was not touched; to restore over it all the "
        "same: --no-safety-backup");
    throw error;
  }
  safety_ = outcome.result->summary.name.id();
  return safety_;
}

std::string RestoreGuard::run(const std::vector<Hook>& hooks, const std::string& name,
                              const std::string& status, std::stop_token stop) {
  RunLog log(context_, "restore", "restore-" + source_->backup_class);
  run_hooks(hooks, {name, source_->name, source_->backup_class, job_.backup.id(), status}, log,
            std::move(stop));
  return plural(hooks.size(), "command");
}

// Not of files while nothing was stopped that may write to them.
bool RestoreGuard::can_check_after() const {
  return stops() || job_.backup.backup_class == "database";
}

std::vector<RestoreStep> RestoreGuard::steps(const RestoreDoings& doings) {
  const Hooks hooks = source_ == nullptr ? Hooks{} : source_->restore_hooks;
  std::vector<RestoreStep> steps;
  steps.push_back({"validate", "see that " + job_.backup.id() + " has all that it needs",
                   [this] { return validate(); }});
  steps.push_back({"check", "see that it can be restored to " + job_.target, doings.check});
  if (stops()) {
    steps.push_back({"stop", "run " + hooks.before.front().command, [this] {
                       stopped_ = true;
                       return run(source_->restore_hooks.before, "restore.before", "",
                                  context_.stop);
                     }});
  }
  if (with_safety_) {
    steps.push_back({"safety backup",
                     job_.backup.backup_class == "database"
                         ? "back up the files in " + job_.target + " as they are now"
                         : "back up the source as it is now",
                     [this] { return back_up(); }});
  }
  steps.push_back({"restore", job_.backup.id() + " to " + job_.target, doings.restore});
  if (can_check_after()) {
    steps.push_back(
        {"validate", "see that what was restored is what the backup has", doings.check_after});
  }
  if (!hooks.after.empty()) {
    steps.push_back({"start", "run " + hooks.after.front().command, [this] {
                       return run(source_->restore_hooks.after, "restore.after", "success",
                                  context_.stop);
                     }});
  }
  return steps;
}

void RestoreGuard::failed() {
  if (!stopped_) return;
  try {
    run(source_->restore_hooks.on_failure, "restore.on_failure", "failed", {});
  } catch (const Error& error) {
    context_.output.warning(error.message());
  }
}

}  // namespace holdfast
