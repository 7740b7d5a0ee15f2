// holdfast backup: sources of the configuration, or paths.
#include <sys/resource.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/human.h"
#include "cli/archive_access.h"
#include "cli/backup_json.h"
#include "cli/backup_sources.h"
#include "cli/commands.h"
#include "cli/context.h"
#include "cli/session.h"
#include "cli/source_run.h"

namespace holdfast {
namespace {

struct BackupOptions {
  BackupChoice choice;
  std::vector<std::string> excludes;
  bool one_file_system = false;
  bool cross_file_systems = false;
  bool skip_cache_directories = false;
  std::optional<unsigned> threads;
  std::optional<unsigned> level;
  bool read_everything = false;
  bool force = false;
  bool dry_run = false;
  bool priority = false;
  bool verify = false;
  bool new_cluster = false;
};

void apply(const BackupOptions& options, SourceSettings& source) {
  source.excludes.insert(source.excludes.end(), options.excludes.begin(), options.excludes.end());
  if (options.one_file_system) source.one_file_system = true;
  if (options.cross_file_systems) source.one_file_system = false;
  if (options.skip_cache_directories) source.skip_cache_directories = true;
}

SourceRunOptions run_options(const BackupOptions& options, const Settings& settings) {
  SourceRunOptions run;
  run.threads = options.threads.value_or(settings.threads);
  run.level = options.level ? static_cast<int>(*options.level) : settings.compression;
  run.read_everything = options.read_everything || options.force;
  run.dry_run = options.dry_run;
  run.verify = options.verify;
  run.new_cluster = options.new_cluster;
  return run;
}

Json result_json(const BackupResult& result, bool dry_run) {
  const BackupSummary& s = result.summary;
  return {{"id", dry_run ? Json() : Json(s.name.id())},
          {"class", s.name.backup_class},
          {"source", s.name.source},
          {"time", iso_time(s.name.time)},
          {"files", s.files},
          {"directories", s.directories},
          {"others", s.others},
          {"sockets_skipped", result.sockets},
          {"bytes", s.bytes},
          {"added_bytes", s.added_bytes},
          {"duration_seconds", std::chrono::duration<double>(result.duration).count()},
          {"warnings", s.warnings},
          {"unchanged_files", result.unchanged_files}};
}

Json document_of(const std::vector<SourceOutcome>& outcomes, bool dry_run) {
  Json document{
      {"backups", Json::array()}, {"archives", Json::array()}, {"warnings", Json::array()}};
  Json errors = Json::array();
  for (const SourceOutcome& outcome : outcomes) {
    if (outcome.result) {
      Json backup = result_json(*outcome.result, dry_run);
      backup["warnings"] = outcome.warning_count;
      document["backups"].push_back(std::move(backup));
    }
    for (const WrittenArchive& archive : outcome.archives.archives) {
      document["archives"].push_back(written_json(archive, outcome.archives.duration, dry_run));
    }
    for (const std::string& warning : outcome.warnings) document["warnings"].push_back(warning);
    if (!outcome.error) continue;
    Json error{{"source", outcome.source}, {"class", outcome.backup_class}};
    error.update(error_json(*outcome.error));
    errors.push_back(std::move(error));
  }
  if (dry_run) document["dry_run"] = true;
  if (!errors.empty()) {
    document["error"] = errors[0];
    document["errors"] = errors;
  }
  return document;
}

void report(Output& output, const SourceOutcome& outcome) {
  print_warnings(output, outcome.warnings, outcome.warning_count, outcome.log_file);
  if (!outcome.error) return;
  Error error = *outcome.error;
  output.error(error.add_context("backup of " + outcome.source));
}

int code_of(const std::vector<SourceOutcome>& outcomes) {
  std::uint64_t warnings = 0;
  for (const SourceOutcome& outcome : outcomes) {
    if (outcome.error) return exit_code(outcome.error->code());
    warnings += outcome.warning_count;
  }
  return warnings > 0 ? kExitWarnings : kExitSuccess;
}

void check_class(Context& context, const std::string& given) {
  const std::vector<std::string> classes{"database", "files", "config", "all"};
  if (std::find(classes.begin(), classes.end(), given) != classes.end()) return;
  std::string hint = "the classes are database, files and config, or all of them: all";
  if (const std::string near = nearest(given, classes); !near.empty()) {
    hint = "did you mean '" + near + "'?";
  }
  for (const SourceSettings& source : context.settings().sources) {
    if (source.name != given) continue;
    hint = "the class comes first: holdfast backup " + source.backup_class + " " + source.name;
  }
  throw Error(Code::kUsage, "unknown class '" + printable(given) + "'", hint);
}

void check(Context& context, const BackupOptions& options) {
  check_class(context, options.choice.backup_class);
  if (options.one_file_system && options.cross_file_systems) {
    throw Error(Code::kUsage, "--one-file-system and --cross-file-systems exclude each other",
                "give one of them");
  }
}

// Archives alone need neither a vault nor a key.
OpenedVault open_place(Context& context, const std::vector<SourceSettings>& sources,
                       Access access) {
  const bool archives_alone = std::all_of(
      sources.begin(), sources.end(),
      [](const SourceSettings& source) { return source.format == BackupFormat::kArchive; });
  if (!archives_alone) return open_vault(context, access);
  return {open_archive_store(context, access), nullptr};
}

int run(Context& context, const BackupOptions& options) {
  std::vector<SourceSettings> sources = choose_sources(context.settings(), options.choice);
  for (SourceSettings& source : sources) apply(options, source);
  // More of the processor where we may; a backup never waits for others anyway.
  if (options.priority) static_cast<void>(::setpriority(PRIO_PROCESS, 0, -5));
  const OpenedVault opened =
      open_place(context, sources, options.dry_run ? Access::kDryRun : Access::kWrite);
  const SourceRunOptions run_with = run_options(options, context.settings());
  std::vector<SourceOutcome> outcomes;
  for (const SourceSettings& source : sources) {
    outcomes.push_back(run_source(context, *opened.store, opened.vault.get(), source, run_with));
    report(context.output, outcomes.back());
    if (context.stop.stop_requested()) break;
  }
  context.output.document(document_of(outcomes, options.dry_run));
  return code_of(outcomes);
}

}  // namespace

void add_backup_command(Command& root) {
  const auto o = std::make_shared<BackupOptions>();
  root.subcommand("backup", "Back up sources of the configuration, or paths")
      .argument("CLASS", o->choice.backup_class, true,
                "database, files, config, or all of them: all")
      .arguments("SOURCE", o->choice.words, false,
                 "Names of sources, or paths; nothing: every source of the class")
      .text("--name", o->choice.name, "One backup of all the paths, with this source name")
      .texts("--exclude", o->excludes, "Leave out, in gitignore syntax (may be repeated)")
      .flag("--one-file-system", o->one_file_system, "Stay on the file system of each path")
      .flag("--cross-file-systems", o->cross_file_systems, "Go into mounted file systems too")
      .flag("--skip-cache-directories", o->skip_cache_directories,
            "Leave out directories with a CACHEDIR.TAG")
      .flag("-n,--dry-run", o->dry_run, "Read and count; store nothing")
      .flag("--read-everything", o->read_everything, "Read unchanged files as well")
      .flag("--force", o->force, "The same as --read-everything")
      .flag("--verify", o->verify, "Validate the structure of the new backup afterwards")
      .flag("--new-cluster", o->new_cluster,
            "PostgreSQL: another cluster takes the place of the one that was backed up before")
      .flag("--priority", o->priority, "Take precedence over other processes, where allowed")
      .number("--threads", o->threads, 1, 256, "Threads that read (default: one per processor)")
      .number("--level", o->level, 1, 19, "zstd level (default: the configuration)")
      .examples({"holdfast backup database              # every source of class database",
                 "holdfast backup files                 # every source of class files",
                 "holdfast backup files web             # one source of the configuration",
                 "holdfast backup files /srv/www --exclude '*.tmp'",
                 "holdfast backup files /srv/a /srv/b --name site", "holdfast backup all --verify"})
      .run([o](Context& context) {
        check(context, *o);
        return run(context, *o);
      });
}

}  // namespace holdfast
