// holdfast restore: a backup, or a part of it, back into a directory.
#include <charconv>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/human.h"
#include "cli/archive_access.h"
#include "cli/commands.h"
#include "cli/context.h"
#include "cli/restore_guard.h"
#include "cli/restore_into.h"
#include "cli/restore_replica.h"
#include "cli/restore_run.h"
#include "cli/restore_tar.h"
#include "cli/run_log.h"
#include "cli/session.h"
#include "protect/log_inventory.h"

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
  std::string to_time;
  std::string to_xid;
  std::string to_lsn;
  std::string to_name;
  std::string to_gtid;
  bool to_immediate = false;
  bool to_latest = false;
  bool exclusive = false;
  std::string timeline = "latest";
  std::string action = "promote";
  std::string role = "primary";
  std::string primary;
  std::string archiving = "auto";
  IntoOptions into;  // of a restore into a server
  std::string identity;
};

std::uint32_t parse_xid(const std::string& text) {
  std::uint32_t xid = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), xid);
  if (failed == std::errc{} && end == text.data() + text.size()) return xid;
  throw Error(Code::kUsage, "'" + printable(text) + "' is no transaction number", "--to-xid 12345");
}

Lsn parse_target_lsn(const std::string& text) {
  try {
    return parse_lsn(text);
  } catch (const Error& error) {
    throw Error(Code::kUsage, error.message(), error.hint());
  }
}

Timestamp parse_target_time(const std::string& text) {
  try {
    return parse_rfc3339(text);
  } catch (const Error&) {
    throw Error(
        Code::kUsage, "'" + printable(text) + "' is no moment that everybody agrees on",
        "write date, time and offset: --to-time 2025-11-10T12:00:00Z, or +01:00 at its end");
  }
}

std::optional<RecoveryTarget> target_of(const RestoreOptions& options) {
  std::vector<RecoveryTarget> targets;
  if (!options.to_time.empty()) targets.push_back({parse_target_time(options.to_time)});
  if (!options.to_xid.empty()) targets.push_back({TargetXid{parse_xid(options.to_xid)}});
  if (!options.to_lsn.empty()) targets.push_back({TargetLsn{parse_target_lsn(options.to_lsn)}});
  if (!options.to_name.empty()) targets.push_back({TargetName{options.to_name}});
  if (targets.size() + (options.to_immediate ? 1 : 0) + (options.to_latest ? 1 : 0) +
          (options.to_gtid.empty() ? 0 : 1) >
      1) {
    throw Error(Code::kUsage, "there is more than one target",
                "give one of --to-time, --to-gtid, --to-xid, --to-lsn, --to-name, --to-immediate, "
                "--to-latest");
  }
  if (targets.empty()) return std::nullopt;
  targets.front().inclusive = !options.exclusive;
  return targets.front();
}

std::optional<GtidPosition> target_gtid(const RestoreOptions& options) {
  if (options.to_gtid.empty()) return std::nullopt;
  try {
    return GtidPosition(options.to_gtid);
  } catch (const Error& error) {
    throw Error(Code::kUsage, error.message(),
                "--to-gtid 0-1-42, of MySQL UUID:1-42; several domains or servers with commas");
  }
}

bool wants_moment(const RestoreOptions& options) {
  return target_of(options) || !options.to_gtid.empty() || options.to_immediate ||
         options.to_latest;
}

DatabaseRestore database_options(const RestoreOptions& options) {
  DatabaseRestore database;
  database.tablespace_directory = options.tablespaces;
  database.target = target_of(options);
  database.gtid = target_gtid(options);
  database.gtid_inclusive = !options.exclusive;
  database.use_log = !options.to_immediate;
  database.of_dump = wants_moment(options);
  database.timeline = options.timeline;
  database.action = options.action;
  database.standby = options.role != "primary";
  database.primary_conninfo = options.primary;
  database.archiving = parse_archiving(options.archiving);
  return database;
}

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

// Which engine the options are for: "" for none or any.
std::string wanted_engine(const RestoreOptions& options) {
  const bool replica = options.role == "replica";
  const bool postgresql = !options.to_xid.empty() || !options.to_lsn.empty() ||
                          !options.to_name.empty() || options.timeline != "latest" ||
                          options.action != "promote" || options.role == "standby" ||
                          options.archiving != "auto" || (!options.primary.empty() && !replica) ||
                          !options.tablespaces.empty();
  const bool mariadb = !options.to_gtid.empty() || replica;
  if (postgresql && mariadb) {
    throw Error(Code::kUsage,
                std::string(replica ? "--as replica is for MariaDB"
                                    : "--to-gtid is for MariaDB and MySQL") +
                    ", and other options are for PostgreSQL",
                "leave out what is not for the server of the backup");
  }
  return postgresql ? "postgresql" : mariadb ? "mariadb" : "";
}

std::string engine_title(const std::string& engine) {
  return engine == "postgresql" ? "PostgreSQL" : engine == "mariadb" ? "MariaDB" : "a database";
}

// Its dumps become servers.
void check_mysql_options(const RestoreOptions& options, const DatabaseFacts& database,
                         const BackupName& name) {
  if (wanted_engine(options) == "postgresql" || options.role == "replica") {
    throw Error(Code::kUsage, name.id() + " is a dump of MySQL",
                options.role == "replica"
                    ? "--as replica is for MariaDB: restore with --to-latest, start the server, "
                      "and let it replicate with SOURCE_AUTO_POSITION = 1"
                    : "leave the options for PostgreSQL out");
  }
  if (options.exclusive && options.to_time.empty() && options.to_gtid.empty()) {
    throw Error(Code::kUsage, "--exclusive goes with --to-time or --to-gtid", "leave it out");
  }
  if (begins_recovery(database) || !wants_moment(options) || options.to_immediate) return;
  throw Error(Code::kNotFound,
              name.id() +
                  " does not say where it is in the binary log: the server had no GTIDs, or "
                  "its account lacked REPLICATION SLAVE",
              "restore the dump alone (--to-immediate), or another backup: holdfast list; for the "
              "next time: holdfast check " +
                  name.source);
}

// Options that would be ignored are a misunderstanding at the worst time for one.
void check_database_options(const RestoreOptions& options, const Vault& vault,
                            const BackupName& name) {
  const std::string engine = wanted_engine(options);
  if (options.role == "standby" && options.primary.empty()) {
    throw Error(
        Code::kUsage, "a standby without a primary would follow nobody, and wait for ever",
        "say how to connect to the primary: --primary 'host=db1 user=repl'; for a server of "
        "its own leave --as out");
  }
  if (engine.empty() && !wants_moment(options) && !options.exclusive) return;
  const auto database = database_of(vault, name);
  if (database && database->engine == kMysqlKey) {
    check_mysql_options(options, *database, name);
  } else if (!database || database->method != "physical" ||
             (!engine.empty() && database->engine != engine)) {
    throw Error(Code::kUsage, name.id() + " is no physical backup of " + engine_title(engine),
                "leave the options for " + engine_title(engine) +
                    " out, or name another backup: holdfast list");
  }
  if (!options.includes.empty() || !options.excludes.empty() || options.strip_components) {
    throw Error(Code::kUsage, "a part of a server's files cannot be recovered to a target",
                "leave --include, --exclude and --strip-components out");
  }
}

TarRestore tar_restore(const RestoreOptions& options, const StoredArchive& archive) {
  if (options.remove_others) {
    throw Error(Code::kUsage, "--delete is not for archives",
                "restore into an empty directory instead");
  }
  if (options.overwrite == "if-changed") {
    throw Error(Code::kUsage, "an archive is unpacked as a stream, and nothing is compared",
                "give --overwrite always, or leave it out: what exists stays then");
  }
  TarRestore restore;
  restore.archive = archive;
  restore.target = options.target;
  restore.includes = options.includes;
  restore.excludes = options.excludes;
  restore.strip_components = options.strip_components.value_or(0);
  restore.overwrite = options.overwrite == "always";
  restore.numeric_ids = options.numeric_ids;
  restore.no_owner = options.no_owner;
  restore.no_xattrs = options.no_xattrs;
  restore.ignore_free_space = options.ignore_free_space;
  restore.dry_run = options.dry_run;
  restore.identity = options.identity;
  restore.thaw = options.thaw;
  return restore;
}

// Without --into they would be ignored.
void refuse_into_options(const RestoreOptions& options) {
  if (options.into.database.empty() && options.into.as_name.empty() && !options.into.disconnect) {
    return;
  }
  throw Error(Code::kUsage, "--database, --as-name and --disconnect go with --into",
              "say which server: --into 'host=... dbname=...', or --into source");
}

int run_into(Context& context, const RestoreOptions& options) {
  if (!options.target.empty() || !options.includes.empty() || !options.excludes.empty()) {
    throw Error(Code::kUsage, "--into loads one whole database",
                "leave --target, --include and --exclude out; --database chooses");
  }
  if (options.overwrite == "if-changed") {
    throw Error(Code::kUsage, "a database is replaced as a whole", "give --overwrite always");
  }
  IntoOptions into = options.into;
  into.backup = options.backup;
  into.identity = options.identity;
  into.thaw = options.thaw;
  into.replace = options.overwrite == "always";
  into.ignore_free_space = options.ignore_free_space;
  into.dry_run = options.dry_run;
  return restore_into(context, into);
}

// What a command does with one backup, in parts.
struct Doings {
  std::function<ThawPlan()> check;
  std::function<Restored()> restore;
  std::function<std::string(const Restored&)> check_after;
};

// The order of the runbook.
Restored in_steps(Context& context, RestoreGuard& guard, const RestoreJob& job,
                  const Doings& doings) {
  Restored restored;
  ThawPlan thawed;
  RestoreDoings parts;
  parts.check = [&] {
    thawed = doings.check();
    return thawed.empty() ? std::string("nothing is in the way")
                          : "nothing is in the way, and what was archived can be read";
  };
  parts.restore = [&] {
    restored = doings.restore();
    if (restored.thaw.empty()) restored.thaw = thawed;
    if (const auto damage = damage_in(restored)) throw Error(*damage);
    return plural(restored.result.files, "file");
  };
  parts.check_after = [&] { return doings.check_after(restored); };
  const std::vector<RestoreStep> steps = guard.steps(parts);
  if (job.dry_run) {
    print_steps(context.output, steps);
    return doings.restore();
  }
  std::vector<StepDone> done;
  RunLog log(context, "restore", "restore-" + job.backup.backup_class);
  run_steps(context, steps, log, done);
  return restored;
}

// In steps where something is in use, or would be lost; else the restore alone.
Restored guarded(Context& context, RestoreGuard& guard, const RestoreJob& job,
                 const Doings& doings) {
  try {
    Restored restored = guard.needed() ? in_steps(context, guard, job, doings) : doings.restore();
    if (!guard.safety().empty()) {
      context.output.print("what was there before: " + guard.safety() + "\n");
    }
    return restored;
  } catch (const Error& error) {
    guard.failed();
    throw with_safety(error, guard.safety(), "--target DIR");
  }
}

int run(Context& context, const RestoreOptions& options) {
  OpenedPlace place = open_wanted(
      context, options.dry_run ? Access::kDryRun : Access::kWriteIfPossible, options.backup);
  if (const auto* archive = std::get_if<StoredArchive>(&place.wanted)) {
    return restore_tar(context, *place.store, tar_restore(options, *archive));
  }
  const OpenedVault opened = open_vault(context, std::move(place.store));
  const auto& name = std::get<BackupName>(place.wanted);
  check_database_options(options, *opened.vault, name);
  const RestoreJob job = make_job(options, name, context.settings());
  std::optional<ReplicaPlan> replica;
  if (options.role == "replica") {
    replica.emplace(context, *opened.vault, job, options.primary);
  }
  DatabaseRestore database = database_options(options);
  if (replica) {
    database.accept_gtid = [&replica](const std::string& gtid) { replica->check_log(gtid); };
  }
  RestoreGuard guard(context, opened, job, !options.into.no_safety_backup);
  Doings doings;
  // Hours may pass until what is archived can be read: what uses the target runs on meanwhile.
  doings.check = [&] {
    check_restore(context, *opened.vault, job, database, guard.stops());
    return bring_from_archive(context, *opened.vault, job, options.thaw);
  };
  doings.restore = [&] {
    RestoreJob kept = job;
    kept.safety = guard.safety();
    Restored done = restore_backup(context, *opened.vault, kept, options.thaw, database);
    if (replica && !damage_in(done)) replica->complete(done.gtid);
    return done;
  };
  doings.check_after = [&](const Restored& done) {
    return check_restored(context, *opened.vault, job, done);
  };
  const Restored restored = guarded(context, guard, job, doings);
  context.output.note(restored_text(job, restored));
  print_warnings(context.output, restored.warnings, restored.warning_count, restored.log_file);
  Json document = restored_json(job, restored);
  document["safety_backup"] = guard.safety().empty() ? Json() : Json(guard.safety());
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
  Command command = root.subcommand("restore", "Bring a backup back into a directory or a server");
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
      .text("--to-time", o->to_time, "Databases: recover to this moment, 2025-11-10T12:00:00Z")
      .text("--to-gtid", o->to_gtid, "MariaDB, MySQL: recover to this position, 0-1-42")
      .text("--to-xid", o->to_xid, "PostgreSQL: recover to this transaction")
      .text("--to-lsn", o->to_lsn, "PostgreSQL: recover to this position of the log")
      .text("--to-name", o->to_name, "PostgreSQL: recover to this restore point")
      .flag("--to-immediate", o->to_immediate, "Databases: the backup itself, without the log")
      .flag("--to-latest", o->to_latest,
            "Databases: to the end of the log (as without a target; of a dump of MySQL it makes a "
            "server)")
      .flag("--exclusive", o->exclusive, "Stop right before the target, not behind it")
      .text("--timeline", o->timeline, "latest (the default), current, or a number")
      .choice("--action", o->action, {"promote", "pause", "shutdown"},
              "What the server does at the target (default: promote)")
      .choice("--as", o->role, {"primary", "standby", "replica"},
              "What the server shall be: a standby of PostgreSQL, a replica of MariaDB")
      .text("--primary", o->primary, "Of a standby or replica: how to connect to its primary")
      .choice("--archiving", o->archiving, {"auto", "keep", "off"},
              "PostgreSQL: auto turns it off in a copy beside the source (default), keep, off")
      .text("--tablespaces", o->tablespaces,
            "PostgreSQL: put tablespaces into DIR/OID (default: their old places)")
      .number("--threads", o->threads, 1, 256,
              "Threads (default: one per processor, up to 8 for a remote store)");
  command
      .text("--into", o->into.server,
            "Load a dump into this server: 'host=... dbname=...', or 'source' for its own")
      .text("--database", o->into.database, "With --into: which database of the backup")
      .text("--as-name", o->into.as_name, "With --into: what the restored database is called")
      .flag("--disconnect", o->into.disconnect, "With --into: end sessions that still use it")
      .flag("--no-safety-backup", o->into.no_safety_backup,
            "Do not back up first what is going to be replaced")
      .text("--identity", o->identity, "File of age identities that open sealed archives");
  add_thaw_options(command, o->thaw);
  command
      .examples({"holdfast restore latest:web --target /tmp/back",
                 "holdfast restore latest:shop --into source --as-name shop-test",
                 "holdfast restore latest:shop --into 'host=db1 dbname=shop' --overwrite always",
                 "holdfast restore latest:appdb --target /srv/pg --to-time 2025-11-10T12:00:00Z",
                 "holdfast restore latest --target / --overwrite if-changed",
                 "holdfast restore backup-20251110 --target /tmp/back --include /etc/nginx",
                 "holdfast restore latest --target /srv --strip-components 1 --dry-run"})
      .run([o](Context& context) {
        if (!o->into.server.empty()) return run_into(context, *o);
        refuse_into_options(*o);
        if (o->target.empty()) {
          throw Error(Code::kUsage, "--target is missing",
                      "say where to restore to: --target DIR (--target / for the original places)");
        }
        return run(context, *o);
      });
}

}  // namespace holdfast
