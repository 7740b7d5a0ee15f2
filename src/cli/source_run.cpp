#include "cli/source_run.h"

#include <fmt/format.h>

#include <algorithm>
#include <exception>
#include <filesystem>
#include <new>

#include "base/human.h"
#include "cli/backup_json.h"
#include "cli/backup_sources.h"
#include "cli/hooks.h"
#include "cli/progress.h"
#include "cli/run_log.h"
#include "protect/database_job.h"
#include "protect/source_job.h"
#include "protect/validate.h"

namespace holdfast {
namespace {

// The directory of a store that is one.
std::string directory_of(const ObjectStore& store) {
  constexpr std::string_view kFile = "file://";
  const std::string url = store.traits().url;
  if (url.starts_with(kFile)) return url.substr(kFile.size());
  return url.starts_with('/') ? url : "";
}

std::string rate_text(std::uint64_t bytes, Duration duration) {
  const double seconds = std::max(0.001, std::chrono::duration<double>(duration).count());
  return format_size(static_cast<std::uint64_t>(static_cast<double>(bytes) / seconds)) + "/s";
}

class SourceRun {
 public:
  SourceRun(Context& context, ObjectStore& store, const Vault* vault, const SourceSettings& source,
            const SourceRunOptions& options)
      : context_(context),
        store_(store),
        vault_(vault),
        source_(source),
        options_(options),
        warnings_([this](const std::string& text) {
          if (log_) log_->warning(text);
        }) {
    outcome_.source = source.name;
    outcome_.backup_class = source.backup_class;
  }

  SourceOutcome run();

 private:
  void attempt();
  void make_staging();
  BackupJob make_job();
  void leave_out_our_own(BackupJob& job);
  void to_vault();
  void to_archives();
  void say_left_out(const std::vector<std::string>& directories);
  void back_up(const BackupJob& job);
  void verify();
  void report();
  void fail(const Error& error);
  void run_failure_hooks(const std::string& status, const std::string& message);
  void alarm_of_damage();
  HookEvent event(const std::string& name, const std::string& status) const;

  Context& context_;
  ObjectStore& store_;
  const Vault* const vault_;
  const SourceSettings& source_;
  const SourceRunOptions& options_;
  std::optional<RunLog> log_;
  std::optional<StagingDirectory> staging_;
  Warnings warnings_;
  SourceOutcome outcome_;
};

HookEvent SourceRun::event(const std::string& name, const std::string& status) const {
  std::string id = outcome_.result ? outcome_.result->summary.name.id() : "";
  if (id.empty() && !outcome_.archives.archives.empty()) {
    id = outcome_.archives.archives.front().name.file();
  }
  return {name, source_.name, source_.backup_class, id, status};
}

void SourceRun::make_staging() {
  if (source_.backup_class == "files") return;
  // A dry run must not even make the state directory.
  staging_.emplace(options_.dry_run ? std::filesystem::temp_directory_path().string()
                                    : context_.settings().state_directory + "/backup/staging");
}

BackupJob SourceRun::make_job() {
  BackupJob job;
  make_staging();
  if (source_.postgresql || source_.mariadb) {
    job = database_job(*vault_, source_, options_.new_cluster, *staging_, warnings_, context_.stop);
  } else if (source_.backup_class == "config") {
    job = config_job(source_, *staging_, warnings_, context_.stop);
  } else {
    job = files_job(source_);
  }
  job.threads = options_.threads;
  job.level = options_.level;
  job.read_everything = options_.read_everything;
  job.dry_run = options_.dry_run;
  leave_out_our_own(job);
  return job;
}

void SourceRun::leave_out_our_own(BackupJob& job) {
  const std::string vault = directory_of(store_);
  std::vector<std::string> own = {context_.settings().state_directory,
                                  context_.settings().cache_directory};
  if (!vault.empty()) own.push_back(vault);
  say_left_out(leave_out(job, own, vault));
}

void SourceRun::say_left_out(const std::vector<std::string>& directories) {
  for (const std::string& directory : directories) {
    const std::string text =
        fmt::format("{}: left out {}, which is Holdfast's own", source_.name, printable(directory));
    if (log_) log_->info(text);
    if (!context_.output.quiet()) context_.output.message("note: " + text);
  }
}

void SourceRun::back_up(const BackupJob& job) {
  BackupProgress progress;
  ProgressDisplay display(context_, source_.name, "file", [&progress] {
    ProgressSample sample;
    sample.bytes = progress.bytes;
    sample.items = progress.files;
    sample.total_known = progress.walked;
    sample.total_bytes = progress.found_bytes;
    sample.total_items = progress.found_files;
    return sample;
  });
  outcome_.result = run_backup(*vault_, job, progress, warnings_, context_.stop);
}

void SourceRun::verify() {
  ValidateJob job;
  job.backups = {outcome_.result->summary.name};
  job.threads = options_.threads;
  job.logs = false;  // how the log goes on from here is no matter of this backup
  ValidateProgress progress;
  const ValidateResult result = validate(*vault_, job, progress, context_.stop);
  if (result.sound()) {
    if (log_) log_->info(outcome_.result->summary.name.id() + " was validated: sound");
    return;
  }
  throw Error(Code::kCorrupt,
              outcome_.result->summary.name.id() + " was stored and does not validate",
              "see what is wrong with: holdfast validate " + outcome_.result->summary.name.id());
}

void SourceRun::report() {
  const BackupResult& r = *outcome_.result;
  const BackupSummary& s = r.summary;
  const std::string content =
      content_text(s) +
      (r.unchanged_files > 0 ? fmt::format("; {} unchanged", format_count(r.unchanged_files))
                             : "") +
      sockets_text(r.sockets);
  const std::string added =
      fmt::format("added {} in {} ({})", format_size(s.added_bytes), format_duration(r.duration),
                  rate_text(s.bytes, r.duration));
  context_.output.note(fmt::format("{}{}\n  {}\n  {}\n", options_.dry_run ? "dry run: " : "",
                                   options_.dry_run ? source_.name : s.name.id(), content, added));
  if (log_) log_->info(fmt::format("{}: {}; {}", s.name.id(), content, added));
}

void SourceRun::fail(const Error& error) {
  outcome_.error = error;
  if (error.code() == Code::kCancelled) {
    outcome_.error->suggest(
        "what was stored so far is kept: run the same command again, and it goes on from there");
  }
  if (options_.dry_run) return;
  if (log_) log_->failure("backup of " + source_.name, error.message());
  run_failure_hooks("failed", error.message());
}

void SourceRun::run_failure_hooks(const std::string& status, const std::string& message) {
  HookEvent failure = event("on_failure", status);
  failure.message = message;
  try {
    // Also after an interruption, hence without its stop; each has its time-out.
    run_hooks(source_.hooks.on_failure, failure, *log_, {});
  } catch (const Error& hook_error) {
    warnings_.add(hook_error.message());
  }
}

// The backup is there, with pages that the source's disk has damaged: older ones may be all that is
// left of them, and they do not stay for ever.
void SourceRun::alarm_of_damage() {
  if (!outcome_.result || !outcome_.result->summary.database) return;
  const std::uint64_t pages = outcome_.result->summary.database->damaged_pages;
  if (pages == 0) return;
  std::string message = plural(pages, "damaged page") + " in the source:";
  std::size_t named = 0;
  for (const std::string& warning : warnings_.first()) {
    if (!warning.starts_with(kDamagedPage)) continue;
    message += (named++ == 0 ? " " : "; ") + warning.substr(kDamagedPage.size());
  }
  run_failure_hooks("damaged", message);
}

void SourceRun::attempt() {
  if (!options_.dry_run) run_hooks(source_.hooks.before, event("before", ""), *log_, context_.stop);
  if (source_.format != BackupFormat::kArchive) to_vault();
  if (source_.format != BackupFormat::kVault) to_archives();
}

void SourceRun::to_vault() {
  back_up(make_job());
  staging_.reset();
  report();
  if (options_.verify && !options_.dry_run) verify();
}

// Straight from the source once more, not from the vault: what writes backups need not be able to
// read them.
void SourceRun::to_archives() {
  std::optional<BackupJob> job;
  if (source_.backup_class != "database") {
    make_staging();
    job = source_.backup_class == "config"
              ? config_job(source_, *staging_, warnings_, context_.stop)
              : files_job(source_);
    leave_out_our_own(*job);
  }
  // One run, one name: so it can be seen, and is, that the vault has the same.
  const Timestamp named =
      outcome_.result ? outcome_.result->summary.name.time : context_.clock.now();
  outcome_.archives =
      run_archives(context_, store_, source_, job ? &*job : nullptr, named, options_.threads,
                   options_.dry_run, log_ ? &*log_ : nullptr, warnings_);
  staging_.reset();
  if (options_.verify && !options_.dry_run) {
    verify_archives(context_, store_, source_, outcome_.archives.archives);
  }
}

SourceOutcome SourceRun::run() {
  const Duration begin = context_.clock.monotonic();
  if (!options_.dry_run) {
    log_.emplace(context_, "backup", "backup-" + source_.backup_class);
    log_->info(fmt::format("backup of {} to {}", source_.name, store_.traits().url));
    outcome_.log_file = log_->file();
  }
  try {
    attempt();
  } catch (const Error& error) {
    fail(error);
  } catch (const std::bad_alloc&) {
    fail(Error(Code::kExhausted, "out of memory", "try --threads 1"));
  } catch (const std::exception& error) {
    fail(Error(Code::kInternal, error.what()));
  }
  if (!outcome_.error && !options_.dry_run) {
    try {
      run_hooks(source_.hooks.after, event("after", warnings_.count() > 0 ? "warnings" : "success"),
                *log_, context_.stop);
    } catch (const Error& error) {
      warnings_.add(error.message());  // the backup itself is done
    }
    alarm_of_damage();
  }
  outcome_.warnings = warnings_.first();
  outcome_.warning_count = warnings_.count();
  if (log_) log_->duration(context_.clock.monotonic() - begin);
  return outcome_;
}

}  // namespace

SourceOutcome run_source(Context& context, ObjectStore& store, const Vault* vault,
                         const SourceSettings& source, const SourceRunOptions& options) {
  return SourceRun(context, store, vault, source, options).run();
}

}  // namespace holdfast
