// holdfast recover: from a copy of the vault and a key to everything that it protects, on a machine
// that has nothing else.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/human.h"
#include "cli/archive_access.h"
#include "cli/backup_json.h"
#include "cli/commands.h"
#include "cli/context.h"
#include "cli/credential.h"
#include "cli/recover_archive.h"
#include "cli/recover_list.h"
#include "cli/recover_place.h"
#include "cli/recover_record.h"
#include "cli/recover_result.h"
#include "cli/recoverable.h"
#include "cli/restore_run.h"
#include "cli/session.h"
#include "cli/starter_config.h"
#include "cli/thaw.h"
#include "os/file.h"
#include "protect/source_job.h"
#include "vault/require_vault.h"

namespace holdfast {
namespace {

struct RecoverOptions {
  std::string from;
  std::string target;
  bool in_place = false;
  std::vector<std::string> sources;
  std::vector<std::string> classes;
  std::string at;
  std::string overwrite = "never";
  bool dry_run = false;
  bool numeric_ids = false;
  bool no_owner = false;
  bool no_xattrs = false;
  bool ignore_free_space = false;
  std::optional<unsigned> threads;
  std::string archiving = "auto";
  std::string write_config;
  std::string identity;
  bool no_archives = false;
  ThawOptions thaw;

  bool restores() const { return in_place || !target.empty(); }
};

class Recover {
 public:
  Recover(Context& context, const RecoverOptions& options) : context_(context), options_(options) {}

  int run();

 private:
  void open();
  void choose();
  int list();
  int bring_back();
  std::vector<Recovery> plan() const;
  void go_on(Recovery& recovery) const;
  void bring_back(Recovery& recovery);
  Restored restore(const Recovery& recovery) const;
  void settle(const Recovery& recovery);
  void refuse_named_dumps() const;
  bool takes_place_of(const RecoverableSource& source) const;
  std::vector<ArchiveRecovery> bring_archives();
  int finish(const std::vector<Recovery>& recoveries, const std::vector<ArchiveRecovery>& archives);
  Json vault_json() const;
  void say_passed_over() const;
  void write_config() const;
  std::vector<std::string> next_commands() const;

  Context& context_;
  const RecoverOptions& options_;
  const Duration begin_ = context_.clock.monotonic();
  std::optional<StagingDirectory> cache_;  // without a configuration; outlives the vault
  OpenedVault opened_;
  std::vector<RecoverableSource> sources_;
  std::vector<RecoverableArchive> archives_;
  std::optional<RecoverRecord> record_;
};

void Recover::open() {
  const Access access = !options_.restores() ? Access::kRead
                        : options_.dry_run   ? Access::kDryRun
                                             : Access::kWriteIfPossible;
  opened_.store = open_store_for(context_, options_.from, access);
  if (!vault_id_of(*opened_.store)) {
    if (!options_.no_archives && !list_archives(*opened_.store).empty()) return;
    require_vault(*opened_.store,
                  "check the address; of a copy in a bucket it is s3://BUCKET[/PREFIX]");
  }
  std::string cache = context_.settings().cache_directory;
  if (context_.options.config_file.empty()) {
    cache_.emplace(std::filesystem::temp_directory_path().string());
    cache = cache_->path();
  }
  opened_.vault = Vault::open(*opened_.store, context_.clock, find_credential(context_), cache);
}

void require_something(const std::vector<BackupName>& backups,
                       const std::vector<StoredArchive>& archives, const RecoveryFilter& filter) {
  if (backups.empty() && archives.empty()) {
    throw Error(Code::kNotFound, "the vault has no backups",
                "try another copy of it; holdfast region status compares them");
  }
  KnownSources known;
  for (const BackupName& name : backups) {
    known.sources.insert(name.source);
    known.classes.insert(name.backup_class);
  }
  for (const StoredArchive& archive : archives) {
    known.sources.insert(archive.name.source);
    known.classes.insert(archive.name.archive_class);
  }
  require_known(filter, known);
}

void Recover::choose() {
  RecoveryFilter filter;
  filter.sources = options_.sources;
  filter.classes = options_.classes;
  if (!options_.at.empty()) filter.until = parse_moment(options_.at, context_.clock.now());
  const auto backups = opened_.vault ? list_backups(*opened_.store) : std::vector<BackupName>();
  const auto archives =
      options_.no_archives ? std::vector<StoredArchive>() : list_archives(*opened_.store);
  require_something(backups, archives, filter);
  if (opened_.vault) {
    sources_ = find_recoverable(*opened_.vault, backups, filter, context_.stop);
  }
  archives_ = find_recoverable_archives(archives, filter, sources_);
  if (!sources_.empty() || !archives_.empty()) return;
  throw Error(Code::kNotFound, "no backup fits what is asked for",
              "see what there is: leave --at, --class and --source away");
}

void Recover::say_passed_over() const {
  for (const RecoverableSource& source : sources_) {
    for (const PassedOver& passed : source.passed_over) {
      context_.output.warning(
          fmt::format("{} is not whole here: {}", passed.backup.id(), passed.problem));
    }
  }
}

std::vector<std::string> Recover::next_commands() const {
  std::string key;
  if (!context_.options.key_file.empty()) {
    key = " --key-file " + shell_word(context_.options.key_file);
  } else if (!context_.options.recovery_code_file.empty()) {
    key = " --recovery-code-file " + shell_word(context_.options.recovery_code_file);
  }
  std::string start = "holdfast recover --from " + shell_word(options_.from) + key;
  for (const std::string& name : options_.classes) start += " --class " + shell_word(name);
  if (!options_.at.empty()) start += " --at " + shell_word(options_.at);
  std::string all = start;
  for (const std::string& name : options_.sources) all += " --source " + shell_word(name);
  const std::string& name =
      sources_.empty() ? archives_.front().newest().name.source : sources_.front().name;
  return {all + " --target /srv/recovered", all + " --in-place --overwrite if-changed",
          start + " --source " + name + " --target /srv/recovered",
          all + " --write-config /etc/holdfast/holdfast.yaml"};
}

int Recover::list() {
  const Timestamp now = context_.clock.now();
  if (!sources_.empty()) context_.output.print(recoverable_text(sources_, now));
  if (!archives_.empty()) context_.output.print(recoverable_text(archives_, now));
  const std::vector<std::string> next = next_commands();
  context_.output.note("\nNext, everything, or a part of it:\n\n");
  for (const std::string& command : next) context_.output.note("  " + command + "\n");
  say_passed_over();
  context_.output.document(Json{{"from", options_.from},
                                {"vault", vault_json()},
                                {"sources", recoverable_json(sources_, now)},
                                {"archives", recoverable_json(archives_, now)},
                                {"next", next}});
  const bool whole = std::all_of(sources_.begin(), sources_.end(),
                                 [](const auto& source) { return source.passed_over.empty(); });
  return whole ? kExitSuccess : kExitWarnings;
}

Json Recover::vault_json() const {
  return opened_.vault ? Json(to_hex(opened_.vault->parameters().id)) : Json();
}

// Files of an archive that is newer than anything the vault has of them go to the same place. A
// dump does not: what the vault has of a database may be more than one database of it.
bool Recover::takes_place_of(const RecoverableSource& source) const {
  return std::any_of(archives_.begin(), archives_.end(), [&](const RecoverableArchive& archive) {
    return archive.key() == source.key() && archive.superseded_by.empty() &&
           is_tar(archive.newest().name.format);
  });
}

// Each source below its class: two that have one name, or one path, do not meet.
std::vector<Recovery> Recover::plan() const {
  std::vector<Recovery> recoveries;
  for (const RecoverableSource& source : sources_) {
    if (takes_place_of(source)) continue;
    Recovery recovery;
    recovery.source = &source;
    recovery.job.backup = source.best ? source.best->summary.name : source.backups.back();
    recovery.point = source.best ? source.best->summary.consistent : recovery.job.backup.time;
    recovery.job.target = options_.in_place ? "/" : options_.target + "/" + source.key();
    recovery.job.overwrite = parse_overwrite(options_.overwrite);
    recovery.job.dry_run = options_.dry_run;
    recovery.job.ignore_free_space = options_.ignore_free_space;
    recovery.job.threads = options_.threads.value_or(context_.settings().threads);
    recovery.job.rights.owner = !options_.no_owner;
    recovery.job.rights.numeric_ids = options_.numeric_ids;
    recovery.job.rights.xattrs = !options_.no_xattrs;
    if (record_) go_on(recovery);
    if (options_.in_place && source.backup_class == "database") {
      recovery.job.target =
          place_of_database(*opened_.vault, source, recovery.job.backup, recovery.done_before);
      recovery.job.overwrite = Overwrite::kNever;
    }
    recoveries.push_back(std::move(recovery));
  }
  return recoveries;
}

// With what an interrupted run had begun, unless a moment is asked for.
void Recover::go_on(Recovery& recovery) const {
  const auto begun = record_->begun(recovery.source->key());
  if (!begun) return;
  if (*begun != recovery.job.backup.id()) {
    const auto& backups = recovery.source->backups;
    const auto found = std::find_if(backups.begin(), backups.end(),
                                    [&](const BackupName& name) { return name.id() == *begun; });
    if (!options_.at.empty() || found == backups.end()) return;
    context_.output.message(
        fmt::format("note: {} goes on with {}, which an earlier run began; to begin anew with {}, "
                    "remove {} and what it restored",
                    recovery.source->name, *begun, recovery.job.backup.id(), record_->file()));
    recovery.job.backup = *found;
    recovery.point = read_backup(*opened_.vault, *found).summary.consistent;
  }
  recovery.done_before = record_->is_done(recovery.source->key());
}

// A dump that the log goes on from becomes a server; where there is nothing to make one of, files.
Restored Recover::restore(const Recovery& recovery) const {
  const RecoverableSource& source = *recovery.source;
  DatabaseRestore database;
  database.archiving = parse_archiving(options_.archiving);
  database.of_dump = source.log.has_value() && source.best->summary.database->method == "logical";
  const auto bring = [&] {
    return restore_backup(context_, *opened_.vault, recovery.job, options_.thaw, database);
  };
  try {
    return bring();
  } catch (const Error& error) {
    if (!database.of_dump || error.code() != Code::kUnsupported) throw;
    const std::string text =
        source.key() +
        ": only the files of the dump come back, without the log behind it: " + error.message() +
        "; " + error.hint();
    database.of_dump = false;
    Restored files = bring();
    files.warnings.push_back(text);
    ++files.warning_count;
    return files;
  }
}

void Recover::bring_back(Recovery& recovery) {
  const std::string key = recovery.source->key();
  if (recovery.done_before) {
    context_.output.note(fmt::format("{} is back since an earlier run\n", key));
    return;
  }
  try {
    if (record_) record_->begin(key, recovery.job.backup.id());
    recovery.restored = restore(recovery);
    const Restored& restored = *recovery.restored;
    context_.output.note(restored_text(recovery.job, restored));
    print_warnings(context_.output, restored.warnings, restored.warning_count, restored.log_file);
    recovery.error = damage_in(restored);
  } catch (Error& error) {
    if (error.code() == Code::kCancelled) throw;
    recovery.error = std::move(error.add_context(key));
  }
  // What one source lacks does not keep the others from coming back.
  if (recovery.error) context_.output.error(*recovery.error);
  settle(recovery);
}

void Recover::settle(const Recovery& recovery) {
  if (!record_) return;
  const std::string key = recovery.source->key();
  if (!recovery.error) {
    record_->finish(key);
  } else if (recovery.restored) {
    record_->forget(key);  // damaged: the missing part may have arrived by the next run
  }
}

// What is asked for by its name and cannot be had is no matter for a warning.
void Recover::refuse_named_dumps() const {
  for (const RecoverableArchive& archive : archives_) {
    const ArchiveName& name = archive.newest().name;
    if (is_tar(name.format) || !archive.superseded_by.empty() || options_.sources.empty()) continue;
    throw Error(Code::kUsage, archive.key() + " is a dump, which goes into a server that runs",
                "load it by itself: holdfast restore " + name.file() +
                    " --into 'host=... dbname=...'; or leave archives out: --no-archives");
  }
}

std::vector<ArchiveRecovery> Recover::bring_archives() {
  ArchiveRecoveryOptions options;
  options.target = options_.in_place ? "" : options_.target;
  // Nothing is compared with what a stream brings.
  options.rights.overwrite = parse_overwrite(options_.overwrite) != Overwrite::kNever;
  options.rights.dry_run = options_.dry_run;
  options.rights.numeric_ids = options_.numeric_ids;
  options.rights.no_owner = options_.no_owner;
  options.rights.no_xattrs = options_.no_xattrs;
  options.rights.ignore_free_space = options_.ignore_free_space;
  options.rights.identity = options_.identity;
  options.may_choose = options_.at.empty();
  options.rights.thaw = options_.thaw;
  std::vector<ArchiveRecovery> recoveries;
  for (const RecoverableArchive& archive : archives_) {
    if (!archive.superseded_by.empty()) continue;
    context_.check_stop();
    recoveries.push_back(
        recover_archive(context_, *opened_.store, archive, options, record_ ? &*record_ : nullptr));
  }
  return recoveries;
}

int Recover::finish(const std::vector<Recovery>& recoveries,
                    const std::vector<ArchiveRecovery>& archives) {
  Table table(
      {"CLASS", "SOURCE", "BACKUP", ">RECOVERY POINT AGE", ">SIZE", ">FILES", ">TOOK", "RESULT"});
  const Timestamp now = context_.clock.now();
  Json rows = Json::array();
  int code = kExitSuccess;
  for (const Recovery& recovery : recoveries) {
    table.add(recovery_cells(recovery, now));
    rows.push_back(recovery_json(recovery, now));
    code = worse(code, recovery.code());
    if (!recovery.source->passed_over.empty()) code = worse(code, kExitWarnings);
  }
  for (const ArchiveRecovery& recovery : archives) {
    table.add(archive_recovery_cells(recovery, now));
    rows.push_back(archive_recovery_json(recovery, now));
    code = worse(code, recovery.code());
  }
  const Duration took = context_.clock.monotonic() - begin_;
  context_.output.print(table.text());
  context_.output.print(fmt::format("recovery time: {}\n", format_duration(took)));
  say_passed_over();
  context_.output.document(Json{{"from", options_.from},
                                {"vault", vault_json()},
                                {"recovered", rows},
                                {"duration_seconds", seconds_of(took)},
                                {"dry_run", options_.dry_run}});
  return code;
}

int Recover::bring_back() {
  if (options_.in_place) refuse_named_dumps();
  if (!options_.dry_run) {
    // Not everybody who brings his own files back may write into "/".
    const std::string directory =
        options_.in_place ? context_.settings().state_directory : options_.target;
    make_directories(directory, options_.in_place ? 0700 : 0755);
    record_.emplace(directory, opened_.vault ? opened_.vault->parameters().id : VaultId{});
  }
  std::vector<Recovery> recoveries = plan();
  for (Recovery& recovery : recoveries) {
    context_.check_stop();
    bring_back(recovery);
  }
  const std::vector<ArchiveRecovery> archives = bring_archives();
  const auto failed = [](const auto& recovery) { return recovery.error.has_value(); };
  const bool all = std::none_of(recoveries.begin(), recoveries.end(), failed) &&
                   std::none_of(archives.begin(), archives.end(), failed);
  if (record_ && all) record_->remove();
  return finish(recoveries, archives);
}

void Recover::write_config() const {
  StarterConfig config;
  config.vault = options_.from;
  if (context_.options.recovery_code_file.empty()) config.key_file = key_file_path(context_);
  config.s3 = store_options(context_, options_.from).s3;
  config.date = context_.clock.now();
  write_secret_file(options_.write_config, starter_config(config, sources_));
  context_.output.note(
      fmt::format("\nwrote {}: add the sources of this machine\n", options_.write_config));
}

int Recover::run() {
  if (options_.in_place && !options_.target.empty()) {
    throw Error(Code::kUsage, "--target and --in-place exclude each other", "give one of them");
  }
  if (!options_.write_config.empty() && path_exists(options_.write_config)) {
    throw Error(Code::kConflict, options_.write_config + " exists already",
                "name a file that does not exist yet");
  }
  open();
  choose();
  const int code = options_.restores() ? bring_back() : list();
  if (!options_.write_config.empty()) write_config();
  return code;
}

int run(Context& context, const RecoverOptions& options) {
  if (options.from.empty()) {
    throw Error(
        Code::kUsage, "--from is missing",
        "say where a copy of the vault, or archives, are: --from s3://BUCKET or --from /PATH");
  }
  // Whatever lies around on this machine belongs to another life of it.
  if (context.options.config_file.empty()) context.use_settings(parse_settings({}, {}));
  return Recover(context, options).run();
}

}  // namespace

void add_recover_command(Command& root) {
  const auto o = std::make_shared<RecoverOptions>();
  Command command =
      root.subcommand("recover", "Everything back from a copy of the vault, on a new machine");
  command.text("--from", o->from, "The vault or a copy of it: s3://BUCKET[/PREFIX], or a path")
      .text("-t,--target", o->target, "Bring back below this directory, as CLASS/SOURCE/...")
      .flag("--in-place", o->in_place, "Bring back to the original paths")
      .texts("--source", o->sources, "Only this source (may be repeated)")
      .texts("--class", o->classes, "Only this class: database, files, config (may be repeated)")
      .text("--at", o->at, "As it was then: 2025-11-10T12:00:00Z, 2025-11-10, or 2h ago")
      .choice("--overwrite", o->overwrite, {"never", "if-changed", "always"},
              "What to do with what exists: never, if-changed, always (default: never)")
      .flag("-n,--dry-run", o->dry_run, "Say what would be done; write nothing")
      .flag("--numeric-ids", o->numeric_ids, "Owners by number, not by name")
      .flag("--no-owner", o->no_owner, "Do not set owners")
      .flag("--no-xattrs", o->no_xattrs, "Do not set extended attributes and ACLs")
      .flag("--ignore-free-space", o->ignore_free_space, "Do not check the free space first")
      .number("--threads", o->threads, 1, 256,
              "Threads (default: one per processor, up to 8 for a remote store)")
      .choice("--archiving", o->archiving, {"auto", "keep", "off"},
              "PostgreSQL: auto turns it off in a copy beside the source (default), keep, off")
      .text("--identity", o->identity, "File of age identities that open sealed archives")
      .flag("--no-archives", o->no_archives, "Only what the vault has")
      .text("--write-config", o->write_config, "Write a first holdfast.yaml for this machine");
  add_thaw_options(command, o->thaw);
  command
      .examples({"holdfast recover --from s3://backups-us-west-2 --key-file vault.key",
                 "holdfast recover --from s3://backups-us-west-2 --recovery-code-file code.txt "
                 "--target /srv/recovered",
                 "holdfast recover --from /mnt/offsite/vault --class config --in-place --at 2h"})
      .run([o](Context& context) { return run(context, *o); });
}

}  // namespace holdfast
