// holdfast restore: a backup, or a part of it, back into a directory.
#include <memory>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "cli/commands.h"
#include "cli/context.h"
#include "cli/restore_run.h"
#include "cli/session.h"

namespace holdfast {
namespace {

struct RestoreOptions {
  std::string backup;
  std::string target;
  std::vector<std::string> includes;
  std::vector<std::string> excludes;
  std::string overwrite = "never";
  bool remove_others = false;
  bool dry_run = false;
  bool numeric_ids = false;
  bool no_owner = false;
  bool no_xattrs = false;
  bool ignore_free_space = false;
  std::optional<unsigned> strip_components;
  std::optional<unsigned> threads;
  ThawOptions thaw;
  std::string tablespaces;
};

RestoreJob make_job(const RestoreOptions& options, const BackupName& backup,
                    const Settings& settings) {
  RestoreJob job;
  job.backup = backup;
  job.target = options.target;
  job.includes = options.includes;
  job.excludes = options.excludes;
  job.strip_components = options.strip_components.value_or(0);
  job.overwrite = parse_overwrite(options.overwrite);
  job.remove_others = options.remove_others;
  job.dry_run = options.dry_run;
  job.ignore_free_space = options.ignore_free_space;
  job.threads = options.threads.value_or(settings.threads);
  job.rights.owner = !options.no_owner;
  job.rights.numeric_ids = options.numeric_ids;
  job.rights.xattrs = !options.no_xattrs;
  return job;
}

int run(Context& context, const RestoreOptions& options) {
  const OpenedVault opened =
      open_vault(context, options.dry_run ? Access::kDryRun : Access::kWriteIfPossible);
  const BackupName name = find_backup(list_backups(*opened.store), options.backup);
  const RestoreJob job = make_job(options, name, context.settings());
  DatabaseRestore database;
  database.tablespace_directory = options.tablespaces;
  const Restored restored = restore_backup(context, *opened.vault, job, options.thaw, database);
  context.output.note(restored_text(job, restored));
  print_warnings(context.output, restored.warnings, restored.warning_count, restored.log_file);
  Json document = restored_json(job, restored);
  if (const auto damage = damage_in(restored)) {
    context.output.error(*damage);
    document["error"] = error_json(*damage);
  }
  context.output.document(document);
  return code_of(restored);
}

}  // namespace

void add_restore_command(Command& root) {
  const auto o = std::make_shared<RestoreOptions>();
  Command command = root.subcommand("restore", "Bring a backup back into a directory");
  command.argument("BACKUP", o->backup, true, "An id, the beginning of one, latest, latest:SOURCE")
      .text("-t,--target", o->target, "Directory to restore into (made if needed)")
      .texts("--include", o->includes, "Only this path or glob (may be repeated)")
      .texts("--exclude", o->excludes, "Not this, in gitignore syntax (may be repeated)")
      .choice("--overwrite", o->overwrite, {"never", "if-changed", "always"},
              "What to do with what exists: never, if-changed, always (default: never)")
      .flag("--delete", o->remove_others, "Remove what the backup does not have")
      .flag("-n,--dry-run", o->dry_run, "Say what would be done; write nothing")
      .number("--strip-components", o->strip_components, 0, 1000,
              "Leave out this many leading parts of each path")
      .flag("--numeric-ids", o->numeric_ids, "Owners by number, not by name")
      .flag("--no-owner", o->no_owner, "Do not set owners")
      .flag("--no-xattrs", o->no_xattrs, "Do not set extended attributes and ACLs")
      .flag("--ignore-free-space", o->ignore_free_space, "Do not check the free space first")
      .text("--tablespaces", o->tablespaces,
            "PostgreSQL: put tablespaces into DIR/OID (default: their old places)")
      .number("--threads", o->threads, 1, 256,
              "Threads (default: one per processor, up to 8 for a remote store)");
  add_thaw_options(command, o->thaw);
  command
      .examples({"holdfast restore latest:web --target /tmp/back",
                 "holdfast restore latest --target / --overwrite if-changed",
                 "holdfast restore backup-20251110 --target /tmp/back --include /etc/nginx",
                 "holdfast restore latest --target /srv --strip-components 1 --dry-run"})
      .run([o](Context& context) {
        if (o->target.empty()) {
          throw Error(Code::kUsage, "--target is missing",
                      "say where to restore to: --target DIR (--target / for the original places)");
        }
        return run(context, *o);
      });
}

}  // namespace holdfast
