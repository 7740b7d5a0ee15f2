// holdfast validate: proof that backups can be restored.
#include "protect/validate.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include "base/error.h"
#include "base/human.h"
#include "cli/archive_access.h"
#include "cli/backup_json.h"
#include "cli/commands.h"
#include "cli/context.h"
#include "cli/progress.h"
#include "cli/run_log.h"
#include "cli/session.h"
#include "cli/thaw.h"
#include "cli/validate_archives.h"

namespace holdfast {
namespace {

struct ValidateOptions {
  std::string backup = "all";
  std::string read_data;
  std::string identity;
  bool no_record = false;
  std::optional<unsigned> threads;
  ThawOptions thaw;
};

unsigned parse_percent(std::string_view text) {
  if (text.empty()) return 0;
  const std::string_view digits = text.substr(0, text.size() - (text.ends_with('%') ? 1 : 0));
  unsigned percent = 0;
  const auto [end, failed] = std::from_chars(digits.begin(), digits.end(), percent);
  if (failed != std::errc{} || end != digits.end() || percent < 1 || percent > 100) {
    throw Error(Code::kUsage, fmt::format("'{}' is no percentage from 1 to 100", printable(text)),
                "write --read-data=10 for a tenth of the data, --read-data for all of it");
  }
  return percent;
}

ValidateJob make_job(Context& context, const ValidateOptions& options, ObjectStore& store) {
  ValidateJob job;
  job.read_percent = parse_percent(options.read_data);
  const auto backups = list_backups(store);
  job.whole_vault = options.backup == "all";
  if (job.whole_vault) {
    job.backups = backups;
  } else {
    job.backups = {find_backup(backups, options.backup)};
  }
  job.record = !options.no_record;
  job.log_policy = [&context](const std::string& source) {
    return log_policy_for(context.settings(), source);
  };
  job.threads = options.threads.value_or(context.settings().threads);
  return job;
}

// A sample leaves out what is archived; who wants every byte waits for it.
void prepare_archived(Context& context, const Vault& vault, const ValidateJob& job,
                      const ThawOptions& options, std::vector<NeededPack>& packs) {
  if (packs.empty() || !may_have_archived(vault.store())) return;
  if (job.read_percent >= 100) {
    bring_from_archive(context, vault.store(), packs, options);
    return;
  }
  const ThawPlan plan = plan_thaw(vault.store(), packs, context.stop);
  if (plan.empty()) return;
  std::set<std::string> away;
  for (const auto* some : {&plan.archived, &plan.thawing}) {
    for (const NeededPack& pack : *some) away.insert(pack.key);
  }
  std::erase_if(packs, [&](const NeededPack& pack) { return away.contains(pack.key); });
  context.output.warning(plural(away.size(), "pack") +
                         " of the sample in the archive tier cannot be read and were left out");
}

ValidateResult run_job(Context& context, const Vault& vault, ValidateJob& job,
                       const ThawOptions& thaw) {
  ValidateProgress progress;
  const auto sampled = [&progress, &job] {
    ProgressSample sample;
    sample.bytes = progress.bytes;
    sample.total_bytes = progress.total_bytes;
    sample.items = progress.backups;
    sample.total_items = job.backups.size();
    sample.total_known = sample.total_bytes > 0;
    return sample;
  };
  std::optional<ProgressDisplay> display;
  display.emplace(context, "validate", "backup", sampled);
  job.before_reading = [&](std::vector<NeededPack>& packs) {
    display.reset();  // waiting has a display of its own
    prepare_archived(context, vault, job, thaw, packs);
    display.emplace(context, "validate", "backup", sampled);
  };
  return validate(vault, job, progress, context.stop);
}

Json result_json(const ValidateJob& job, const ValidateResult& r) {
  Json findings = Json::array();
  for (const Finding& finding : r.findings) {
    findings.push_back({{"object", finding.object}, {"problem", finding.problem}});
  }
  Json damaged = Json::array();
  for (const DamagedBackup& one : r.damaged) {
    Json files = Json::array();
    for (const std::string& path : one.files) {
      Json file;
      set_path(file, "path", path);
      files.push_back(std::move(file));
    }
    Json backup = name_json(one.backup);
    backup["missing_chunks"] = one.missing_chunks;
    backup["affected_files"] = one.affected_files;
    backup["files"] = std::move(files);
    damaged.push_back(std::move(backup));
  }
  return {{"sound", r.sound()},
          {"findings", findings},
          {"damaged_backups", damaged},
          {"foreign", r.foreign},
          {"backups", r.backups},
          {"packs", r.packs},
          {"packs_read", r.packs_read},
          {"bytes_read", r.bytes_read},
          {"log_objects", r.log_objects},
          {"log_objects_read", r.log_objects_read},
          {"notes", r.notes},
          {"warnings", r.warnings},
          {"chunks", r.chunks},
          {"bad_chunks", r.bad_chunks},
          {"content_checked", r.content_checked},
          {"read_percent", job.read_percent},
          {"duration_seconds", std::chrono::duration<double>(r.duration).count()}};
}

std::string summary_text(const ValidateJob& job, const ValidateResult& r) {
  std::string text = fmt::format("{}, {}, {}", plural(r.backups, "backup"),
                                 plural(r.chunks, "chunk"), plural(r.packs, "pack"));
  if (r.log_objects > 0) text += ", " + plural(r.log_objects, "file") + " of logs";
  if (job.read_percent > 0) {
    text += fmt::format("; {} read ({}){}", plural(r.packs_read, "pack"), format_size(r.bytes_read),
                        r.content_checked ? "" : ", by hash only: this key cannot open content");
  } else {
    text += "; structure only (--read-data reads every byte)";
  }
  return text + ", in " + format_duration(r.duration);
}

void print_damage(Output& output, const ValidateResult& r) {
  for (const Finding& finding : r.findings) {
    output.print(fmt::format("{}{}\n", finding.object.empty() ? "" : finding.object + ": ",
                             printable(finding.problem)));
  }
  for (const DamagedBackup& one : r.damaged) {
    output.print(fmt::format(
        "{}: {} missing{}\n", one.backup.id(), plural(one.missing_chunks, "chunk"),
        one.affected_files > 0 ? ", " + plural(one.affected_files, "file") + " affected" : ""));
    for (const std::string& path : one.files) output.print("  " + printable(path) + "\n");
    if (one.affected_files > one.files.size() && !one.files.empty()) output.print("  ...\n");
  }
}

// What is said of archives when one of them is damaged.
Error archive_error(const std::vector<ValidatedArchive>& archives) {
  const auto damaged = std::count_if(archives.begin(), archives.end(),
                                     [](const auto& one) { return !one.problem.empty(); });
  return {Code::kCorrupt,
          plural(static_cast<std::uint64_t>(damaged), "archive") + " cannot be read to the end",
          "copy it from a copy of the vault if that has it whole; else make a new backup now, and "
          "forget this one"};
}

int finish_archives(Context& context, const std::vector<ValidatedArchive>& archives,
                    Json document) {
  print_validated(context.output, archives);
  document["archives"] = validated_json(archives);
  const int code = code_of(archives);
  if (code == exit_code(Code::kCorrupt)) {
    const Error error = archive_error(archives);
    context.output.error(error);
    document["sound"] = false;
    document["error"] = error_json(error);
  }
  context.output.document(document);
  return code;
}

// True when there are any.
bool warn_of_foreign(Output& output, const ValidateResult& r) {
  if (r.foreign.empty()) return false;
  constexpr std::size_t kNamed = 20;
  std::string text = plural(r.foreign.size(), "object") +
                     " of the vault not named like one of its own. Holdfast neither reads nor "
                     "removes such objects; look where they come from, and move them away:";
  for (std::size_t i = 0; i < r.foreign.size() && i < kNamed; ++i) {
    text += "\n  " + printable(r.foreign[i]);
  }
  if (r.foreign.size() > kNamed) text += "\n  ...";
  output.warning(text);
  return true;
}

int finish(Context& context, const ValidateJob& job, const ValidateResult& r,
           const std::vector<ValidatedArchive>& archives) {
  Json document = result_json(job, r);
  for (const std::string& note : r.notes) context.output.note(printable(note) + "\n");
  for (const std::string& warning : r.warnings) context.output.warning(printable(warning));
  const bool warned = warn_of_foreign(context.output, r) || !r.warnings.empty();
  if (r.sound()) {
    context.output.note("sound: " + summary_text(job, r) + "\n");
    const int code = finish_archives(context, archives, std::move(document));
    return code == kExitSuccess && warned ? kExitWarnings : code;
  }
  print_validated(context.output, archives);
  document["archives"] = validated_json(archives);
  print_damage(context.output, r);
  const Error error(Code::kCorrupt,
                    fmt::format("the vault is damaged: {}",
                                r.damaged.empty() ? "no backup is affected"
                                                  : plural(r.damaged.size(), "damaged backup")),
                    "heal it from a copy: holdfast repair --from URL; a new backup of the sources "
                    "heals what they still hold");
  context.output.error(error);
  document["error"] = error_json(error);
  context.output.document(document);
  return exit_code(error.code());
}

// Archives alone; needs no key of a vault.
int run_on_archives(Context& context, const ValidateOptions& options, ObjectStore& store,
                    const std::vector<StoredArchive>& archives) {
  RunLog log(context, "restore", "validation");
  log.info("validation of " + options.backup);
  const Duration begin = context.clock.monotonic();
  // Who names one wants it read.
  if (options.backup != "all") identities_for(context, archives.front().name, options.identity);
  const auto validated =
      validate_archives(context, store, archives, options.identity, !options.no_record, log);
  log.duration(context.clock.monotonic() - begin);
  if (options.backup != "all" && !validated.front().read) {
    throw Error(Code::kDenied, archives.front().name.file() + " is sealed for somebody else",
                "give --identity the file of one of its recipients");
  }
  return finish_archives(context, validated, Json{{"sound", true}});
}

std::vector<ValidatedArchive> read_all_archives(Context& context, const ValidateOptions& options,
                                                const ValidateJob& job, ObjectStore& store,
                                                RunLog& log) {
  if (!job.whole_vault || job.read_percent < 100) return {};
  return validate_archives(context, store, list_archives(store), options.identity, job.record, log);
}

int run(Context& context, const ValidateOptions& options) {
  const Access access = options.no_record ? Access::kRead : Access::kWriteIfPossible;
  auto store = open_any_store(context, access);
  if (options.backup != "all") {
    if (const auto archive = wanted_archive(*store, options.backup)) {
      return run_on_archives(context, options, *store, {*archive});
    }
  } else if (!vault_id_of(*store)) {
    return run_on_archives(context, options, *store, list_archives(*store));
  }
  const OpenedVault opened = open_vault(context, std::move(store));
  ValidateJob job = make_job(context, options, *opened.store);
  RunLog log(context, "restore", "validation");
  const std::string what = "validation of " + options.backup;
  log.info(what);
  const Duration begin = context.clock.monotonic();
  try {
    const ValidateResult result = run_job(context, *opened.vault, job, options.thaw);
    if (result.sound()) {
      log.info("sound: " + summary_text(job, result));
      for (const std::string& key : result.foreign) log.warning(key + " is not of the vault");
      for (const std::string& warning : result.warnings) log.warning(warning);
    } else {
      log.failure(what, fmt::format("{}, {}", plural(result.findings.size(), "finding"),
                                    plural(result.damaged.size(), "damaged backup")));
    }
    const auto archives = read_all_archives(context, options, job, *opened.store, log);
    log.duration(context.clock.monotonic() - begin);
    return finish(context, job, result, archives);
  } catch (Error& error) {
    log.failure(what, error.message());
    log.duration(context.clock.monotonic() - begin);
    if (error.code() == Code::kCancelled) error.suggest("nothing was changed; run it again");
    throw;
  }
}

}  // namespace

void add_validate_command(Command& root) {
  const auto o = std::make_shared<ValidateOptions>();
  Command command = root.subcommand("validate", "Prove that backups can be restored");
  command.argument("BACKUP", o->backup, false, "A backup, or all (the default)")
      .text("--read-data", o->read_data,
            "Read and check every byte, or --read-data=PCT percent of the packs")
      .text("--identity", o->identity, "File of age identities that open sealed archives")
      .flag("--no-record", o->no_record, "Do not note the result in the vault")
      .number("--threads", o->threads, 1, 256,
              "Threads that read (default: one per processor, up to 12 for a remote store)");
  add_thaw_options(command, o->thaw);
  command
      .examples({"holdfast validate", "holdfast validate latest:web --read-data",
                 "holdfast validate all --read-data=10", "holdfast validate restore latest:appdb"})
      .run([o](Context& context) { return run(context, *o); });
  add_validate_restore_command(command);
}

}  // namespace holdfast
