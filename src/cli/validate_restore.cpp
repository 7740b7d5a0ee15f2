// holdfast validate restore: restore a backup into a sandbox, start it, question it.
#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/error.h"
#include "base/human.h"
#include "cli/archive_access.h"
#include "cli/archive_restore_test.h"
#include "cli/backup_json.h"
#include "cli/commands.h"
#include "cli/context.h"
#include "cli/progress.h"
#include "cli/run_log.h"
#include "cli/session.h"
#include "cli/thaw.h"
#include "os/scratch.h"
#include "protect/restore_test.h"

namespace holdfast {
namespace {

struct RestoreTestOptions {
  std::string backup;
  std::string scratch;
  std::string identity;
  bool no_record = false;
  std::optional<unsigned> threads;
  ThawOptions thaw;
};

// The source that the backup is of, if the configuration still has it.
SourceSettings source_of(const Settings& settings, const BackupName& backup) {
  for (const SourceSettings& source : settings.sources) {
    if (source.name == backup.source && source.backup_class == backup.backup_class) return source;
  }
  SourceSettings source;
  source.name = backup.source;
  source.backup_class = backup.backup_class;
  return source;
}

Json result_json(const BackupName& backup, const RestoreTestResult& result) {
  Json steps = Json::array();
  for (const ProofStep& step : result.steps) {
    steps.push_back({{"name", step.name},
                     {"passed", step.passed},
                     {"detail", step.detail},
                     {"duration_seconds", std::chrono::duration<double>(step.duration).count()}});
  }
  return {{"backup", backup.id()},
          {"passed", result.passed()},
          {"steps", steps},
          {"files", result.restored.files},
          {"bytes", result.restored.bytes},
          {"ready_seconds", std::chrono::duration<double>(result.until_ready).count()},
          {"duration_seconds", std::chrono::duration<double>(result.duration).count()}};
}

std::string step_text(const ProofStep& step) {
  return fmt::format("  {:<6} {:<12} {:>7}  {}", step.passed ? "ok" : "FAILED", step.name,
                     format_duration(step.duration), printable(step.detail));
}

RestoreTestResult run_test(Context& context, const Vault& vault, const RestoreTestJob& job,
                           RunLog& log, Warnings& warnings) {
  RestoreProgress restoring;
  std::optional<ProgressDisplay> display;
  display.emplace(context, "restore test", "file", [&restoring] {
    ProgressSample sample;
    sample.bytes = restoring.bytes;
    sample.items = restoring.files;
    sample.total_bytes = restoring.total_bytes;
    sample.total_items = restoring.total_files;
    sample.total_known = sample.total_items > 0;
    return sample;
  });
  const auto heard = [&](const ProofStep& step) {
    display.reset();  // only the first step has a length that is known
    log.info(step_text(step));
    context.output.note(step_text(step) + "\n");
  };
  return run_restore_test(vault, job, restoring, heard, warnings, context.stop);
}

// Where the sandbox is made, without what killed runs have left there.
std::string scratch_parent(Context& context, const RestoreTestOptions& options) {
  const std::string parent = options.scratch.empty() ? own_scratch() : options.scratch;
  for (const std::string& path : remove_abandoned_scratch(parent)) {
    context.output.message("removed what a killed run had left: " + printable(path));
  }
  return parent;
}

int run(Context& context, const RestoreTestOptions& options) {
  const Access access = options.no_record ? Access::kRead : Access::kWriteIfPossible;
  OpenedPlace place = open_wanted(context, access, options.backup);
  if (const auto* archive = std::get_if<StoredArchive>(&place.wanted)) {
    const ScratchDirectory scratch(scratch_parent(context, options));
    return test_archive(context, *place.store, *archive, scratch.path(), options.identity,
                        !options.no_record);
  }
  const OpenedVault opened = open_vault(context, std::move(place.store));
  RestoreTestJob job;
  job.backup = std::get<BackupName>(place.wanted);
  job.source = source_of(context.settings(), job.backup);
  job.threads = options.threads.value_or(context.settings().threads);
  job.record = !options.no_record;
  RestoreJob needs;
  needs.backup = job.backup;
  bring_from_archive(context, *opened.vault, needs, options.thaw);
  const ScratchDirectory scratch(scratch_parent(context, options));
  job.scratch = scratch.path();
  RunLog log(context, "restore", "restore-test");
  Warnings warnings([&log](const std::string& text) { log.warning(text); });
  const Duration begin = context.clock.monotonic();
  context.output.note("restore test of " + job.backup.id() + "\n");
  log.info("restore test of " + job.backup.id());
  try {
    const RestoreTestResult result = run_test(context, *opened.vault, job, log, warnings);
    log.duration(context.clock.monotonic() - begin);
    print_warnings(context.output, warnings.first(), warnings.count(), log.file());
    Json document = result_json(job.backup, result);
    if (result.passed()) {
      context.output.note(fmt::format("passed: ready after {}, all in {}\n",
                                      format_duration(result.until_ready),
                                      format_duration(result.duration)));
      context.output.document(document);
      return kExitSuccess;
    }
    const Error error(Code::kCorrupt, job.backup.id() + " did not pass its restore test",
                      "read what failed above; validate its data (holdfast validate BACKUP "
                      "--read-data) and test an older backup");
    log.failure("restore test", error.message());
    context.output.error(error);
    document["error"] = error_json(error);
    context.output.document(document);
    return exit_code(error.code());
  } catch (const Error& error) {
    log.failure("restore test", error.message());
    log.duration(context.clock.monotonic() - begin);
    throw;
  }
}

}  // namespace

void add_validate_restore_command(Command& validate) {
  const auto o = std::make_shared<RestoreTestOptions>();
  Command command = validate.subcommand("restore", "Restore into a sandbox, start it, question it");
  add_thaw_options(command, o->thaw);
  command.argument("BACKUP", o->backup, true, "An id, the beginning of one, latest, latest:SOURCE")
      .text("--scratch", o->scratch, "Directory for the sandbox (default: /var/tmp/holdfast)")
      .text("--identity", o->identity, "File of age identities that open sealed archives")
      .flag("--no-record", o->no_record, "Do not note the result in the vault")
      .number("--threads", o->threads, 1, 256,
              "Threads (default: one per processor, up to 8 for a remote store)")
      .examples({"holdfast validate restore latest:appdb",
                 "holdfast validate restore backup-20251110 --scratch /var/tmp"})
      .run([o](Context& context) { return run(context, *o); });
}

}  // namespace holdfast
