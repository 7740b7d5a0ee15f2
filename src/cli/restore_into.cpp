#include "cli/restore_into.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <atomic>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/error.h"
#include "base/human.h"
#include "cli/archive_access.h"
#include "cli/backup_sources.h"
#include "cli/hooks.h"
#include "cli/into_server.h"
#include "cli/progress.h"
#include "cli/restore_steps.h"
#include "cli/source_run.h"
#include "objective/assertion.h"
#include "protect/database_restore.h"
#include "source/mariadb/target.h"
#include "source/postgres/load.h"

namespace holdfast {
namespace {

class IntoRun {
 public:
  IntoRun(Context& context, const IntoOptions& options) : context_(context), options_(options) {}

  int run();

 private:
  void find_dump();
  void name_only_database();
  void find_server();
  void plan();
  void plan_stop();
  void plan_start();

  std::string validate();
  std::string check_server();
  std::string check_space();
  std::string stop_application();
  std::string check_sessions();
  std::string safety_backup();
  std::string load();
  AnswerRows ask(const std::string& query);
  std::string check_answers();

  void act();
  Error with_state(const Error& error) const;
  void clean_up();
  HookEvent event(const std::string& name, const std::string& status) const;
  std::vector<Assertion> assertions() const;

  Context& context_;
  const IntoOptions& options_;
  std::optional<RunLog> log_;  // a dry run has none
  std::unique_ptr<ObjectStore> store_;
  OpenedVault opened_;  // its vault is null for an archive
  const SourceSettings* source_ = nullptr;
  ChosenDump dump_;
  std::string database_;  // where it goes
  std::unique_ptr<IntoServer> server_;
  bool replaces_ = false;  // a database is there
  bool in_place_ = false;  // and it is the one that is in use: hooks and safety backup
  CheckedDump checked_;
  std::string safety_;  // the backup of what was there
  bool stopped_ = false;
  std::vector<RestoreStep> steps_;
  std::vector<StepDone> done_;
  Duration begin_{};
};

ObjectStore& store_of(const OpenedVault& opened, const std::unique_ptr<ObjectStore>& store) {
  return opened.store ? *opened.store : *store;
}

void IntoRun::find_dump() {
  // A safety backup is written, if there is one to make.
  const Access access = options_.dry_run ? Access::kRead : Access::kWriteIfPossible;
  OpenedPlace place = open_wanted(context_, access, options_.backup);
  store_ = std::move(place.store);
  if (const auto* archive = std::get_if<StoredArchive>(&place.wanted)) {
    source_ = source_of_archive(context_.settings(), archive->name);
    bring_archive(context_, *store_, *archive, options_.thaw, options_.dry_run);
    dump_ =
        dump_of_archive(*store_, *archive, source_,
                        identities_for(context_, archive->name, options_.identity), context_.stop);
    if (!options_.database.empty()) dump_.database = options_.database;
    return;
  }
  opened_ = open_vault(context_, std::move(store_));
  const auto& name = std::get<BackupName>(place.wanted);
  for (const SourceSettings& source : context_.settings().sources) {
    if (source.name == name.source && source.backup_class == name.backup_class) source_ = &source;
  }
  if (!options_.dry_run) {
    RestoreJob needs;
    needs.backup = name;
    bring_from_archive(context_, *opened_.vault, needs, options_.thaw);
  }
  dump_ = dump_of_backup(*opened_.vault, name, options_.database);
}

// A backup of MariaDB does not say which databases it has; its source may.
void IntoRun::name_only_database() {
  if (!dump_.mariadb || !dump_.database.empty()) return;
  if (source_ == nullptr || !source_->mariadb) return;
  if (source_->mariadb->databases.size() == 1) dump_.database = source_->mariadb->databases.front();
}

void IntoRun::find_server() {
  const bool own = options_.server == "source";
  if (own && source_ == nullptr) {
    throw Error(Code::kUsage, "the configuration has no source that " + dump_.id + " is of",
                "say how to connect: --into 'host=/run/postgresql dbname=shop'");
  }
  if (dump_.mariadb) {
    const auto known = source_ != nullptr ? source_->mariadb : std::nullopt;
    MariadbTarget target{known.value_or(MariadbSettings{}), ""};
    if (!own) target = parse_mariadb_target(options_.server, target.settings);
    database_ = !options_.as_name.empty()  ? options_.as_name
                : !target.database.empty() ? target.database
                                           : dump_.database;
    if (!database_.empty()) server_ = into_mariadb(target.settings, database_, context_.stop);
  } else {
    PostgresSettings settings =
        source_ != nullptr && source_->postgresql ? *source_->postgresql : PostgresSettings{};
    if (!own) settings.connection = options_.server;
    const std::string named = own ? "" : pg_database_of(settings.connection);
    database_ = !options_.as_name.empty() ? options_.as_name
                : !named.empty()          ? named
                                          : dump_.database;
    if (!database_.empty()) server_ = into_postgres(settings, database_, context_.stop);
  }
  if (server_) return;
  throw Error(Code::kUsage, "nobody says what the restored database is to be called",
              "give --as-name NAME, or dbname=NAME in --into");
}

HookEvent IntoRun::event(const std::string& name, const std::string& status) const {
  return {name, source_ != nullptr ? source_->name : "", "database", dump_.id, status};
}

std::string IntoRun::validate() {
  std::atomic<std::uint64_t> bytes{0};
  const ProgressDisplay display(context_, "validate", "dump", [&bytes] {
    ProgressSample sample;
    sample.bytes = bytes;
    return sample;
  });
  checked_ = check_dump(dump_, bytes);
  return dump_.what + ": whole, " + format_size(checked_.bytes) + " when expanded";
}

std::string IntoRun::check_server() {
  server_->check(dump_, checked_.roles);
  return server_->name();
}

// The expanded dump is about what its tables take; indexes come on top and are not in it.
std::string IntoRun::check_space() {
  const std::string directory = server_->local_data_directory();
  struct statvfs status {};
  if (directory.empty() || ::statvfs(directory.c_str(), &status) != 0) {
    return "the server is elsewhere: its space is not known";
  }
  std::uint64_t free = std::uint64_t{status.f_bavail} * status.f_frsize;
  // Dropped before it is loaded anew.
  if (replaces_ && !server_->loads_beside()) free += server_->size();
  const std::string text = fmt::format("{} free in {}, {} needed", format_size(free),
                                       printable(directory), format_size(checked_.bytes));
  if (free >= checked_.bytes || options_.ignore_free_space) return text;
  throw Error(Code::kExhausted, text,
              "free some, restore into another server, or try all the same with "
              "--ignore-free-space");
}

std::string IntoRun::stop_application() {
  stopped_ = true;
  run_hooks(source_->restore_hooks.before, event("restore.before", ""), *log_, context_.stop);
  return plural(source_->restore_hooks.before.size(), "command");
}

std::string IntoRun::check_sessions() {
  std::vector<std::string> sessions = server_->sessions();
  if (sessions.empty()) return "nobody uses " + printable(database_);
  const std::string text = fmt::format("{} in {} (first: {})", plural(sessions.size(), "session"),
                                       printable(database_), sessions.front());
  if (!options_.disconnect) {
    throw Error(Code::kConflict, text,
                "stop what uses it: 'restore: before:' of the source, or end its sessions with "
                "--disconnect");
  }
  server_->end_sessions();
  return "ended " + text;
}

std::string IntoRun::safety_backup() {
  SourceSettings safety = server_->safety_source();
  safety.name = safety_name(source_ != nullptr ? source_->name : database_);
  if (source_ != nullptr) safety.archive = source_->archive;
  safety.format = opened_.vault ? BackupFormat::kVault : BackupFormat::kArchive;
  SourceRunOptions run;
  run.threads = context_.settings().threads;
  run.level = context_.settings().compression;
  const SourceOutcome outcome =
      run_source(context_, store_of(opened_, store_), opened_.vault.get(), safety, run);
  if (outcome.error) throw Error(*outcome.error);
  safety_ = outcome.result ? outcome.result->summary.name.id()
                           : outcome.archives.archives.front().name.file();
  return safety_;
}

std::string IntoRun::load() {
  std::atomic<std::uint64_t> bytes{0};
  const Duration begin = context_.clock.monotonic();
  const ProgressDisplay display(context_, "load", "dump", [&] {
    ProgressSample sample;
    sample.bytes = bytes;
    sample.total_bytes = checked_.bytes;
    sample.total_known = true;
    return sample;
  });
  server_->load(dump_, bytes);
  const double seconds =
      std::max(0.001, std::chrono::duration<double>(context_.clock.monotonic() - begin).count());
  return fmt::format("{} ({}/s)", format_size(bytes),
                     format_size(static_cast<std::uint64_t>(static_cast<double>(bytes) / seconds)));
}

// Those that are about the database that was restored.
std::vector<Assertion> IntoRun::assertions() const {
  std::vector<Assertion> chosen;
  if (source_ == nullptr) return chosen;
  const std::vector<std::string>& databases =
      source_->postgresql ? source_->postgresql->databases : source_->mariadb->databases;
  const std::string fallback = databases.empty() ? "postgres" : databases.front();
  const std::string of = dump_.database.empty() ? database_ : dump_.database;
  for (const Assertion& assertion : source_->assertions) {
    if ((assertion.database.empty() ? fallback : assertion.database) == of) {
      chosen.push_back(assertion);
    }
  }
  return chosen;
}

AnswerRows IntoRun::ask(const std::string& query) {
  try {
    return server_->ask(query);
  } catch (Error& error) {
    error.add_context(query);
    throw;
  }
}

std::string IntoRun::check_answers() {
  const std::vector<Assertion> all = assertions();
  const Timestamp now = context_.clock.now();
  for (const Assertion& assertion : all) {
    const auto failure = assertion_failure(assertion.expect, ask(assertion.query), now);
    if (!failure) continue;
    throw Error(Code::kCorrupt, assertion.query + ": " + *failure,
                "what was restored is not what it should be: restore an older backup");
  }
  return all.empty() ? "it can be read; the source has no assertions about it"
                     : plural(all.size(), "assertion") + " passed";
}

// Stopping what writes, and a way back, before anything is lost.
void IntoRun::plan_stop() {
  if (in_place_ && source_ != nullptr && !source_->restore_hooks.before.empty()) {
    steps_.push_back({"stop",
                      plural(source_->restore_hooks.before.size(), "command") +
                          " of 'restore: before:' (the first: " +
                          source_->restore_hooks.before.front().command + ")",
                      [this] { return stop_application(); }});
  }
  if (!replaces_) return;
  steps_.push_back({"sessions",
                    options_.disconnect ? "end the sessions that still use it"
                                        : "refuse while somebody still uses it",
                    [this] { return check_sessions(); }});
  if (options_.no_safety_backup || !in_place_) return;
  steps_.push_back({"safety backup", "back up " + database_ + " as it is now",
                    [this] { return safety_backup(); }});
}

void IntoRun::plan_start() {
  if (!in_place_ || source_ == nullptr || source_->restore_hooks.after.empty()) return;
  steps_.push_back({"start",
                    plural(source_->restore_hooks.after.size(), "command") +
                        " of 'restore: after:' (the first: " +
                        source_->restore_hooks.after.front().command + ")",
                    [this] {
                      run_hooks(source_->restore_hooks.after, event("restore.after", "success"),
                                *log_, context_.stop);
                      return plural(source_->restore_hooks.after.size(), "command");
                    }});
}

void IntoRun::plan() {
  replaces_ = server_->has_database();
  in_place_ = replaces_ && options_.as_name.empty();
  if (replaces_ && !options_.replace) {
    throw Error(Code::kConflict,
                fmt::format("{} has a database {} ({})", server_->name(), printable(database_),
                            format_size(server_->size())),
                "restore beside it with --as-name NAME, or replace it with --overwrite always");
  }
  steps_.push_back(
      {"validate", "read " + dump_.what + " to its end", [this] { return validate(); }});
  steps_.push_back({"server", "see that " + server_->name() + " can take it",
                    [this] { return check_server(); }});
  steps_.push_back(
      {"space", "compare the expanded size with what is free", [this] { return check_space(); }});
  plan_stop();
  const bool beside = replaces_ && server_->loads_beside();
  steps_.push_back({"restore",
                    beside      ? "load it into a new database beside " + database_
                    : replaces_ ? "drop " + database_ + " and load it anew"
                                : "load it into the new database " + database_,
                    [this] { return load(); }});
  steps_.push_back({"check", plural(assertions().size(), "assertion") + " of the source",
                    [this] { return check_answers(); }});
  steps_.push_back({"switch",
                    beside ? "it takes the name and place of " + database_ : "it is " + database_,
                    [this] {
                      server_->take_place();
                      return printable(database_) + " is what was restored";
                    }});
  plan_start();
  if (!beside) return;
  steps_.push_back({"tidy", "drop what was " + database_ + " before", [this] {
                      server_->drop_old();
                      return safety_.empty() ? std::string() : "it is in " + safety_;
                    }});
}

// What a failure leaves behind: the database as it was, if that is in our hands.
void IntoRun::clean_up() {
  try {
    server_->drop_loaded();
  } catch (const Error& also) {
    context_.output.warning("what was loaded could not be removed: " + also.message());
  }
  if (!server_->old_name().empty()) {
    context_.output.warning(printable(database_) +
                            " is what was restored, and what it replaced is " +
                            server_->old_name() + ": drop that when all is well");
  }
  if (!stopped_) return;
  try {
    run_hooks(source_->restore_hooks.on_failure, event("restore.on_failure", "failed"), *log_, {});
  } catch (const Error& also) {
    context_.output.warning(also.message());
  }
}

// The safety backup is of what is there still: restoring it would be work and danger for nothing.
Error IntoRun::with_state(const Error& error) const {
  if (safety_.empty()) return error;
  const std::string state = printable(database_) + " is as it was";
  return {error.code(), error.message(),
          error.hint().empty() ? state : error.hint() + "; " + state};
}

void IntoRun::act() {
  try {
    run_steps(context_, steps_, *log_, done_);
  } catch (const Error& error) {
    log_->failure("restore of " + dump_.id, error.message());
    const bool untouched = server_->loads_beside() && server_->old_name().empty();
    clean_up();
    if (untouched) throw with_state(error);
    throw with_safety(error, safety_, "--into ... --overwrite always");
  }
}

int IntoRun::run() {
  begin_ = context_.clock.monotonic();
  find_dump();
  name_only_database();
  find_server();
  plan();
  Json document{{"backup", dump_.id},
                {"server", server_->name()},
                {"database", database_},
                {"replaces", replaces_},
                {"dry_run", options_.dry_run}};
  if (options_.dry_run) {
    context_.output.note("would restore " + dump_.what + " into " + printable(database_) + "\n");
    print_steps(context_.output, steps_);
    document["steps"] = plan_json(steps_);
    context_.output.document(document);
    return kExitSuccess;
  }
  context_.output.note("restoring " + dump_.what + " into " + printable(database_) + "\n");
  log_.emplace(context_, "restore", "restore-database");
  log_->info("restore of " + dump_.what + " into " + database_ + " at " + server_->name());
  act();
  const Duration took = context_.clock.monotonic() - begin_;
  context_.output.note(
      fmt::format("restored {} in {}\n", printable(database_), format_duration(took)));
  if (!safety_.empty()) {
    context_.output.print("what was there before: " + safety_ + "\n");
  }
  log_->duration(took);
  document["steps"] = steps_json(done_);
  document["bytes"] = checked_.bytes;
  document["safety_backup"] = safety_.empty() ? Json() : Json(safety_);
  document["duration_seconds"] = std::chrono::duration<double>(took).count();
  context_.output.document(document);
  return kExitSuccess;
}

}  // namespace

int restore_into(Context& context, const IntoOptions& options) {
  return IntoRun(context, options).run();
}

}  // namespace holdfast
